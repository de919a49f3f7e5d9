//! AVX-512, with the byte permutations of VBMI and VBMI2.

#[macro_use]
mod features;
mod decode;
mod encode;
mod histogram;
mod indices;
mod look_up;

use core::arch::x86_64::*;

use df11_core::{Error, bf16};

use crate::decode::{Job, Tables, run};
use crate::encode::{Shard, Words};
pub(crate) use features::Avx512;

/// Lanes decoded side by side.
const LANES: usize = 8;

impl Avx512 {
    pub fn decode<'a>(
        self,
        tables: &'a Tables<'_>,
        jobs: &mut dyn Iterator<Item = Job<'a>>,
        streams: bool,
    ) -> Result<(), Error> {
        let result = run::<_, LANES>(self, tables, jobs, streams);
        // SAFETY: SSE is part of x86-64. The fence puts lines that bypassed the cache into memory
        // before another thread learns of them.
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
