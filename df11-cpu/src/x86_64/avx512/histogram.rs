//! Counts exponents, 512 at a time, by their bits.
//!
//! ```text
//! x = min(exponent - base, 15)                      base: where 15 exponents hold most of a sample
//! 8 x in 8 bytes -> bit i of all 8 in byte i        8 x 8 transposed: product with the unit matrix
//! four planes: bit i of x of each weight            permutations gather each plane's bytes (1)
//! for each value v of 16: the weights whose four bits equal v    one ternary logic operation
//!     count of v += ones in it                                   one population count
//! some x are 15: count these exponents one by one
//!     many are: by a second base first                           weights with many zeros
//! ```
//!
//! 1. From 8 vectors, in the same order for each plane, whatever that order is.
//!
//! Where two bases do not hold most of the weights, the portable level counts faster.

use core::arch::x86_64::*;

use df11_core::{bf16, bf16_word};

use super::indices::Indices;
use crate::memory::prefetch;
use crate::portable;

/// Values of four bits.
const VALUES: usize = 16;
/// Exponents that have a value of their own. The last value stands for all others.
const WINDOW: usize = VALUES - 1;
/// Weights whose distances fill one vector.
const STEP: usize = 64;
/// Weights whose planes fill one vector each.
const BATCH: usize = 8 * STEP;
const _: () =
    assert!(STEP == 64 && BATCH == 8 * STEP && VALUES == 16, "a step's weights are two vectors, its planes four");
/// Weights counted singly, to find the base.
const SAMPLE: usize = 4096;
/// Weights to prefetch ahead. Why: a core reads 35 GB/s with this distance, 32 with half of it,
/// 23.5 without prefetching.
const AHEAD: usize = 4096;

/// Of a batch, this many weights outside of the first window are worth a count in the second, which
/// takes as long as counting them one by one.
const MANY: u32 = 32;

with_features!(
    /// Counts exponents.
    ///
    /// # Safety
    /// The processor has the features.
    pub(super) unsafe fn histogram(weights: &[bf16]) -> [u32; 256] {
        let (sample, rest) = weights.split_at(weights.len().min(SAMPLE));
        let mut counts = portable::histogram(sample);
        let (bases, held) = bases(&counts);
        if held < sample.len() as u32 / 2 {
            return portable::histogram(weights);
        }
        let (batches, rest) = rest.as_chunks::<BATCH>();
        let mut ones = [[_mm512_setzero_si512(); VALUES]; 2];
        let [first, second] = &mut ones;
        for batch in batches {
            let outside = count_values(batch, bases[0], first);
            if _mm512_test_epi64_mask(outside, outside) != 0 {
                let many = _mm512_reduce_add_epi64(_mm512_popcnt_epi64(outside)) > i64::from(MANY);
                if many {
                    count_values(batch, bases[1], second);
                }
                count_outside(batch, bases, many, &mut counts);
            }
        }
        for (base, ones) in bases.into_iter().zip(&ones) {
            for (count, &ones) in counts[base..].iter_mut().zip(&ones[..WINDOW]) {
                *count += _mm512_reduce_add_epi64(ones) as u32;
            }
        }
        let rest = portable::histogram(rest);
        counts.iter_mut().zip(rest).for_each(|(count, more)| *count += more);
        counts
    }
);

/// The first exponents of the two windows that hold most of a sample, and how many of it they hold.
/// The windows do not overlap.
fn bases(sample: &[u32; 256]) -> ([usize; 2], u32) {
    let mut before = [0; 256 + 1];
    for (exponent, count) in sample.iter().enumerate() {
        before[exponent + 1] = before[exponent] + count;
    }
    let held = |base: usize| before[base + WINDOW] - before[base];
    let all = 0..=256 - WINDOW;
    let first = all.clone().max_by_key(|&base| held(base)).unwrap_or(0);
    let second = all.filter(|base| base.abs_diff(first) >= WINDOW).max_by_key(|&base| held(base)).unwrap_or(first);
    ([first, second], held(first) + held(second))
}

with_features!(
    /// Counts the weights of each value, and returns a bit for each weight that is outside of the
    /// window.
    #[inline]
    fn count_values(batch: &[bf16; BATCH], base: usize, ones: &mut [__m512i; VALUES]) -> __m512i {
        let [a, b, c, d] = planes(batch, base);
        let d_c = [_mm512_or_si512(d, c), _mm512_andnot_si512(d, c), _mm512_andnot_si512(c, d), _mm512_and_si512(d, c)];
        let mut outside = _mm512_setzero_si512();
        for (high, &x) in d_c.iter().enumerate() {
            // The first entry holds the values without d and c: find where x is 0.
            let found = match high {
                0 => [
                    _mm512_ternarylogic_epi64::<0x01>(x, b, a),
                    _mm512_ternarylogic_epi64::<0x02>(x, b, a),
                    _mm512_ternarylogic_epi64::<0x04>(x, b, a),
                    _mm512_ternarylogic_epi64::<0x08>(x, b, a),
                ],
                _ => [
                    _mm512_ternarylogic_epi64::<0x10>(x, b, a),
                    _mm512_ternarylogic_epi64::<0x20>(x, b, a),
                    _mm512_ternarylogic_epi64::<0x40>(x, b, a),
                    _mm512_ternarylogic_epi64::<0x80>(x, b, a),
                ],
            };
            for (low, &found) in found.iter().enumerate() {
                let ones = &mut ones[high * 4 + low];
                *ones = _mm512_add_epi64(*ones, _mm512_popcnt_epi64(found));
            }
            outside = found[3];
        }
        outside
    }
);

with_features!(
    /// The four bits of the value of each weight, one vector per bit, lowest first.
    #[inline]
    fn planes(batch: &[bf16; BATCH], base: usize) -> [__m512i; 4] {
        // SAFETY: 64 aligned bytes are one vector, and the weights of a step are two.
        unsafe {
            let exponents = _mm512_load_si512(EXPONENTS.0.as_ptr().cast());
            let pairs = _mm512_load_si512(PAIRS.0.as_ptr().cast());
            let unit_matrix = _mm512_set1_epi64(0x8040_2010_0804_0201u64 as i64);
            let mut transposed = [_mm512_setzero_si512(); BATCH / STEP];
            for (weights, transposed) in batch.as_chunks::<STEP>().0.iter().zip(&mut transposed) {
                prefetch(weights, AHEAD);
                prefetch(weights, AHEAD + STEP / 2);
                let first = _mm512_loadu_si512(weights.as_ptr().cast());
                let second = _mm512_loadu_si512(weights.as_ptr().add(STEP / 2).cast());
                let both = _mm512_multishift_epi64_epi8(exponents, first);
                let both = _mm512_mask_multishift_epi64_epi8(both, 0xF0F0_F0F0_F0F0_F0F0, exponents, second);
                let distances = _mm512_sub_epi8(both, _mm512_set1_epi8(base as i8));
                let values = _mm512_min_epu8(distances, _mm512_set1_epi8(WINDOW as i8));
                *transposed = _mm512_gf2p8affine_epi64_epi8::<0>(unit_matrix, values);
            }
            let mut quarters = [_mm512_setzero_si512(); 4];
            for (quarters, pair) in quarters.iter_mut().zip(transposed.as_chunks::<2>().0) {
                *quarters = _mm512_permutex2var_epi8(pair[0], pairs, pair[1]);
            }
            let [a, b, c, d] = quarters;
            // Quarters 0 and 1, then 2 and 3, of two vectors each.
            let low = [_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0x44>(c, d)];
            let high = [_mm512_shuffle_i64x2::<0xEE>(a, b), _mm512_shuffle_i64x2::<0xEE>(c, d)];
            [
                _mm512_shuffle_i64x2::<0x88>(low[0], low[1]),
                _mm512_shuffle_i64x2::<0xDD>(low[0], low[1]),
                _mm512_shuffle_i64x2::<0x88>(high[0], high[1]),
                _mm512_shuffle_i64x2::<0xDD>(high[0], high[1]),
            ]
        }
    }
);

with_features!(
    /// Counts the exponents outside of the first window, or of both.
    #[cold]
    fn count_outside(batch: &[bf16; BATCH], bases: [usize; 2], both: bool, counts: &mut [u32; 256]) {
        let last = _mm512_set1_epi16(WINDOW as i16);
        for weights in batch.as_chunks::<32>().0 {
            // SAFETY: 32 weights are one vector.
            let words = unsafe { _mm512_loadu_si512(weights.as_ptr().cast()) };
            let exponents = _mm512_and_si512(_mm512_srli_epi16::<7>(words), _mm512_set1_epi16(0xFF));
            let (first, second) = (_mm512_set1_epi16(bases[0] as i16), _mm512_set1_epi16(bases[1] as i16));
            let outside = _mm512_cmpge_epu16_mask(_mm512_sub_epi16(exponents, first), last);
            let outside_second = _mm512_cmpge_epu16_mask(_mm512_sub_epi16(exponents, second), last);
            let mut left = if both { outside & outside_second } else { outside };
            while left != 0 {
                counts[usize::from(bf16_word::exponent(weights[left.trailing_zeros() as usize]))] += 1;
                left &= left - 1;
            }
        }
    }
);

/// Bit 7 of each of 4 words, twice.
static EXPONENTS: Indices = Indices::of(7, 4, 16, 0);
/// For each lane of 16 bytes: the same byte of each 8-byte lane of two vectors.
static PAIRS: Indices = Indices::of(0, 16, 8, 1);
