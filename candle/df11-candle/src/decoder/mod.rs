//! One decoder for all families. What differs stands in `Config`.
//!
//! ```text
//! tokens -> embedding -> [ norm, q k v, norms of heads, positions, cache, attention, output
//!                          norm, gate and up, activation, down ] for each layer -> norm -> head
//! ```

mod cache;
mod layer;
mod positions;

use std::path::Path;

use candle_core::{Module, Tensor};
use df11::Form;

pub use cache::Cache;
use layer::Layer;
use positions::Turns;

use crate::config::{Config, Family};
use crate::linear::Linear;
use crate::ops::RmsNorm;
use crate::weights::Weights;
use crate::{Embedding, Error};

/// What the names of a decoder and of its head begin with: alone, or beside a model of pictures.
const PREFIXES: [[&str; 2]; 3] =
    [["model", "lm_head"], ["language_model.model", "language_model.lm_head"], ["model.language_model", "lm_head"]];

/// A model that continues texts, with its weights in one form.
#[derive(Debug)]
pub struct Decoder {
    config: Config,
    embedding: Embedding,
    /// What embeddings are multiplied with.
    embedding_scale: Option<f64>,
    layers: Vec<Layer>,
    norm: RmsNorm,
    head: Linear,
    bytes: u64,
}

/// New tokens of one text, and what was remembered of it. Several texts can run together.
#[derive(Debug)]
pub struct Run<'a> {
    /// The new tokens.
    pub tokens: &'a [u32],
    /// The text so far; the tokens are added.
    pub cache: &'a mut Cache,
}

impl Decoder {
    /// Opens the model in `folder`, DFloat11 or BF16, and loads it in `form`.
    ///
    /// # Errors
    /// As `Config::read`, `Weights::open` and `load`.
    pub fn open(folder: impl AsRef<Path>, form: Form) -> Result<Self, Error> {
        let config = Config::read(folder.as_ref())?;
        Self::load(Weights::open(folder, form)?, config)
    }

    /// Loads the decoder that `config` describes.
    ///
    /// # Errors
    /// As `Weights::matrices` and `Weights::vector`.
    pub fn load(mut weights: Weights, config: Config) -> Result<Self, Error> {
        let has = |[prefix, _]: &&[&str; 2]| weights.model().tensor(&format!("{prefix}.embed_tokens.weight")).is_ok();
        let [prefix, head] = PREFIXES.iter().find(has).unwrap_or(&PREFIXES[0]);
        let shape = [config.vocabulary, config.hidden];
        let embedding = Embedding::new(weights.matrix(&format!("{prefix}.embed_tokens.weight"), shape)?);
        let head = match config.tied {
            true => embedding.matrix().clone(),
            false => weights.matrix(&format!("{head}.weight"), shape)?,
        };
        // After the largest matrices: those that the files hold in BF16 take twice their memory
        // while they are brought into the form.
        let ahead = weights.load_ahead(prefix)?;
        let mut layers = Vec::with_capacity(config.layers.len());
        for (index, layer) in config.layers.iter().enumerate() {
            layers.push(Layer::load(&mut weights, &format!("{prefix}.layers.{index}"), &config, layer)?);
        }
        let norm = weights.vector(&format!("{prefix}.norm.weight"), config.hidden)?;
        let gemma = config.family == Family::Gemma3;
        let norm = if gemma { RmsNorm::plus_one } else { RmsNorm::new }(norm, config.epsilon);
        drop(ahead);
        Ok(Self {
            embedding,
            embedding_scale: gemma.then(|| f64::from(df11::bf16::from_f64(libm::sqrt(config.hidden as f64)))),
            layers,
            norm,
            head: Linear::new(head).with_f32_output(),
            bytes: weights.resident_bytes(),
            config,
        })
    }

    /// What config.json says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Bytes of all weights in memory.
    pub fn resident_bytes(&self) -> u64 {
        self.bytes
    }

    /// An empty cache, for a new text.
    ///
    /// # Errors
    /// candle's.
    pub fn cache(&self) -> Result<Cache, Error> {
        Ok(Cache::new(&self.config)?)
    }

    /// Adds the tokens of each run to its text. Returns the logits of what follows the last token
    /// of each, `[runs, vocabulary]` in F32. A text has the same logits alone and with others, and
    /// whether its tokens are added at once or one after another. After an error the texts are as
    /// before.
    ///
    /// # Errors
    /// `NoSuchToken`, `ContextFull`; `Weights`, for weights that do not decode; candle's. A run
    /// without tokens is an error of candle's.
    pub fn forward(&self, runs: &mut [Run<'_>]) -> Result<Tensor, Error> {
        in_pool(|| self.last(runs))
    }

    /// As `forward`, with the logits after every token: `[tokens of all runs, vocabulary]`.
    ///
    /// # Errors
    /// As `forward`.
    pub fn forward_all(&self, runs: &mut [Run<'_>]) -> Result<Tensor, Error> {
        in_pool(|| {
            let x = self.hidden(runs)?;
            self.finish(&x, runs)
        })
    }

    fn last(&self, runs: &mut [Run<'_>]) -> Result<Tensor, Error> {
        let x = self.hidden(runs)?;
        let ends = runs.iter().scan(0u32, |end, run| {
            *end += run.tokens.len() as u32;
            Some(end.saturating_sub(1))
        });
        let ends: Vec<u32> = ends.collect();
        let last = x.index_select(&Tensor::new(ends, x.device())?, 0)?;
        self.finish(&last, runs)
    }

    fn hidden(&self, runs: &mut [Run<'_>]) -> Result<Tensor, Error> {
        for Run { tokens, cache } in &mut *runs {
            let (asked, context) = (cache.tokens() + tokens.len(), self.config.context);
            if asked > context {
                return Err(Error::ContextFull { asked, context });
            }
            if tokens.is_empty() {
                return Err(candle_core::Error::Msg("a run has no tokens".into()).into());
            }
            cache.reserve(tokens.len(), context)?;
        }
        let tokens: Vec<u32> = runs.iter().flat_map(|run| run.tokens).copied().collect();
        let mut x = self.embedding.rows(&tokens)?;
        if let Some(scale) = self.embedding_scale {
            x = x.affine(scale, 0.0)?;
        }
        let mut known: Vec<(crate::Rope, Turns)> = Vec::new();
        for (index, (layer, config)) in self.layers.iter().zip(&self.config.layers).enumerate() {
            let at = match known.iter().position(|(rope, _)| *rope == config.rope) {
                Some(at) => at,
                None => {
                    known.push((config.rope, Turns::new(&config.rope, self.config.head_dim, runs)?));
                    known.len() - 1
                }
            };
            x = layer.forward(&x, index, &known[at].1, runs)?;
        }
        Ok(x)
    }

    fn finish(&self, x: &Tensor, runs: &mut [Run<'_>]) -> Result<Tensor, Error> {
        let logits = self.head.forward(&self.norm.forward(x)?)?;
        runs.iter_mut().for_each(|Run { tokens, cache }| cache.advance(tokens.len()));
        Ok(logits)
    }
}

/// Runs all of a pass on a thread of the pool: from outside, each of its many parallel parts would
/// wake the pool anew.
fn in_pool<R: Send>(pass: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| pass())
}
