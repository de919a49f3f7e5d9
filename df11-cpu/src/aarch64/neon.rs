//! The NEON level: its shift-and-insert instructions merge exponent, sign and mantissa in one
//! instruction per byte.

use core::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use df11_core::{Error, Flat, bf16, bf16_word};

use crate::decode::{Job, Kernel, Tables, run};
use crate::encode::{Shard, Words};
use crate::flat::Rows;
use crate::portable;
use crate::product::{Task, prepare_inputs, run_task};

/// Lanes decoded side by side.
const LANES: usize = 4;
/// Rows of a tile: with four vectors, 24 sums are in registers.
pub(crate) const TILE_ROWS: usize = 6;
/// Weights merged in one step.
const STEP: usize = 16;
const _: () = assert!(STEP == 16, "the exponents of a step are one vector, its weights two");

/// Proof that this processor has every feature of the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neon(());

impl Neon {
    /// What the level needs, as messages say it.
    pub const FEATURES: &str = "needs NEON";

    pub fn new() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    pub fn decode<'a>(
        self,
        tables: &'a Tables<'_>,
        jobs: &mut dyn Iterator<Item = Job<'a>>,
        streams: bool,
    ) -> Result<(), Error> {
        run::<_, LANES>(self, tables, jobs, streams)
    }

    /// As the portable level.
    pub fn histogram(self, weights: &[bf16]) -> [u32; 256] {
        portable::histogram(weights)
    }

    /// As the portable level.
    pub fn pack(self, words: &Words, shard: &mut Shard<'_>) {
        portable::pack(words, shard);
    }

    /// As the portable level.
    pub fn flatten(self, weights: &[bf16], rows: &mut Rows<'_>) {
        portable::flatten(weights, rows);
    }

    /// As the portable level.
    pub fn expand(self, flat: &Flat<'_>, first: u64, weights: &mut [bf16]) {
        portable::expand(flat, first, weights);
    }

    pub fn prepare(self, x: &[bf16], columns: usize, prepared: &mut [f32]) {
        // SAFETY: `self` proves the feature.
        unsafe { prepare(x, columns, prepared) }
    }

    pub fn multiply(self, task: Task<'_>) {
        // SAFETY: `self` proves the feature.
        unsafe { multiply(task) }
    }
}

#[target_feature(enable = "neon")]
fn prepare(x: &[bf16], columns: usize, prepared: &mut [f32]) {
    // SAFETY: the feature is there.
    unsafe { prepare_inputs::<Neon, 16>(x, columns, prepared) }
}

#[target_feature(enable = "neon")]
fn multiply(task: Task<'_>) {
    // SAFETY: the feature is there.
    unsafe { run_task::<Neon, 16, 1, TILE_ROWS>(task) }
}

impl Kernel for Neon {
    const STREAMS: bool = false;

    fn merge(self, exponents: &[u8], sign_mantissa: &[u8], weights: &mut [bf16], _: bool) {
        // SAFETY: `self` proves the feature.
        unsafe { merge(exponents, sign_mantissa, weights) }
    }
}

#[target_feature(enable = "neon")]
fn merge(exponents: &[u8], sign_mantissa: &[u8], weights: &mut [bf16]) {
    let (steps, rest) = weights.as_chunks_mut::<STEP>();
    let (exponents_rest, exponents) = exponents.as_rchunks::<STEP>();
    let (sign_mantissa, sign_mantissa_rest) = sign_mantissa.as_chunks::<STEP>();
    for ((weights, exponents), sign_mantissa) in steps.iter_mut().zip(exponents.iter().rev()).zip(sign_mantissa) {
        // SAFETY: 16 bytes are one vector, and 16 weights are two.
        unsafe {
            let e = vrev64q_u8(vld1q_u8(exponents.as_ptr()));
            let e = vextq_u8::<8>(e, e);
            let s = vld1q_u8(sign_mantissa.as_ptr());
            // The low byte has the exponent's last bit above the mantissa. The high byte has the
            // other exponent bits below the sign.
            let word = uint8x16x2_t(vsliq_n_u8::<7>(s, e), vsriq_n_u8::<1>(s, e));
            vst2q_u8(weights.as_mut_ptr().cast(), word);
        }
    }
    for ((weight, &exponent), &sign_mantissa) in
        rest.iter_mut().zip(exponents_rest.iter().rev()).zip(sign_mantissa_rest)
    {
        *weight = bf16_word::merge(exponent, sign_mantissa);
    }
}
