//! Counts exponents, 512 at a time, by their bits.
//!
//! ```text
//! x = exponent - base, most of them 0 to 15         base: where 16 exponents hold most of a sample
//! 8 x in 8 bytes -> bit i of all 8 in byte i        8 x 8 transposed: product with the unit matrix
//! four planes: bit i of x of each weight            permutations gather each plane's bytes (1)
//! for each value v of 16: the weights whose four bits equal v    one ternary logic operation
//!     count of v += ones in it                                   one population count
//! count exponents outside one by one, and subtract them from the value that their lower bits gave
//! ```
//!
//! 1. From 8 vectors, in the same order for each plane, whatever that order is.

use core::arch::x86_64::*;

use df11_core::{bf16, bf16_word};

use super::indices::Indices;
use crate::memory::prefetch;

/// Values of four bits.
const VALUES: usize = 16;
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

with_features!(
    /// Counts exponents.
    ///
    /// # Safety
    /// The processor has the features.
    pub(super) unsafe fn histogram(weights: &[bf16]) -> [u32; 256] {
        let mut counts = [0u32; 256];
        let (sample, rest) = weights.split_at(weights.len().min(SAMPLE));
        count_singly(sample, &mut counts);
        let base = (0..=256 - VALUES).max_by_key(|&base| counts[base..][..VALUES].iter().sum::<u32>()).unwrap_or(0);
        let (batches, rest) = rest.as_chunks::<BATCH>();
        let mut ones = [_mm512_setzero_si512(); VALUES];
        for batch in batches {
            let (planes, all) = planes(batch, base);
            if _mm512_test_epi8_mask(all, _mm512_set1_epi8(!(VALUES as i8 - 1))) != 0 {
                count_outside(batch, base, &mut counts);
            }
            let [a, b, c, d] = planes;
            let d_c =
                [_mm512_or_si512(d, c), _mm512_andnot_si512(d, c), _mm512_andnot_si512(c, d), _mm512_and_si512(d, c)];
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
            }
        }
        for (count, &ones) in counts[base..].iter_mut().zip(&ones) {
            *count = count.wrapping_add(_mm512_reduce_add_epi64(ones) as u32);
        }
        count_singly(rest, &mut counts);
        counts
    }
);

with_features!(
    /// The lower four bits of `exponent - base` of each weight, one vector per bit, lowest first;
    /// and the OR of all distances.
    #[inline]
    fn planes(batch: &[bf16; BATCH], base: usize) -> ([__m512i; 4], __m512i) {
        // SAFETY: 64 aligned bytes are one vector, and the weights of a step are two.
        unsafe {
            let exponents = _mm512_load_si512(EXPONENTS.0.as_ptr().cast());
            let pairs = _mm512_load_si512(PAIRS.0.as_ptr().cast());
            let unit_matrix = _mm512_set1_epi64(0x8040_2010_0804_0201u64 as i64);
            let mut transposed = [_mm512_setzero_si512(); BATCH / STEP];
            let mut all = _mm512_setzero_si512();
            for (weights, transposed) in batch.as_chunks::<STEP>().0.iter().zip(&mut transposed) {
                prefetch(weights, AHEAD);
                prefetch(weights, AHEAD + STEP / 2);
                let first = _mm512_loadu_si512(weights.as_ptr().cast());
                let second = _mm512_loadu_si512(weights.as_ptr().add(STEP / 2).cast());
                let both = _mm512_multishift_epi64_epi8(exponents, first);
                let both = _mm512_mask_multishift_epi64_epi8(both, 0xF0F0_F0F0_F0F0_F0F0, exponents, second);
                let distances = _mm512_sub_epi8(both, _mm512_set1_epi8(base as i8));
                all = _mm512_or_si512(all, distances);
                *transposed = _mm512_gf2p8affine_epi64_epi8::<0>(unit_matrix, distances);
            }
            let mut quarters = [_mm512_setzero_si512(); 4];
            for (quarters, pair) in quarters.iter_mut().zip(transposed.as_chunks::<2>().0) {
                *quarters = _mm512_permutex2var_epi8(pair[0], pairs, pair[1]);
            }
            let [a, b, c, d] = quarters;
            // Quarters 0 and 1, then 2 and 3, of two vectors each.
            let low = [_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0x44>(c, d)];
            let high = [_mm512_shuffle_i64x2::<0xEE>(a, b), _mm512_shuffle_i64x2::<0xEE>(c, d)];
            let planes = [
                _mm512_shuffle_i64x2::<0x88>(low[0], low[1]),
                _mm512_shuffle_i64x2::<0xDD>(low[0], low[1]),
                _mm512_shuffle_i64x2::<0x88>(high[0], high[1]),
                _mm512_shuffle_i64x2::<0xDD>(high[0], high[1]),
            ];
            (planes, all)
        }
    }
);

with_features!(
    /// Counts the exponents outside the 16 values, and corrects the values that they were counted
    /// as.
    #[cold]
    fn count_outside(batch: &[bf16; BATCH], base: usize, counts: &mut [u32; 256]) {
        for weights in batch.as_chunks::<32>().0 {
            // SAFETY: 32 weights are one vector.
            let words = unsafe { _mm512_loadu_si512(weights.as_ptr().cast()) };
            let distances = _mm512_sub_epi16(_mm512_srli_epi16::<7>(words), _mm512_set1_epi16(base as i16));
            let mut outside = _mm512_test_epi16_mask(distances, _mm512_set1_epi16(0xFF & !(VALUES as i16 - 1)));
            while outside != 0 {
                let exponent = usize::from(bf16_word::exponent(weights[outside.trailing_zeros() as usize]));
                counts[exponent] += 1;
                let taken_for = base + (exponent.wrapping_sub(base) & (VALUES - 1));
                counts[taken_for] = counts[taken_for].wrapping_sub(1);
                outside &= outside - 1;
            }
        }
    }
);

fn count_singly(weights: &[bf16], counts: &mut [u32; 256]) {
    let some = crate::portable::histogram(weights);
    counts.iter_mut().zip(some).for_each(|(count, more)| *count = count.wrapping_add(more));
}

/// Bit 7 of each of 4 words, twice.
static EXPONENTS: Indices = Indices::of(7, 4, 16, 0);
/// For each lane of 16 bytes: the same byte of each 8-byte lane of two vectors.
static PAIRS: Indices = Indices::of(0, 16, 8, 1);
