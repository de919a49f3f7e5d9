use std::error::Error;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_transformers::models::llama;
use df11_candle::{Cache, Choice, Decoder, Form, Model, Run, var_builder};

/// A model that generates one token for each text.
pub trait Contestant {
    /// Adds a token to each text, and returns the most probable next ones.
    fn step(&mut self, tokens: &[u32]) -> Result<Vec<u32>, Box<dyn Error>>;

    /// Bytes of the weights in memory, if it is known.
    fn weight_bytes(&self) -> Option<u64>;
}

pub struct Ours {
    decoder: Decoder,
    caches: Vec<Cache>,
}

impl Ours {
    pub fn open(model: &Path, form: Form, batch: usize) -> Result<Self, Box<dyn Error>> {
        let decoder = Decoder::open(model, form)?;
        let mut caches = Vec::with_capacity(batch);
        for _ in 0..batch {
            caches.push(decoder.cache()?);
        }
        Ok(Self { decoder, caches })
    }
}

impl Contestant for Ours {
    fn step(&mut self, tokens: &[u32]) -> Result<Vec<u32>, Box<dyn Error>> {
        let texts = tokens.chunks(1).zip(&mut self.caches);
        let mut runs: Vec<Run<'_>> = texts.map(|(tokens, cache)| Run { tokens, cache }).collect();
        Ok(self.decoder.forward(&mut runs)?.argmax(1)?.to_vec1()?)
    }

    fn weight_bytes(&self) -> Option<u64> {
        Some(self.decoder.resident_bytes())
    }
}

pub struct Candle {
    model: llama::Llama,
    cache: llama::Cache,
    position: usize,
}

impl Candle {
    pub fn open(model: &Path) -> Result<Self, Box<dyn Error>> {
        let config = std::fs::read(model.join("config.json"))?;
        let config = serde_json::from_slice::<llama::LlamaConfig>(&config)?.into_config(false);
        let builder = var_builder(Model::open(model)?, Choice::best(), DType::BF16, &Device::Cpu);
        let cache = llama::Cache::new(true, DType::BF16, &config, &Device::Cpu)?;
        Ok(Self { model: llama::Llama::load(builder, &config)?, cache, position: 0 })
    }
}

impl Contestant for Candle {
    fn step(&mut self, tokens: &[u32]) -> Result<Vec<u32>, Box<dyn Error>> {
        let input = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(1)?;
        let logits = self.model.forward(&input, self.position, &mut self.cache)?;
        self.position += 1;
        Ok(logits.argmax(1)?.to_vec1()?)
    }

    fn weight_bytes(&self) -> Option<u64> {
        None
    }
}
