use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use df11::bf16;
use rayon::prelude::*;

use crate::linear::bf16_of;

/// `x / sqrt(mean(x^2) + epsilon) * weight`, over the last dimension.
#[derive(Clone, Debug)]
pub(crate) struct RmsNorm {
    weight: Arc<[f32]>,
    epsilon: f32,
    /// Whether x is rounded to BF16 before it is multiplied with the weight.
    rounds: bool,
}

impl RmsNorm {
    /// As Llama has it.
    pub fn new(weight: Vec<f32>, epsilon: f32) -> Self {
        Self { weight: weight.into(), epsilon, rounds: true }
    }

    /// As Gemma has it: the files hold the weight less one, and all is F32 until the end.
    pub fn plus_one(weight: Vec<f32>, epsilon: f32) -> Self {
        let weight = weight.into_iter().map(|weight| 1.0 + weight).collect();
        Self { weight, epsilon, rounds: false }
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op1_no_bwd(self)
    }

    fn row(&self, x: &[bf16], y: &mut [bf16]) {
        let squares: f32 = x.iter().map(|x| x.to_f32() * x.to_f32()).sum();
        let factor = 1.0 / libm::sqrtf(squares / x.len() as f32 + self.epsilon);
        for ((y, x), weight) in y.iter_mut().zip(x).zip(&*self.weight) {
            let normed = x.to_f32() * factor;
            let normed = if self.rounds { bf16::from_f32(normed).to_f32() } else { normed };
            *y = bf16::from_f32(normed * weight);
        }
    }
}

impl CustomOp1 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        each_row(storage, layout, self.weight.len(), |x, y| self.row(x, y))
    }
}

/// Applies `norm` to each row of `columns` elements.
pub(super) fn each_row(
    storage: &CpuStorage,
    layout: &Layout,
    columns: usize,
    norm: impl Fn(&[bf16], &mut [bf16]) + Sync,
) -> Result<(CpuStorage, Shape)> {
    let x = bf16_of(storage, layout)?;
    if layout.dims().last() != Some(&columns) || columns == 0 {
        candle_core::bail!("a norm of {columns} elements over a tensor of {:?}", layout.dims());
    }
    let mut y = vec![bf16::ZERO; x.len()];
    let rows = x.par_chunks(columns).zip(y.par_chunks_mut(columns));
    rows.for_each(|(x, y)| norm(x, y));
    Ok((CpuStorage::BF16(y), layout.shape().clone()))
}
