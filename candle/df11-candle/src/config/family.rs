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

/// What a field means if config.json does not have it. Those of attention are in
/// `df11::AttentionShape`.
pub(super) struct Defaults {
    pub vocabulary: usize,
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
    context: 2048,
    activation: "silu",
    query_scalar: None,
    rope_theta: 1e4,
    local_rope_theta: 1e4,
    tied: false,
};

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
            Self::Mistral => Defaults { context: 131_072, ..DEFAULTS },
            Self::Qwen2 | Self::Qwen3 => Defaults { vocabulary: 151_936, context: 32_768, ..DEFAULTS },
            Self::Gemma3 => Defaults {
                vocabulary: 262_208,
                context: 131_072,
                activation: "gelu_pytorch_tanh",
                query_scalar: Some(256.0),
                rope_theta: 1e6,
                tied: true,
                ..DEFAULTS
            },
        }
    }
}
