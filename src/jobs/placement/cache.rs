//! The KV cache: what each block keeps of every token.

use crate::record::attention::{AttentionShape, LookBack};
use crate::record::config::ConfigFile;

/// Bytes of a cached number; caches are BF16 as the weights are.
const NUMBER_BYTES: u64 = 2;

/// What each block of a decoder caches, by the fields of config.json.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cache {
    /// Bytes that one block keeps of a token.
    token_bytes: u64,
    blocks: Vec<LookBack>,
}

impl Cache {
    /// `None` if config.json does not tell, or the model is not a decoder alone.
    pub fn of(config: &ConfigFile) -> Option<Cache> {
        if config.of_text("is_encoder_decoder").is_some_and(|value| value == true) {
            return None;
        }
        let attention = AttentionShape::of(config).ok()?;
        Some(Cache { token_bytes: attention.kept.saturating_mul(NUMBER_BYTES), blocks: attention.layers })
    }

    /// Bytes that a block keeps of a sequence. `layer` is its number, if it is a block of the
    /// decoder.
    pub fn bytes(&self, layer: Option<u64>, tokens: u64) -> u64 {
        let block = layer.and_then(|layer| self.blocks.get(usize::try_from(layer).ok()?));
        let kept = match block {
            None | Some(LookBack::Nothing) => 0,
            Some(LookBack::All) => tokens,
            Some(LookBack::Window(window)) => tokens.min(*window),
        };
        self.token_bytes.saturating_mul(kept)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn cache(config: &str) -> Option<Cache> {
        Cache::of(&ConfigFile::parse(config.as_bytes(), Path::new("config.json")).expect("JSON"))
    }

    #[test]
    fn heads_that_share_keys_count_once() {
        let llama = cache(
            r#"{"num_hidden_layers": 2, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096}"#,
        );
        let llama = llama.expect("a decoder");
        assert_eq!(llama.bytes(Some(1), 10), 10 * 2 * 8 * 128 * 2);
        assert_eq!([llama.bytes(Some(2), 10), llama.bytes(None, 10)], [0, 0]);
    }

    #[test]
    fn windows_bound_what_a_block_keeps() {
        let gemma = r#"{"text_config": {"num_hidden_layers": 3, "num_attention_heads": 4, "head_dim": 8,
            "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention", "linear_attention"]}}"#;
        let gemma = cache(gemma).expect("a decoder");
        let of_token = 2 * 4 * 8 * 2;
        assert_eq!([0, 1, 2].map(|layer| gemma.bytes(Some(layer), 100)), [16 * of_token, 100 * of_token, 0]);
        let by_pattern = r#"{"num_hidden_layers": 3, "num_attention_heads": 1, "head_dim": 1, "sliding_window": 5,
            "sliding_window_pattern": 3}"#;
        let by_pattern = cache(by_pattern).expect("a decoder");
        assert_eq!([0, 1, 2].map(|layer| by_pattern.bytes(Some(layer), 9)), [20, 20, 36]);
        let off =
            r#"{"num_hidden_layers": 1, "n_head": 1, "n_embd": 1, "sliding_window": 5, "use_sliding_window": false}"#;
        assert_eq!(cache(off).expect("a decoder").bytes(Some(0), 9), 36);
    }

    #[test]
    fn latent_attention_keeps_one_vector() {
        let deepseek =
            r#"{"num_hidden_layers": 1, "num_attention_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64}"#;
        assert_eq!(cache(deepseek).expect("a decoder").bytes(Some(0), 1), 2 * (512 + 64));
    }

    #[test]
    fn a_model_that_does_not_tell_has_no_cache() {
        assert_eq!(cache("{}"), None);
        assert_eq!(cache(r#"{"is_encoder_decoder": true, "num_hidden_layers": 1, "n_head": 1, "n_embd": 1}"#), None);
    }
}
