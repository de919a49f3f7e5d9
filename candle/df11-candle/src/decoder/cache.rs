use candle_core::{DType, Device, Result, Tensor};

use crate::Error;
use crate::config::Config;

/// Positions that a new cache has room for.
const FIRST_ROOM: usize = 256;
/// Rows that a layer with a window has beyond it. When they are used up, the rows of the window
/// move to the front: that costs a part in 32 of what reading them for each token costs.
const BEYOND_WINDOW: usize = 32;

/// The keys and values of one text: what a decoder remembers of the tokens so far. A layer with a
/// window remembers the last tokens alone.
///
/// The room of a layer doubles when it is full, up to the context or its window.
#[derive(Debug)]
pub struct Cache {
    layers: Vec<Kept>,
    tokens: usize,
}

/// What one layer remembers.
///
/// ```text
/// row        0 ... rows of tokens ... | rows of new tokens | room
/// position   first                      tokens
/// ```
#[derive(Debug)]
struct Kept {
    /// `[room, kv_heads, head_dim]`.
    keys: Tensor,
    values: Tensor,
    /// The position of row 0.
    first: usize,
    window: Option<usize>,
}

/// Keys and values of a layer, as `Attention` takes them.
pub(super) struct Written<'a> {
    pub keys: &'a Tensor,
    pub values: &'a Tensor,
    /// The row of the first new token.
    pub row: usize,
}

impl Cache {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let layers = config.layers.iter().map(|layer| {
            let most = layer.window.map_or(config.context, |window| window.saturating_sub(1) + BEYOND_WINDOW);
            let shape = (FIRST_ROOM.min(most).min(config.context), config.kv_heads, config.head_dim);
            let zeros = || Tensor::zeros(shape, DType::BF16, &Device::Cpu);
            Ok(Kept { keys: zeros()?, values: zeros()?, first: 0, window: layer.window })
        });
        Ok(Self { layers: layers.collect::<Result<_>>()?, tokens: 0 })
    }

    /// Tokens so far.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        let tensors = self.layers.iter().flat_map(|layer| [&layer.keys, &layer.values]);
        tensors.map(|tensor| (tensor.elem_count() * DType::BF16.size_in_bytes()) as u64).sum()
    }

    /// Forgets all tokens from position `tokens` on.
    ///
    /// # Errors
    /// `Forgotten` if a layer with a window does not remember the tokens before that position any
    /// more. Nothing has changed then.
    pub fn truncate(&mut self, tokens: usize) -> std::result::Result<(), Error> {
        if tokens >= self.tokens {
            return Ok(());
        }
        let least = self.layers.iter().filter(|layer| layer.first > 0).filter_map(|layer| {
            let window = layer.window?;
            Some(layer.first + window.saturating_sub(1))
        });
        match least.max() {
            Some(least) if tokens < least => Err(Error::Forgotten { tokens, least }),
            _ => {
                self.tokens = tokens;
                Ok(())
            }
        }
    }

    /// Makes room for `more` tokens. A text has at most `context` tokens.
    pub(super) fn reserve(&mut self, more: usize, context: usize) -> Result<()> {
        self.layers.iter_mut().try_for_each(|layer| layer.reserve(self.tokens, more, context))
    }

    /// Writes keys and values of new tokens, `[tokens, heads, head_dim]`, after those of the tokens
    /// so far.
    pub(super) fn write(&self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<Written<'_>> {
        let Some(kept) = self.layers.get(layer) else {
            candle_core::bail!("a cache of {} layers: it is of another model", self.layers.len())
        };
        let row = self.tokens - kept.first;
        kept.keys.slice_set(&keys.force_contiguous()?, 0, row)?;
        kept.values.slice_set(&values.force_contiguous()?, 0, row)?;
        Ok(Written { keys: &kept.keys, values: &kept.values, row })
    }

    /// Counts the tokens that every layer has written.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.tokens += tokens;
    }
}

impl Kept {
    /// Makes room for `more` rows after those of `tokens` tokens. Only rows that a later token can
    /// see are kept.
    fn reserve(&mut self, tokens: usize, more: usize, context: usize) -> Result<()> {
        let (room, heads, head_dim) = self.keys.dims3()?;
        if tokens + more <= self.first + room {
            return Ok(());
        }
        let first = self.window.map_or(0, |window| (tokens + 1).saturating_sub(window)).max(self.first);
        let most = self.window.map_or(context, |window| window.saturating_sub(1) + BEYOND_WINDOW);
        let rows = tokens - first;
        let room = (rows + more).max((2 * room).min(most));
        let moved = |tensor: &Tensor| -> Result<Tensor> {
            let larger = Tensor::zeros((room, heads, head_dim), DType::BF16, &Device::Cpu)?;
            if rows > 0 {
                larger.slice_set(&tensor.narrow(0, first - self.first, rows)?, 0, 0)?;
            }
            Ok(larger)
        };
        // If one of them fails, both are as they were.
        (self.keys, self.values) = (moved(&self.keys)?, moved(&self.values)?);
        self.first = first;
        Ok(())
    }
}
