//! What config.json says about attention: heads, and how far each layer looks back. A field that is
//! absent has the value that transformers gives it for the model's type. What a runtime computes
//! and what `placement` counts are so the same.
//!
//! ```text
//! model_type -> defaults, and which layers have a window if `layer_types` does not say it
//! ```

use std::path::Path;

use serde_json::Value;

use super::config::ConfigFile;
use crate::Error;
use crate::error::JsonReason;

/// More layers than any model has, as in `completeness`. A hostile number asks for no memory.
const MOST_LAYERS: u64 = 4096;
/// Larger than any size, and small enough to multiply.
const MOST: u64 = 0xffff_ffff;

/// The attention of a decoder, by its config.json.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttentionShape {
    /// Heads of queries.
    pub heads: u64,
    /// Heads of keys and values; each is used by several heads of queries.
    pub kv_heads: u64,
    /// Elements of a head.
    pub head_dim: u64,
    /// Elements that a layer keeps of each token: keys and values, or the one vector of multi-head
    /// latent attention.
    pub kept: u64,
    /// What each layer looks back at.
    pub layers: Vec<LookBack>,
}

/// What a layer looks back at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookBack {
    /// All tokens.
    All,
    /// The last tokens, this many, the layer's own among them.
    Window(u64),
    /// None: a layer that keeps no tokens, such as one of linear attention.
    Nothing,
}

/// What an absent field means.
struct Defaults {
    heads: Option<u64>,
    /// As many as heads, if `None`.
    kv_heads: Option<u64>,
    /// The hidden size shared by the heads, if `None`.
    head_dim: Option<u64>,
    window: Option<u64>,
    /// Whether there is a window if `use_sliding_window` does not say it.
    has_window: bool,
    slides: Slides,
}

/// Which layers have a window.
enum Slides {
    Never,
    Always,
    /// From this layer on, which `max_window_layers` may change.
    From(u64),
    /// All but every n-th, which `sliding_window_pattern` may change.
    AllBut(u64),
}

/// Those of a model type that is not known: a window that stands there is used by all layers.
const DEFAULTS: Defaults =
    Defaults { heads: None, kv_heads: None, head_dim: None, window: None, has_window: true, slides: Slides::Always };

fn defaults(model_type: &str) -> Defaults {
    let qwen = Defaults {
        heads: Some(32),
        kv_heads: Some(32),
        window: Some(4096),
        has_window: false,
        slides: Slides::From(28),
        ..DEFAULTS
    };
    let gemma = Defaults {
        heads: Some(8),
        kv_heads: Some(4),
        head_dim: Some(256),
        window: Some(4096),
        slides: Slides::AllBut(6),
        ..DEFAULTS
    };
    match model_type {
        "llama" => Defaults { heads: Some(32), slides: Slides::Never, ..DEFAULTS },
        "mistral" => Defaults { heads: Some(32), kv_heads: Some(8), window: Some(4096), ..DEFAULTS },
        "mixtral" => Defaults { heads: Some(32), kv_heads: Some(8), ..DEFAULTS },
        "qwen2" => qwen,
        "qwen3" => Defaults { head_dim: Some(128), ..qwen },
        "gemma3" | "gemma3_text" => gemma,
        "gemma2" => Defaults { slides: Slides::AllBut(2), ..gemma },
        _ => DEFAULTS,
    }
}

impl AttentionShape {
    /// Reads a config.json; `path` is for messages. The text model's fields count, where a model
    /// has several.
    ///
    /// # Errors
    /// `Json`: it is not JSON, a field is missing, or it has a value that no model has.
    pub fn of_json(json: &[u8], path: &Path) -> Result<Self, Error> {
        Self::of(&ConfigFile::parse(json, path)?)
    }

    pub(crate) fn of(config: &ConfigFile) -> Result<Self, Error> {
        let fields = Fields { config, text: config.get("text_config").unwrap_or_default() };
        let model_type = fields.get("model_type");
        let defaults = defaults(model_type.as_ref().and_then(Value::as_str).unwrap_or_default());
        let layers = fields.needed(&["num_hidden_layers", "n_layer"], None)?;
        if layers > MOST_LAYERS {
            return Err(fields.wrong("num_hidden_layers", format!("more than {MOST_LAYERS} layers")));
        }
        let heads = fields.needed(&["num_attention_heads", "n_head"], defaults.heads)?;
        let kv_heads = match fields.get("multi_query") {
            Some(Value::Bool(true)) => 1,
            _ => fields.size(&["num_key_value_heads"])?.or(defaults.kv_heads).unwrap_or(heads),
        };
        if heads % kv_heads != 0 {
            let reason = format!("{kv_heads} heads cannot be shared evenly by {heads} heads of queries");
            return Err(fields.wrong("num_key_value_heads", reason));
        }
        let latent = fields.size(&["kv_lora_rank"])?.zip(fields.size(&["qk_rope_head_dim"])?);
        let head_dim = match (fields.size(&["head_dim"])?.or(defaults.head_dim), latent) {
            (Some(head_dim), _) => head_dim,
            (None, Some((latent, _))) => latent,
            (None, None) => fields.needed(&["hidden_size", "n_embd"], None)? / heads,
        };
        let kept = latent.map_or(2 * kv_heads.saturating_mul(head_dim), |(latent, rope)| latent + rope);
        let layers = fields.layers(layers as usize, &defaults)?;
        Ok(Self { heads, kv_heads, head_dim, kept, layers })
    }
}

/// The fields of a config.json, the text model's first.
struct Fields<'a> {
    config: &'a ConfigFile,
    text: Value,
}

impl Fields<'_> {
    /// A field, which may be null.
    fn any(&self, name: &str) -> Option<Value> {
        self.text.get(name).cloned().or_else(|| self.config.get(name))
    }

    /// A field; null is as good as absent.
    fn get(&self, name: &str) -> Option<Value> {
        self.any(name).filter(|value| !value.is_null())
    }

    /// A number of things, by the first of its names that is there.
    fn size(&self, names: &[&'static str]) -> Result<Option<u64>, Error> {
        let Some((name, value)) = names.iter().find_map(|name| Some((name, self.get(name)?))) else { return Ok(None) };
        match value.as_u64() {
            Some(size @ 1..=MOST) => Ok(Some(size)),
            _ => Err(self.wrong(name, format!("a whole number from 1 to {MOST} is expected"))),
        }
    }

    fn needed(&self, names: &[&'static str], default: Option<u64>) -> Result<u64, Error> {
        self.size(names)?.or(default).ok_or_else(|| self.wrong(names[0], "it is missing".into()))
    }

    fn wrong(&self, field: &str, reason: String) -> Error {
        let path = self.config.path().to_path_buf();
        Error::Json { path, reason: JsonReason::Field { field: field.into(), reason } }
    }

    /// What each layer looks back at: by `layer_types`, or by the habit of the model type.
    fn layers(&self, count: usize, defaults: &Defaults) -> Result<Vec<LookBack>, Error> {
        let is_used = match self.get("use_sliding_window") {
            None => defaults.has_window,
            Some(value) => value == true,
        };
        // A window that is null is none, even where there is a default.
        let default = defaults.window.filter(|_| self.any("sliding_window").is_none());
        let window = self.size(&["sliding_window"])?.or(default).filter(|_| is_used);
        let sliding = window.map_or(LookBack::All, LookBack::Window);
        if let Some(kinds) = self.get("layer_types") {
            let kinds = kinds.as_array().filter(|kinds| kinds.len() == count);
            let kinds = kinds.ok_or_else(|| self.wrong("layer_types", format!("{count} kinds are expected")))?;
            return Ok(kinds.iter().map(|kind| look_back(kind, sliding)).collect());
        }
        let pattern = self.size(&["sliding_window_pattern", "_sliding_window_pattern"])?;
        let first = self.get("max_window_layers").and_then(|first| first.as_u64());
        let slides = |layer: u64| match (&defaults.slides, pattern) {
            (Slides::Never, _) => false,
            (Slides::From(default), _) => layer >= first.unwrap_or(*default),
            (Slides::AllBut(_) | Slides::Always, Some(pattern)) => !(layer + 1).is_multiple_of(pattern),
            (Slides::AllBut(default), None) => !(layer + 1).is_multiple_of(*default),
            (Slides::Always, None) => true,
        };
        Ok((0..count as u64).map(|layer| if slides(layer) { sliding } else { LookBack::All }).collect())
    }
}

fn look_back(kind: &Value, sliding: LookBack) -> LookBack {
    match kind.as_str() {
        Some("full_attention") => LookBack::All,
        Some("sliding_attention" | "chunked_attention") => sliding,
        _ => LookBack::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::LookBack::{All, Nothing, Window};
    use super::*;

    fn shape(config: &str) -> Result<AttentionShape, String> {
        AttentionShape::of_json(config.as_bytes(), Path::new("config.json")).map_err(|error| error.to_string())
    }

    fn layers(config: &str) -> Vec<LookBack> {
        shape(config).expect("a decoder").layers
    }

    #[test]
    fn what_is_absent_is_what_transformers_gives_the_model_type() {
        let qwen = r#""model_type": "qwen2", "num_hidden_layers": 3, "num_attention_heads": 32, "hidden_size": 64"#;
        assert_eq!(layers(&format!("{{{qwen}}}")), [All; 3], "use_sliding_window is false");
        let used = format!(r#"{{{qwen}, "use_sliding_window": true, "max_window_layers": 1}}"#);
        assert_eq!(layers(&used), [All, Window(4096), Window(4096)]);
        let mistral =
            r#""model_type": "mistral", "num_hidden_layers": 1, "num_attention_heads": 32, "hidden_size": 64"#;
        assert_eq!(layers(&format!("{{{mistral}}}")), [Window(4096)]);
        assert_eq!(layers(&format!(r#"{{{mistral}, "sliding_window": null}}"#)), [All]);
        assert_eq!(shape(&format!("{{{mistral}}}")).expect("a decoder").kv_heads, 8);
        let gemma = shape(r#"{"text_config": {"model_type": "gemma3_text", "num_hidden_layers": 6}}"#).expect("Gemma");
        assert_eq!([gemma.heads, gemma.kv_heads, gemma.head_dim], [8, 4, 256]);
        assert_eq!(gemma.layers, [[Window(4096); 5].as_slice(), &[All]].concat());
    }

    #[test]
    fn layers_are_as_listed_or_by_a_pattern() {
        let listed = r#"{"num_hidden_layers": 3, "n_head": 1, "head_dim": 1, "sliding_window": 16,
            "layer_types": ["sliding_attention", "full_attention", "linear_attention"]}"#;
        assert_eq!(layers(listed), [Window(16), All, Nothing]);
        let pattern = r#"{"num_hidden_layers": 3, "n_head": 1, "head_dim": 1, "sliding_window": 5,
            "sliding_window_pattern": 3}"#;
        assert_eq!(layers(pattern), [Window(5), Window(5), All]);
    }

    #[test]
    fn values_that_no_model_has_are_refused_by_name() {
        for (config, said) in [
            ("{}", "field num_hidden_layers: it is missing"),
            (r#"{"num_hidden_layers": 5000, "n_head": 1, "head_dim": 1}"#, "more than 4096 layers"),
            (r#"{"num_hidden_layers": 1, "n_head": 0}"#, "field n_head: a whole number from 1"),
            (r#"{"num_hidden_layers": 1, "n_head": 3, "num_key_value_heads": 2}"#, "cannot be shared evenly"),
            (r#"{"num_hidden_layers": 1, "n_head": 1, "head_dim": 1, "layer_types": []}"#, "1 kinds are expected"),
            (r#"{"num_hidden_layers": NaN}"#, "field num_hidden_layers"),
            ("[]", "expected a JSON object"),
        ] {
            let error = shape(config).expect_err(config);
            assert!(error.contains(said), "{config}: {error}");
        }
    }
}
