//! The KV cache: what each block keeps of every token.

use serde_json::Value;

use crate::record::config::ConfigFile;

/// Bytes of a cached number; caches are BF16 as the weights are.
const NUMBER_BYTES: u64 = 2;
/// Most blocks that config.json may promise, as in `completeness`.
const MOST_LAYERS: u64 = 4096;

/// What each block of a decoder caches, by the fields of config.json.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cache {
    /// Bytes that one block keeps of a token.
    token_bytes: u64,
    /// For each block, the most tokens that it keeps: none for a block without attention,
    /// `u64::MAX` for one that sees all.
    windows: Vec<u64>,
}

impl Cache {
    /// `None` if config.json does not tell, or the model is not a decoder alone.
    pub fn of(config: &ConfigFile) -> Option<Cache> {
        let number = |names: &[&str]| names.iter().find_map(|name| config.of_text(name)?.as_u64());
        if config.of_text("is_encoder_decoder").is_some_and(|value| value == true) {
            return None;
        }
        let layers = number(&["num_hidden_layers", "n_layer"]).filter(|layers| *layers <= MOST_LAYERS)?;
        let token_bytes = match (number(&["kv_lora_rank"]), number(&["qk_rope_head_dim"])) {
            // multi-head latent attention keeps one compressed vector, and one for positions
            (Some(latent), Some(rope)) => latent.checked_add(rope)?,
            _ => {
                let heads = number(&["num_attention_heads", "n_head"])?;
                let key_value_heads = match config.of_text("multi_query") {
                    Some(Value::Bool(true)) => 1,
                    _ => number(&["num_key_value_heads"]).unwrap_or(heads),
                };
                let of_hidden = || number(&["hidden_size", "n_embd"])?.checked_div(heads);
                let head = number(&["head_dim"]).or_else(of_hidden)?;
                key_value_heads.checked_mul(head)?.checked_mul(2)?
            }
        };
        let token_bytes = token_bytes.checked_mul(NUMBER_BYTES)?;
        Some(Cache { token_bytes, windows: windows(config, layers as usize) })
    }

    /// Bytes that a block keeps of a sequence. `layer` is its number, if it is a block of the
    /// decoder.
    pub fn bytes(&self, layer: Option<u64>, tokens: u64) -> u64 {
        let window = layer.and_then(|layer| self.windows.get(usize::try_from(layer).ok()?));
        window.map_or(0, |window| self.token_bytes.saturating_mul(tokens.min(*window)))
    }
}

/// The most tokens that each block keeps.
fn windows(config: &ConfigFile, layers: usize) -> Vec<u64> {
    let is_off = config.of_text("use_sliding_window").is_some_and(|value| value == false);
    let window = config.of_text("sliding_window").and_then(|value| value.as_u64()).filter(|_| !is_off);
    let pattern = ["sliding_window_pattern", "_sliding_window_pattern"];
    let pattern = pattern.iter().find_map(|name| config.of_text(name)?.as_u64()).filter(|pattern| *pattern > 0);
    let types = config.of_text("layer_types");
    let of_layer = |layer: usize| match types.as_ref().and_then(|types| types.get(layer)?.as_str()) {
        Some("full_attention") => u64::MAX,
        Some("sliding_attention" | "chunked_attention") => window.unwrap_or(u64::MAX),
        Some(_) => 0,
        // of each `pattern` blocks the last sees all
        None if pattern.is_some_and(|pattern| (layer as u64 + 1).is_multiple_of(pattern)) => u64::MAX,
        None => window.unwrap_or(u64::MAX),
    };
    (0..layers).map(of_layer).collect()
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
