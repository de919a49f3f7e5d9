//! AVX2, with the fused and the bit manipulation instructions that came with it.

#[macro_use]
mod features;
mod flatten;
mod product;

use core::arch::x86_64::*;

use df11_core::{Error, Flat, bf16, bf16_word};

pub(crate) use features::Avx2;

use crate::decode::{Job, Kernel, LINE, Round, Tables, run};
use crate::encode::{Shard, Words};
use crate::flat::{Rows, pack_rows, unpack};
use crate::portable;
use crate::product::{Task, prepare_inputs, run_task};
use crate::x86_64::look_up::look_up_round;

/// Lanes decoded side by side.
const LANES: usize = 4;
/// Rows of a tile: with four vectors, 12 sums and 4 inputs are in registers.
pub(crate) const TILE_ROWS: usize = 3;

impl Avx2 {
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
        unsafe { histogram(weights) }
    }

    pub fn pack(self, words: &Words, shard: &mut Shard<'_>) {
        // SAFETY: `self` proves the features.
        unsafe { pack(words, shard) }
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
    fn flatten(level: Avx2, weights: &[bf16], rows: &mut Rows<'_>) {
        // SAFETY: the features are there.
        unsafe { pack_rows(level, weights, rows) }
    }
);

with_features!(
    fn expand(level: Avx2, flat: &Flat<'_>, first: u64, weights: &mut [bf16]) {
        // SAFETY: the features are there.
        unsafe { unpack(level, flat, first, weights) }
    }
);

with_features!(
    fn prepare(x: &[bf16], columns: usize, prepared: &mut [f32]) {
        // SAFETY: the features are there.
        unsafe { prepare_inputs::<Avx2, 8>(x, columns, prepared) }
    }
);

with_features!(
    fn multiply(task: Task<'_>) {
        // SAFETY: the features are there.
        unsafe { run_task::<Avx2, 8, 1, TILE_ROWS>(task) }
    }
);

with_features!(
    /// As the portable level, with the shifts of BMI2.
    fn histogram(weights: &[bf16]) -> [u32; 256] {
        portable::histogram(weights)
    }
);

with_features!(
    /// As the portable level, with the shifts of BMI2.
    fn pack(words: &Words, shard: &mut Shard<'_>) {
        portable::pack(words, shard);
    }
);

impl Kernel for Avx2 {
    const STREAMS: bool = true;

    fn look_up<const LANES: usize>(self, round: Round<'_, '_, '_, LANES>) {
        // SAFETY: `self` proves the features.
        unsafe { look_up(round) }
    }

    fn merge(self, exponents: &[u8], sign_mantissa: &[u8], weights: &mut [bf16], streams: bool) {
        // SAFETY: `self` proves the features.
        unsafe { merge(exponents, sign_mantissa, weights, streams) }
    }
}

with_features!(
    fn look_up<const LANES: usize>(round: Round<'_, '_, '_, LANES>) {
        look_up_round(round);
    }
);

/// Weights merged in one step: two vectors.
const STEP: usize = 32;
const _: () = assert!(STEP == LINE, "steps are lines, whose stores are aligned");

with_features!(
    fn merge(exponents: &[u8], sign_mantissa: &[u8], weights: &mut [bf16], streams: bool) {
        assert!(exponents.len() == weights.len() && sign_mantissa.len() == weights.len());
        let count = weights.len();
        let head = weights.as_ptr().align_offset(STEP * size_of::<bf16>()).min(count);
        let tail = head + (count - head) / STEP * STEP;
        // SAFETY: the slices have `count` elements each, and whole steps stay below it. There are
        // none unless `weights[head]` is aligned to a step, which is two vectors.
        unsafe {
            let last = exponents.as_ptr().add(count);
            let (from, to) = (sign_mantissa.as_ptr(), weights.as_mut_ptr());
            let reverse =
                _mm256_broadcastsi128_si256(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
            let (low_mask, high_mask) = (_mm256_set1_epi8(0x7F), _mm256_set1_epi8(0x80u8 as i8));
            let mut at = head;
            while at < tail {
                // Put the bytes in the order 0-7, 16-23, 8-15, 24-31. Unpacking within halves
                // undoes it.
                let e = _mm256_loadu_si256(last.sub(at + STEP).cast());
                let e = _mm256_permute4x64_epi64::<0b01_11_00_10>(_mm256_shuffle_epi8(e, reverse));
                let s = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_loadu_si256(from.add(at).cast()));
                let low = _mm256_or_si256(
                    _mm256_and_si256(s, low_mask),
                    _mm256_andnot_si256(low_mask, _mm256_slli_epi16::<7>(e)),
                );
                let high = _mm256_or_si256(
                    _mm256_and_si256(s, high_mask),
                    _mm256_andnot_si256(high_mask, _mm256_srli_epi16::<1>(e)),
                );
                let (first, second) = (_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high));
                let (to_first, to_second) = (to.add(at).cast(), to.add(at + STEP / 2).cast());
                if streams {
                    _mm256_stream_si256(to_first, first);
                    _mm256_stream_si256(to_second, second);
                } else {
                    _mm256_store_si256(to_first, first);
                    _mm256_store_si256(to_second, second);
                }
                at += STEP;
            }
        }
        for some in [0..head, tail..count] {
            let backwards = exponents[count - some.end..count - some.start].iter().rev();
            let halves = backwards.zip(&sign_mantissa[some.clone()]);
            for (weight, (&exponent, &sign_mantissa)) in weights[some].iter_mut().zip(halves) {
                *weight = bf16_word::merge(exponent, sign_mantissa);
            }
        }
    }
);
