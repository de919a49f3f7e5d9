//! AVX-512, with the byte permutations of VBMI and VBMI2.

#[macro_use]
mod features;
mod decode;
mod encode;
mod flatten;
mod histogram;
mod indices;
mod look_up;
mod product;

use core::arch::x86_64::*;

use df11_core::{Error, Flat, bf16};

use crate::decode::{Job, Tables, run};
use crate::encode::{Shard, Words};
use crate::flat::{Rows, pack_rows, unpack};
use crate::product::{Task, prepare_inputs, run_task};
pub(crate) use features::Avx512;

/// Lanes decoded side by side.
const LANES: usize = 8;
/// Rows of a tile: with four vectors, 24 sums are in registers.
pub(crate) const TILE_ROWS: usize = 6;

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

    pub fn flatten(self, weights: &[bf16], rows: &mut Rows<'_>) {
        // SAFETY: `self` proves the features.
        unsafe { flatten(self, weights, rows) }
    }

    pub fn expand(self, flat: &Flat<'_>, first: u64, weights: &mut [bf16]) {
        // SAFETY: `self` proves the features.
        unsafe { expand(self, flat, first, weights) }
    }

    pub fn prepare(self, x: &[bf16], columns: usize, prepared: &mut [f32]) {
        // SAFETY: `self` proves the features.
        unsafe { prepare(x, columns, prepared) }
    }

    pub fn multiply(self, task: Task<'_>) {
        // SAFETY: `self` proves the features.
        unsafe { multiply(task) }
    }
}

with_features!(
    fn flatten(level: Avx512, weights: &[bf16], rows: &mut Rows<'_>) {
        // SAFETY: the features are there.
        unsafe { pack_rows(level, weights, rows) }
    }
);

with_features!(
    fn expand(level: Avx512, flat: &Flat<'_>, first: u64, weights: &mut [bf16]) {
        // SAFETY: the features are there.
        unsafe { unpack(level, flat, first, weights) }
    }
);

with_features!(
    fn prepare(x: &[bf16], columns: usize, prepared: &mut [f32]) {
        // SAFETY: the features are there.
        unsafe { prepare_inputs::<Avx512, 4>(x, columns, prepared) }
    }
);

with_features!(
    fn multiply(task: Task<'_>) {
        // SAFETY: the features are there.
        unsafe { run_task::<Avx512, 4, 2, TILE_ROWS>(task) }
    }
);
