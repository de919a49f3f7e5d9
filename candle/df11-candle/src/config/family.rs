use super::fields::Fields;
use crate::Error;

/// An architecture that a decoder of this crate runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Llama 2 and 3.
    Llama,
    /// Mistral.
    Mistral,
    /// Qwen 2 and 2.5.
    Qwen2,
    /// Qwen 3.
    Qwen3,
    /// Gemma 3, its text model.
    Gemma3,
}

/// What a field means if config.json does not have it.
pub(super) struct Defaults {
    pub vocabulary: usize,
    pub heads: Option<usize>,
    pub kv_heads: Option<usize>,
    pub head_dim: Option<usize>,
    pub context: usize,
    pub activation: &'static str,
    pub query_scalar: Option<f64>,
    pub rope_theta: f64,
    pub local_rope_theta: f64,
    pub tied: bool,
}

/// Those of Llama, from which the others differ.
const DEFAULTS: Defaults = Defaults {
    vocabulary: 32_000,
    heads: None,
    kv_heads: None,
    head_dim: None,
    context: 2048,
    activation: "silu",
    query_scalar: None,
    rope_theta: 1e4,
    local_rope_theta: 1e4,
    tied: false,
};

/// The window of Mistral and Gemma 3, unless config.json says otherwise.
const WINDOW: usize = 4096;
/// Gemma 3: every sixth layer sees all.
const GEMMA_PATTERN: usize = 6;
/// Qwen: the layers from this one on have a window, if they are to have one.
const QWEN_FIRST_WINDOW: usize = 28;

impl Family {
    /// Every architecture.
    pub const ALL: [Self; 5] = [Self::Llama, Self::Mistral, Self::Qwen2, Self::Qwen3, Self::Gemma3];

    /// The `model_type` of config.json.
    pub const fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma3 => "gemma3_text",
        }
    }

    /// The architecture of this `model_type`.
    pub fn of_model_type(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.model_type() == name)
    }

    /// Whether each head of queries and keys has a norm.
    pub(crate) const fn has_head_norms(self) -> bool {
        matches!(self, Self::Qwen3 | Self::Gemma3)
    }

    pub(super) const fn defaults(self) -> Defaults {
        match self {
            Self::Llama => DEFAULTS,
            Self::Mistral => Defaults { kv_heads: Some(8), context: 131_072, ..DEFAULTS },
            Self::Qwen2 => Defaults { vocabulary: 151_936, kv_heads: Some(32), context: 32_768, ..DEFAULTS },
            Self::Qwen3 => {
                Defaults { vocabulary: 151_936, kv_heads: Some(32), head_dim: Some(128), context: 32_768, ..DEFAULTS }
            }
            Self::Gemma3 => Defaults {
                vocabulary: 262_208,
                heads: Some(8),
                kv_heads: Some(4),
                head_dim: Some(256),
                context: 131_072,
                activation: "gelu_pytorch_tanh",
                query_scalar: Some(256.0),
                rope_theta: 1e6,
                tied: true,
                ..DEFAULTS
            },
        }
    }

    /// Tokens that a layer with a window sees.
    pub(super) fn window(self, fields: Fields<'_>) -> Result<Option<usize>, Error> {
        let window = fields.size("sliding_window")?;
        let used = fields.flag("use_sliding_window")?.unwrap_or(false);
        Ok(match self {
            Self::Llama => None,
            Self::Mistral | Self::Gemma3 if fields.is_null("sliding_window") => None,
            Self::Mistral | Self::Gemma3 => window.or(Some(WINDOW)),
            Self::Qwen2 | Self::Qwen3 => window.filter(|_| used),
        })
    }

    /// Which layers have a window, if config.json does not list them.
    pub(super) fn slides(self, fields: Fields<'_>) -> Result<impl Fn(usize) -> bool, Error> {
        let pattern = fields.size("sliding_window_pattern")?.unwrap_or(GEMMA_PATTERN);
        let first = fields.count("max_window_layers")?.unwrap_or(QWEN_FIRST_WINDOW);
        Ok(move |layer: usize| match self {
            Self::Llama => false,
            Self::Mistral => true,
            Self::Qwen2 | Self::Qwen3 => layer >= first,
            Self::Gemma3 => !(layer + 1).is_multiple_of(pattern),
        })
    }
}
