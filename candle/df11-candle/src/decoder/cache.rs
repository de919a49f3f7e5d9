use candle_core::{DType, Device, Result, Tensor};

use crate::config::Config;

/// Positions that a new cache has room for.
const FIRST_ROOM: usize = 256;

/// The keys and values of one text: what a decoder remembers of the tokens so far.
///
/// It takes `bytes_per_token` for each token it has room for; the room doubles when it is full.
#[derive(Debug)]
pub struct Cache {
    layers: Vec<[Tensor; 2]>,
    tokens: usize,
    room: usize,
}

impl Cache {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let room = FIRST_ROOM.min(config.context);
        let shape = (room, config.kv_heads, config.head_dim);
        let zeros = || Tensor::zeros(shape, DType::BF16, &Device::Cpu);
        let layers = config.layers.iter().map(|_| Ok([zeros()?, zeros()?]));
        Ok(Self { layers: layers.collect::<Result<_>>()?, tokens: 0, room })
    }

    /// Tokens so far.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Forgets all tokens from position `tokens` on.
    pub fn truncate(&mut self, tokens: usize) {
        self.tokens = self.tokens.min(tokens);
    }

    /// Makes room for `more` tokens, at most `most` in all.
    pub(super) fn reserve(&mut self, more: usize, most: usize) -> Result<()> {
        let needed = self.tokens + more;
        if needed <= self.room {
            return Ok(());
        }
        let room = needed.max(2 * self.room).min(most.max(needed));
        for tensor in self.layers.iter_mut().flatten() {
            let (_, heads, head_dim) = tensor.dims3()?;
            let larger = Tensor::zeros((room, heads, head_dim), DType::BF16, &Device::Cpu)?;
            larger.slice_set(tensor, 0, 0)?;
            *tensor = larger;
        }
        self.room = room;
        Ok(())
    }

    /// Writes keys and values of new tokens, `[tokens, heads, head_dim]`, after those of the tokens
    /// so far. Returns all keys and values of the layer, with the room after them.
    pub(super) fn write(&self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<[&Tensor; 2]> {
        let Some([k, v]) = self.layers.get(layer) else {
            candle_core::bail!("a cache of {} layers: it is of another model", self.layers.len())
        };
        k.slice_set(&keys.force_contiguous()?, 0, self.tokens)?;
        v.slice_set(&values.force_contiguous()?, 0, self.tokens)?;
        Ok([k, v])
    }

    /// Counts the tokens that every layer has written.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.tokens += tokens;
    }
}
