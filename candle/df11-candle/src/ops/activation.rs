use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use df11::bf16;
use rayon::prelude::*;

use crate::linear::bf16_of;

/// The function in the middle of a layer's second half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `x / (1 + e^-x)`.
    Silu,
    /// GELU: x times the part of a normal distribution that is below x.
    Gelu,
    /// Half of x times one more than a tanh: the usual approximation of GELU.
    GeluTanh,
}

/// Elements that are worth a thread.
const PART: usize = 4096;

/// `activation(x)`, rounded to BF16.
pub(crate) fn activated(activation: Activation, x: &Tensor) -> Result<Tensor> {
    x.apply_op1_no_bwd(&activation)
}

/// `activation(gate) * up`, each rounded to BF16.
pub(crate) fn gated(activation: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.apply_op2_no_bwd(up, &Gated(activation))
}

impl Activation {
    fn of(self, x: f32) -> f32 {
        match self {
            Self::Silu => x / (1.0 + libm::expf(-x)),
            Self::Gelu => 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                // sqrt(2 / pi)
                const SCALE: f32 = 0.797_884_6;
                0.5 * x * (1.0 + libm::tanhf(SCALE * (x + 0.044_715 * x * x * x)))
            }
        }
    }
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = bf16_of(x, layout)?;
        let mut y = vec![bf16::ZERO; x.len()];
        let parts = y.par_chunks_mut(PART).zip(x.par_chunks(PART));
        parts.for_each(|(y, x)| y.iter_mut().zip(x).for_each(|(y, x)| *y = bf16::from_f32(self.of(x.to_f32()))));
        Ok((CpuStorage::BF16(y), layout.shape().clone()))
    }
}

struct Gated(Activation);

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(&self, gate: &CpuStorage, l1: &Layout, up: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (bf16_of(gate, l1)?, bf16_of(up, l2)?);
        if l1.shape() != l2.shape() {
            candle_core::bail!("a gate of {:?} for {:?}", l1.dims(), l2.dims());
        }
        let mut y = vec![bf16::ZERO; gate.len()];
        let parts = y.par_chunks_mut(PART).zip(gate.par_chunks(PART)).zip(up.par_chunks(PART));
        parts.for_each(|((y, gate), up)| {
            for ((y, gate), up) in y.iter_mut().zip(gate).zip(up) {
                let gate = bf16::from_f32(self.0.of(gate.to_f32()));
                *y = bf16::from_f32(gate.to_f32() * up.to_f32());
            }
        });
        Ok((CpuStorage::BF16(y), l1.shape().clone()))
    }
}
