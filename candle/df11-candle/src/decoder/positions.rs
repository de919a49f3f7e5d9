use candle_core::{Device, Result, Tensor};
use df11::bf16;

use super::Run;
use crate::config::Rope;

/// By how much the heads of each token are turned: cosines and sines, `[tokens, head_dim / 2]`.
#[derive(Debug)]
pub(super) struct Turns {
    pub cos: Tensor,
    pub sin: Tensor,
}

impl Turns {
    pub fn new(rope: &Rope, head_dim: usize, runs: &[Run<'_>]) -> Result<Self> {
        let frequencies = rope.frequencies(head_dim);
        let positions = runs.iter().flat_map(|run| (0..run.tokens.len()).map(|token| run.cache.tokens() + token));
        // In F32, as transformers has them: far along the text that decides which angle it is.
        let angles: Vec<f32> = positions
            .flat_map(|position| frequencies.iter().map(move |frequency| position as f32 * frequency))
            .collect();
        let tensor = |function: fn(f32) -> f32| {
            let all: Vec<_> = angles.iter().map(|&angle| bf16::from_f32(function(angle))).collect();
            Tensor::from_vec(all, (angles.len() / frequencies.len(), frequencies.len()), &Device::Cpu)
        };
        Ok(Self { cos: tensor(libm::cosf)?, sin: tensor(libm::sinf)? })
    }
}
