//! A model of candle-transformers computes the same bits from DFloat11 files as from BF16 files.

#[allow(dead_code)]
#[path = "../../df11-candle/tests/support/mod.rs"]
mod support;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config, Llama, LlamaConfig};
use df11_candle::{Choice, Model, var_builder};
use support::{compressed, expected, first, folder};

/// The logits of every step, the most probable token taken each time.
fn generate(builder: VarBuilder<'_>, config: &Config, prompt: &[u32]) -> Vec<Vec<u32>> {
    let model = Llama::load(builder, config).unwrap();
    let mut cache = Cache::new(true, DType::BF16, config, &Device::Cpu).unwrap();
    let (mut new, mut position, mut all) = (prompt.to_vec(), 0, Vec::new());
    for _ in 0..64 {
        let input = Tensor::new(&new[..], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let logits = model.forward(&input, position, &mut cache).unwrap();
        let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
        position += new.len();
        new = vec![first(&logits)];
        all.push(logits.iter().map(|logit| logit.to_bits()).collect());
    }
    all
}

#[test]
fn a_llama_that_decodes_at_load_computes_the_bits_of_the_bf16_one() {
    let (model, prompt) = ("llama", &expected("llama").texts[0][..16]);
    // candle-transformers reads what transformers 4 writes.
    let config = std::fs::read(folder(model).join("config-4.json")).unwrap();
    let config = serde_json::from_slice::<LlamaConfig>(&config).unwrap().into_config(false);
    let file = std::fs::read(folder(model).join("model.safetensors")).unwrap();
    let builder = VarBuilder::from_buffered_safetensors(file, DType::BF16, &Device::Cpu).unwrap();
    let from_bf16 = generate(builder, &config, prompt);
    let coded = compressed(model);
    let opened = Model::open(coded.path().join("df11")).unwrap();
    assert!(opened.units().len() >= 2, "its layers are coded");
    let builder = var_builder(opened, Choice::best(), DType::BF16, &Device::Cpu);
    assert!(generate(builder, &config, prompt) == from_bf16);
}
