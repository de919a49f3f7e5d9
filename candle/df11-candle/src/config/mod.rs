//! What config.json says about a model, in the spelling of transformers 4 and 5.

mod encoder;
mod family;
mod fields;
mod rope;

use std::path::Path;

use df11::{AttentionShape, LookBack};

pub use encoder::EncoderConfig;
pub use family::Family;
pub(crate) use fields::Fields;
pub use rope::{Rope, Scaling};

use crate::Error;
use crate::files::{parse_json, read_json_if_there, read_text};

/// More layers than any model has. A hostile number asks for no memory.
const MOST_LAYERS: usize = 4096;

/// A decoder: its sizes, and what differs between architectures.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The architecture.
    pub family: Family,
    /// Tokens that the model knows.
    pub vocabulary: usize,
    /// Elements of the vector that runs through the layers.
    pub hidden: usize,
    /// Elements in the middle of each layer's second half.
    pub intermediate: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values; each is used by several heads of queries.
    pub kv_heads: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// Tokens that the model was made for.
    pub context: usize,
    /// What norms add to the mean square.
    pub epsilon: f32,
    /// What scores are multiplied with.
    pub score_scale: f32,
    /// Whether the head is the embedding.
    pub tied: bool,
    /// Whether q, k and v have a bias.
    pub qkv_bias: bool,
    /// Whether the output of attention has a bias.
    pub output_bias: bool,
    /// Whether the matrices of the second half have a bias.
    pub mlp_bias: bool,
    /// Each layer.
    pub layers: Vec<LayerConfig>,
    /// Tokens that end a text.
    pub end_tokens: Vec<u32>,
}

/// What differs between the layers of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerConfig {
    /// Tokens that it looks back at, itself among them; `None` for all.
    pub window: Option<usize>,
    /// Its positions.
    pub rope: Rope,
}

impl Config {
    /// Reads config.json of the model in `folder`, and the end tokens of generation_config.json.
    ///
    /// # Errors
    /// `File`, `Config`, `Architecture`.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("config.json");
        let mut config = Self::of_json(&path, &read_text(&path)?)?;
        let path = folder.join("generation_config.json");
        if let Some(value) = read_json_if_there(&path)? {
            for token in Fields::of(&path, &value)?.tokens("eos_token_id")? {
                if !config.end_tokens.contains(&token) {
                    config.end_tokens.push(token);
                }
            }
        }
        Ok(config)
    }

    /// Reads the text of a config.json. `path` is for messages.
    ///
    /// # Errors
    /// `File`, `Config`, `Architecture`; `Model` for heads and layers that no model has.
    pub fn of_json(path: &Path, json: &[u8]) -> Result<Self, Error> {
        let value = parse_json(path, json)?;
        let outer = Fields::of(path, &value)?;
        // A model of texts and pictures: its text model runs here.
        let fields = outer.object("text_config")?.unwrap_or(outer);
        let model_type = fields.text("model_type")?.or(outer.text("model_type")?).unwrap_or_default();
        let family = Family::of_model_type(model_type).ok_or_else(|| Error::Architecture {
            path: path.into(),
            found: model_type.to_owned(),
            known: Family::ALL.map(Family::model_type).join(", "),
        })?;
        fields.must_be_absent("quantization_config")?;
        fields.must_be_absent("attn_logit_softcapping")?;
        fields.must_be_absent("final_logit_softcapping")?;
        let defaults = family.defaults();
        let hidden = fields.needed("hidden_size")?;
        let attention = AttentionShape::of_json(json, path)?;
        let [heads, kv_heads, head_dim] = [attention.heads, attention.kv_heads, attention.head_dim].map(|n| n as usize);
        if head_dim == 0 || head_dim % 2 != 0 {
            return Err(fields.wrong("head_dim", format!("{head_dim}: an even number is expected")));
        }
        let activation = fields.text("hidden_activation")?.or(fields.text("hidden_act")?);
        if activation.is_some_and(|name| name != defaults.activation) {
            return Err(fields.wrong("hidden_act", format!("{} is expected for {model_type}", defaults.activation)));
        }
        let scaled_by = fields.number("query_pre_attn_scalar")?.or(defaults.query_scalar).unwrap_or(head_dim as f64);
        let attention_bias = fields.flag("attention_bias")?.unwrap_or(false);
        Ok(Self {
            family,
            vocabulary: fields.size("vocab_size")?.or(outer.size("vocab_size")?).unwrap_or(defaults.vocabulary),
            hidden,
            intermediate: fields.needed("intermediate_size")?,
            heads,
            kv_heads,
            head_dim,
            context: fields.size("max_position_embeddings")?.unwrap_or(defaults.context),
            epsilon: fields.number("rms_norm_eps")?.unwrap_or(1e-6) as f32,
            score_scale: (1.0 / libm::sqrt(scaled_by)) as f32,
            tied: fields.flag("tie_word_embeddings")?.or(outer.flag("tie_word_embeddings")?).unwrap_or(defaults.tied),
            qkv_bias: attention_bias || family == Family::Qwen2,
            output_bias: attention_bias && family != Family::Qwen2,
            mlp_bias: fields.flag("mlp_bias")?.unwrap_or(false),
            layers: layers(family, fields, &attention)?,
            end_tokens: outer.tokens("eos_token_id")?,
        })
    }
}

fn layers(family: Family, fields: Fields<'_>, attention: &AttentionShape) -> Result<Vec<LayerConfig>, Error> {
    let theta = family.defaults();
    let full = Rope::read(fields, "full_attention", false, theta.rope_theta)?;
    let local = family == Family::Gemma3;
    let theta = if local { theta.local_rope_theta } else { theta.rope_theta };
    let sliding = Rope::read(fields, "sliding_attention", local, theta)?;
    let kinds = fields.texts("layer_types")?;
    let layers = attention.layers.iter().enumerate().map(|(index, look_back)| match look_back {
        LookBack::Window(window) => Ok(LayerConfig { window: Some(*window as usize), rope: sliding }),
        // A layer of the other kind whose window config.json leaves out.
        LookBack::All if kinds.as_ref().is_some_and(|kinds| kinds[index] == "sliding_attention") => {
            Ok(LayerConfig { window: None, rope: sliding })
        }
        LookBack::All => Ok(LayerConfig { window: None, rope: full }),
        LookBack::Nothing => Err(fields.wrong("layer_types", "full_attention or sliding_attention is expected")),
    });
    layers.collect()
}
