use std::path::Path;

use serde_json::Value;

use super::MOST_LAYERS;
use super::fields::Fields;
use crate::Error;
use crate::files::{read_json, read_json_if_there};
use crate::ops::Activation;

/// The `model_type` of the encoders that run here.
const MODEL_TYPE: &str = "bert";

/// An encoder: the sizes of a BERT.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Tokens that the model knows.
    pub vocabulary: usize,
    /// Elements of the vector that runs through the layers.
    pub hidden: usize,
    /// Elements in the middle of each layer's second half.
    pub intermediate: usize,
    /// Heads of queries, keys and values.
    pub heads: usize,
    /// Number of layers.
    pub layers: usize,
    /// The most tokens of a text.
    pub context: usize,
    /// The most tokens of a sentence, where sentence-transformers has set fewer than `context`.
    pub sentence: usize,
    /// Kinds of sentences that the model tells apart. Every text here is of the first kind.
    pub kinds: usize,
    /// What norms add to the variance.
    pub epsilon: f32,
    /// The function in the middle of each layer's second half.
    pub activation: Activation,
}

impl EncoderConfig {
    /// Reads config.json of the model in `folder`, and sentence_bert_config.json if it is there.
    ///
    /// # Errors
    /// `File`, `Config`, `Architecture`.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("config.json");
        let mut config = Self::of_json(&path, &read_json(&path)?)?;
        let path = folder.join("sentence_bert_config.json");
        if let Some(value) = read_json_if_there(&path)? {
            let most = Fields::of(&path, &value)?.size("max_seq_length")?;
            config.sentence = most.unwrap_or(config.context).min(config.context);
        }
        Ok(config)
    }

    fn of_json(path: &Path, value: &Value) -> Result<Self, Error> {
        let fields = Fields::of(path, value)?;
        let found = fields.text("model_type")?.unwrap_or_default();
        if found != MODEL_TYPE {
            return Err(Error::Architecture { path: path.into(), found: found.to_owned(), known: MODEL_TYPE.into() });
        }
        fields.must_be_absent("quantization_config")?;
        if fields.text("position_embedding_type")?.is_some_and(|kind| kind != "absolute") {
            return Err(fields.wrong("position_embedding_type", "absolute is expected"));
        }
        let or = |name: &str, default: usize| Ok::<_, Error>(fields.size(name)?.unwrap_or(default));
        let (hidden, heads) = (or("hidden_size", 768)?, or("num_attention_heads", 12)?);
        if hidden % heads != 0 {
            return Err(fields.wrong("num_attention_heads", format!("{hidden} elements are not {heads} equal heads")));
        }
        let layers = or("num_hidden_layers", 12)?;
        if layers > MOST_LAYERS {
            return Err(fields.wrong("num_hidden_layers", format!("more than {MOST_LAYERS} layers do not run here")));
        }
        let activation = match fields.text("hidden_act")? {
            None | Some("gelu") => Activation::Gelu,
            Some("gelu_new" | "gelu_pytorch_tanh") => Activation::GeluTanh,
            Some(_) => return Err(fields.wrong("hidden_act", "gelu, gelu_new or gelu_pytorch_tanh is expected")),
        };
        let context = or("max_position_embeddings", 512)?;
        Ok(Self {
            vocabulary: or("vocab_size", 30_522)?,
            hidden,
            intermediate: or("intermediate_size", 3072)?,
            heads,
            layers,
            context,
            sentence: context,
            kinds: or("type_vocab_size", 2)?,
            epsilon: fields.number("layer_norm_eps")?.unwrap_or(1e-12) as f32,
            activation,
        })
    }
}
