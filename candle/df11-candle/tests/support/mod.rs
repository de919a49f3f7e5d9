//! The small models of `vectors/`, and what transformers computes with them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use df11::jobs::{CompressOptions, compress};
use df11_candle::{Cache, Choice, Config, Decoder, Form, Model, Run, Weights};

/// Every model of the folder.
pub const MODELS: [&str; 6] = ["gemma3", "llama", "llama-biases", "mistral", "qwen2", "qwen3"];

/// The folder of a model, for every package of the workspace.
pub fn folder(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../df11-candle/tests/vectors").join(model)
}

/// What transformers computed.
pub struct Expected {
    /// Two texts; the model was trained to write the first.
    pub texts: [Vec<u32>; 2],
    /// The logits after each token of both, in F32 and in BF16.
    pub logits: [Vec<Vec<f32>>; 2],
    /// The same in BF16.
    pub logits_bf16: [Vec<Vec<f32>>; 2],
    /// The prompt, and the tokens that follow when the first one is always taken.
    pub greedy: Vec<u32>,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// The least distance between the first two logits on the way.
    pub least_margin: f32,
}

pub fn expected(model: &str) -> Expected {
    let path = folder(model).join("expected.safetensors");
    let tensors: HashMap<String, Tensor> = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let logits = |name: &str| {
        let all = tensors[name].to_dtype(DType::F32).unwrap().to_vec3::<f32>().unwrap();
        <[Vec<Vec<f32>>; 2]>::try_from(all).unwrap()
    };
    let header = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(header[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&header[8..8 + length]).unwrap();
    let fact = |name: &str| header["__metadata__"][name].as_str().unwrap().parse::<f32>().unwrap();
    Expected {
        texts: tensors["tokens"].to_vec2::<u32>().unwrap().try_into().unwrap(),
        logits: logits("logits"),
        logits_bf16: logits("logits_bf16"),
        greedy: tensors["greedy"].to_vec1::<u32>().unwrap(),
        prompt: fact("prompt") as usize,
        least_margin: fact("least_margin"),
    }
}

/// A model as DFloat11, in a folder that is removed with the result.
pub fn compressed(model: &str) -> tempfile::TempDir {
    compressed_from(&folder(model).join("config.json"), &folder(model).join("model.safetensors"))
}

/// The same of a model whose files lie elsewhere.
pub fn compressed_from(config: &Path, weights: &Path) -> tempfile::TempDir {
    let outside = tempfile::tempdir().unwrap();
    let source = outside.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::copy(config, source.join("config.json")).unwrap();
    fs::copy(weights, source.join("model.safetensors")).unwrap();
    compress(&source, &outside.path().join("df11"), &CompressOptions::default(), &()).unwrap();
    outside
}

/// A decoder in a form on a level.
pub fn decoder(folder: &Path, form: Form, level: &str) -> Decoder {
    let weights = Weights::new(Model::open(folder).unwrap(), form, Choice::named(level).unwrap());
    Decoder::load(weights, Config::read(folder).unwrap()).unwrap()
}

/// The logits after every token of a text that is given at once.
pub fn logits(decoder: &Decoder, text: &[u32]) -> Vec<Vec<f32>> {
    let mut cache = decoder.cache().unwrap();
    decoder.forward_all(&mut [Run { tokens: text, cache: &mut cache }]).unwrap().to_vec2().unwrap()
}

/// The logits after the last token.
pub fn step(decoder: &Decoder, tokens: &[u32], cache: &mut Cache) -> Vec<f32> {
    decoder.forward(&mut [Run { tokens, cache }]).unwrap().squeeze(0).unwrap().to_vec1().unwrap()
}

/// The token with the largest logit.
pub fn first(logits: &[f32]) -> u32 {
    let place = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    place.unwrap() as u32
}
