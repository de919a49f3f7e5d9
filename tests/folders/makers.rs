//! Small models as public tools lay them out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::models::{Contents, Tensor, weights};

/// The files of a folder, by name.
#[derive(Clone, Default)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    /// Writes a new folder.
    pub fn write(&self, folder: &Path) {
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            fs::write(path, bytes).expect("written");
        }
    }

    pub fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Files {
        self.0.insert(name.to_owned(), bytes.into());
        self
    }

    pub fn with_json(self, name: &str, value: &Value) -> Files {
        self.with(name, value.to_string())
    }

    pub fn without(mut self, name: &str) -> Files {
        self.0.remove(name).expect("it was there");
        self
    }

    pub fn with_weights(self, name: &str, tensors: &[Tensor]) -> Files {
        let metadata = json!({"format": "pt"}).as_object().expect("an object").clone();
        self.with(name, Contents { metadata, tensors: tensors.to_vec() }.to_bytes(0))
    }

    /// Adds the tensors as these shards, in order, without an index.
    pub fn with_shards(mut self, names: &[&str], tensors: &[Tensor]) -> Files {
        for (name, part) in names.iter().zip(tensors.chunks(tensors.len().div_ceil(names.len()))) {
            self = self.with_weights(name, part);
        }
        self
    }

    /// Adds the tensors as these shards, and an index that names them.
    pub fn with_index(self, index: &str, names: &[&str], tensors: &[Tensor]) -> Files {
        let value = index_of(names, tensors);
        self.with_shards(names, tensors).with_json(index, &value)
    }
}

/// The index of shards as `with_shards` writes them.
pub fn index_of(names: &[&str], tensors: &[Tensor]) -> Value {
    let parts = names.iter().zip(tensors.chunks(tensors.len().div_ceil(names.len())));
    let map = parts.flat_map(|(name, part)| part.iter().map(move |tensor| (tensor.name.clone(), (*name).into())));
    json!({"metadata": {}, "weight_map": map.collect::<serde_json::Map<String, Value>>()})
}

pub const INDEX: &str = "model.safetensors.index.json";
pub const TWO: [&str; 2] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
pub const THREE: [&str; 3] =
    ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"];

pub fn config() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 160,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 512,
        "torch_dtype": "bfloat16", "tie_word_embeddings": false,
    })
}

/// A config.json and what lies beside it.
pub fn beside() -> Files {
    Files::default()
        .with_json("config.json", &config())
        .with_json("generation_config.json", &json!({"eos_token_id": 2}))
        .with_json("tokenizer.json", &json!({"model": {"vocab": {"ä": 0, "日本": 1}}}))
}

/// A Llama of three blocks.
pub fn llama() -> Vec<Tensor> {
    let mut tensors = vec![weights("model.embed_tokens.weight", &[512, 64], 1)];
    for layer in 0..3 {
        let add = |name: &str, shape: &[u64], seed: u64| {
            weights(&format!("model.layers.{layer}.{name}.weight"), shape, 100 * (layer + 1) + seed)
        };
        tensors.push(add("input_layernorm", &[64], 1));
        for (seed, name) in ["q", "k", "v", "o"].iter().enumerate() {
            tensors.push(add(&format!("self_attn.{name}_proj"), &[64, 64], 2 + seed as u64));
        }
        tensors.push(add("post_attention_layernorm", &[64], 6));
        tensors.push(add("mlp.gate_proj", &[160, 64], 7));
        tensors.push(add("mlp.up_proj", &[160, 64], 8));
        tensors.push(add("mlp.down_proj", &[64, 160], 9));
    }
    tensors.push(weights("model.norm.weight", &[64], 2));
    tensors.push(weights("lm_head.weight", &[512, 64], 3));
    tensors
}

/// A transformer of diffusers with `blocks` blocks, under the same names in any shards.
pub fn transformer(blocks: u64) -> Vec<Tensor> {
    let names = (0..blocks).flat_map(|block| ["q", "k", "v"].map(|name| (block, name)));
    let named = names.enumerate().map(|(seed, (block, name))| {
        weights(&format!("transformer_blocks.{block}.attn.to_{name}.weight"), &[96, 64], 40 + seed as u64)
    });
    named.collect()
}

/// A model whose experts are one tensor of three dimensions for each block.
pub fn fused() -> Files {
    let mut tensors = vec![weights("model.embed_tokens.weight", &[512, 64], 1), weights("model.norm.weight", &[64], 2)];
    for layer in 0..2 {
        let path = format!("model.layers.{layer}.");
        for (seed, name) in ["q", "k", "v", "o"].iter().enumerate() {
            tensors.push(weights(&format!("{path}self_attn.{name}_proj.weight"), &[64, 64], 10 + seed as u64));
        }
        tensors.push(weights(&format!("{path}mlp.experts.gate_up_proj"), &[16, 256, 64], 20 + layer));
        tensors.push(weights(&format!("{path}mlp.experts.down_proj"), &[16, 64, 128], 30 + layer));
        tensors.push(weights(&format!("{path}mlp.router.weight"), &[16, 64], 40 + layer));
    }
    let config = json!({"architectures": ["Gemma4ForCausalLM"], "model_type": "gemma4", "tie_word_embeddings": false});
    Files::default().with_json("config.json", &config).with_weights("model.safetensors", &tensors)
}
