//! AVX-512 with the byte permutations of VBMI and VBMI2.

mod decode;
mod encode;
mod histogram;
mod look_up;

use core::arch::x86_64::*;

use df11_core::{Error, bf16};

use crate::decode::{Job, Tables, run};
use crate::encode::{Shard, Words};

/// Lanes side by side.
const LANES: usize = 8;

/// Proof that this processor has every feature of the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// What the level is made of.
    pub const FEATURES: &str =
        "needs AVX-512 F, BW, DQ, VL, VBMI, VBMI2 and VPOPCNTDQ, GFNI, BMI1, BMI2, LZCNT, MOVBE and POPCNT";

    pub fn new() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("avx512vpopcntdq")
            && is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("movbe")
            && is_x86_feature_detected!("popcnt");
        found.then_some(Self(()))
    }

    pub fn decode<'a>(
        self,
        tables: &'a Tables<'_>,
        jobs: &mut dyn Iterator<Item = Job<'a>>,
        streams: bool,
    ) -> Result<(), Error> {
        let result = run::<_, LANES>(self, tables, jobs, streams);
        // SAFETY: SSE is part of x86-64. Lines that bypassed the cache are in memory before another thread is told of them.
        unsafe { _mm_sfence() };
        result
    }

    pub fn histogram(self, weights: &[bf16]) -> [u32; 256] {
        // SAFETY: `self` proves the features.
        unsafe { histogram::histogram(weights) }
    }

    pub fn pack(self, words: &Words, shard: &mut Shard<'_>) {
        // SAFETY: `self` proves the features.
        unsafe { encode::pack(words, shard) }
    }
}

/// Indices for a byte permutation.
#[repr(align(64))]
struct Indices([u8; 64]);

impl Indices {
    /// `first + index % group * within + index / group * between`, modulo 256, for each index.
    const fn of(first: usize, group: usize, within: usize, between: usize) -> Self {
        let mut indices = [0; 64];
        let mut at = 0;
        while at < 64 {
            indices[at] = (first + at % group * within + at / group * between) as u8;
            at += 1;
        }
        Self(indices)
    }
}

/// The lower byte of each word of two vectors.
static EVEN: Indices = Indices::of(0, 1, 0, 2);
