//! BERT: every token of a text sees all of the text.
//!
//! ```text
//! tokens -> words + kind + positions -> norm
//!        -> [ q k v, attention, output, add and norm, up, activation, down, add and norm ]
//!           for each layer -> a vector for each token -> pooling -> a vector for the text
//! ```

mod layer;
mod pooling;

use std::path::Path;

use candle_core::{DType, Tensor};
use df11::Form;

use self::layer::Layer;
pub use self::pooling::{Pooling, PoolingMode};
use crate::config::EncoderConfig;
use crate::ops::LayerNorm;
use crate::weights::Weights;
use crate::{Embedding, Error};

/// What the names of an encoder begin with: alone, or below a model that has a head.
const PREFIXES: [&str; 2] = ["", "bert."];

/// A model that turns texts into vectors, with its weights in one form.
#[derive(Debug)]
pub struct Encoder {
    config: EncoderConfig,
    words: Embedding,
    positions: Embedding,
    kinds: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
    bytes: u64,
}

impl Encoder {
    /// Opens the model in `folder`, DFloat11 or BF16, and loads it in `form`.
    ///
    /// # Errors
    /// As `EncoderConfig::read`, `Weights::open` and `load`.
    pub fn open(folder: impl AsRef<Path>, form: Form) -> Result<Self, Error> {
        let config = EncoderConfig::read(folder.as_ref())?;
        Self::load(Weights::open(folder, form)?, config)
    }

    /// Loads the tensors that the configuration asks for.
    ///
    /// # Errors
    /// As `Weights::matrices`.
    pub fn load(mut weights: Weights, config: EncoderConfig) -> Result<Self, Error> {
        let words = "embeddings.word_embeddings.weight";
        let is_there = |prefix: &&&str| weights.model().tensor(&format!("{prefix}{words}")).is_ok();
        // Without any, the error names the tensor as a model alone has it.
        let prefix = PREFIXES.iter().find(is_there).unwrap_or(&PREFIXES[0]);
        let ahead = weights.load_ahead(&format!("{prefix}encoder"))?;
        let mut rows = |name: &str, rows: usize| {
            let matrix = weights.matrix(&format!("{prefix}embeddings.{name}.weight"), [rows, config.hidden])?;
            Ok::<_, Error>(Embedding::new(matrix))
        };
        let words = rows("word_embeddings", config.vocabulary)?;
        let positions = rows("position_embeddings", config.context)?;
        let kinds = rows("token_type_embeddings", config.kinds)?;
        let norm = layer::norm(&mut weights, &format!("{prefix}embeddings.LayerNorm"), &config)?;
        let mut layers = Vec::with_capacity(config.layers);
        for index in 0..config.layers {
            layers.push(Layer::load(&mut weights, &format!("{prefix}encoder.layer.{index}"), &config)?);
        }
        drop(ahead);
        let bytes = weights.resident_bytes();
        Ok(Self { config, words, positions, kinds, norm, layers, bytes })
    }

    /// What config.json says.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Bytes of all weights in memory.
    pub fn resident_bytes(&self) -> u64 {
        self.bytes
    }

    /// The vectors of all tokens of all texts, `[tokens, hidden]` in BF16. A text has the same
    /// vectors alone and with others.
    ///
    /// # Errors
    /// `NoSuchToken`, `ContextFull`; `Weights`, for weights that do not decode; candle's. A text
    /// without tokens is an error of candle's.
    pub fn forward(&self, texts: &[&[u32]]) -> Result<Tensor, Error> {
        rayon::scope(|_| self.vectors(texts))
    }

    fn vectors(&self, texts: &[&[u32]]) -> Result<Tensor, Error> {
        for text in texts {
            let (asked, context) = (text.len(), self.config.context);
            if asked > context {
                return Err(Error::ContextFull { asked, context });
            }
        }
        if texts.iter().any(|text| text.is_empty()) || texts.is_empty() {
            return Err(candle_core::Error::Msg("a text has no tokens".into()).into());
        }
        let positions: Vec<u32> = texts.iter().flat_map(|text| 0..text.len() as u32).collect();
        let words = self.words.rows(&texts.concat())?;
        // In this order, because each sum is rounded.
        let x = words.broadcast_add(&self.kinds.rows(&[0])?)?;
        let mut x = self.norm.forward(&(x + self.positions.rows(&positions)?)?)?;
        for layer in &self.layers {
            x = layer.forward(&x, texts)?;
        }
        Ok(x)
    }

    /// A vector for each text: its tokens' vectors, pooled.
    ///
    /// # Errors
    /// As `forward`.
    pub fn embed(&self, texts: &[&[u32]], pooling: Pooling) -> Result<Vec<Vec<f32>>, Error> {
        let vectors = self.forward(texts)?;
        let mut start = 0;
        let pooled = texts.iter().map(|text| {
            let own = vectors.narrow(0, start, text.len())?.to_dtype(DType::F32)?.to_vec2()?;
            start += text.len();
            Ok(pooling.pool(&own))
        });
        pooled.collect()
    }
}
