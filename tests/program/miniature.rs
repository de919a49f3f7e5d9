//! Checkpoints that a test builds: `support::models::llama` as a hub has it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::models::{Contents, llama};

/// The names of its units.
pub const UNITS: [&str; 4] = ["lm_head", "model.embed_tokens", "model.layers.0", "model.layers.1"];

/// Writes one file.
pub fn write_file(path: &Path) {
    Contents { tensors: llama(), ..Contents::default() }.write(path, 0);
}

/// Writes two shards, their index, and the files beside them.
pub fn write_directory(folder: &Path) {
    fs::create_dir(folder).expect("a new folder");
    let (mut shards, mut map) = ([Contents::default(), Contents::default()], BTreeMap::new());
    for tensor in llama() {
        let shard = usize::from(tensor.name.starts_with("model.layers"));
        map.insert(tensor.name.clone(), shard_name(shard));
        shards[shard].tensors.push(tensor);
    }
    for (number, shard) in shards.iter_mut().enumerate() {
        shard.metadata.insert("format".into(), "pt".into());
        shard.write(&folder.join(shard_name(number)), 3);
    }
    let index = json!({"metadata": {"total_size": 1}, "weight_map": map});
    let config = "{\n    \"model_type\": \"llama\",\n  \"hidden_size\" : 64, \"torch_dtype\": \"bfloat16\", \"rope_theta\": 1e4\n}";
    for (name, text) in [
        ("model.safetensors.index.json", format!("{index:#}\n").as_str()),
        ("config.json", config),
        ("generation_config.json", "{\"eos_token_id\": 2}\n"),
        ("tokenizer.json", "{\"version\": \"1.0\"}"),
    ] {
        fs::write(folder.join(name), text).expect("written");
    }
}

fn shard_name(number: usize) -> String {
    format!("model-{:05}-of-00002.safetensors", number + 1)
}
