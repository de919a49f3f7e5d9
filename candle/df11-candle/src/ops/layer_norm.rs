use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use df11::bf16;

use super::norm::each_row;

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`, over the last dimension, in F32 until
/// the end.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    /// Each weight with its bias; one pair for each element of a row.
    weights: Arc<[(f32, f32)]>,
    epsilon: f32,
}

impl LayerNorm {
    /// `weight` and `bias` have as many elements as a row.
    pub fn new(weight: Vec<f32>, bias: Vec<f32>, epsilon: f32) -> Self {
        Self { weights: weight.into_iter().zip(bias).collect(), epsilon }
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op1_no_bwd(self)
    }

    fn row(&self, x: &[bf16], y: &mut [bf16]) {
        let mean = x.iter().map(|x| x.to_f32()).sum::<f32>() / x.len() as f32;
        let squares: f32 = x.iter().map(|x| (x.to_f32() - mean) * (x.to_f32() - mean)).sum();
        let factor = 1.0 / libm::sqrtf(squares / x.len() as f32 + self.epsilon);
        for ((y, x), (weight, bias)) in y.iter_mut().zip(x).zip(&*self.weights) {
            *y = bf16::from_f32((x.to_f32() - mean) * factor * weight + bias);
        }
    }
}

impl CustomOp1 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        each_row(storage, layout, self.weights.len(), |x, y| self.row(x, y))
    }
}
