//! Turns weights into lanes of 8 codes, and signs and mantissas.

use core::arch::x86_64::*;

use df11_core::bf16;

use super::steps::{BATCH, LANE, LANE_BITS, Merged, STEP, load, sllv_epi16, sllv_epi32, sllv_epi64};
use crate::encode::Words;
use crate::x86_64::avx512::indices::{EVEN, Indices};

/// Most bits of two neighbours that the tables can merge.
const PAIR_BITS: u32 = 16;

/// Lengths and codes of 64 exponents: of those that are equal modulo 64, the one with the shortest
/// code.
pub(super) struct Tables {
    exponents: [u8; STEP],
    lengths: [u8; STEP],
    low: [u8; STEP],
    high: [u8; STEP],
}

impl Tables {
    pub fn new(words: &Words) -> Self {
        let mut tables = Self { exponents: [0; STEP], lengths: [0; STEP], low: [0; STEP], high: [0; STEP] };
        for index in 0..STEP {
            let shortest = |&exponent: &usize| match words.of_exponent(exponent).1 {
                0 => u32::MAX,
                length => length,
            };
            let exponent = (index..256).step_by(STEP).min_by_key(shortest).unwrap_or(index);
            let (code, length) = words.of_exponent(exponent);
            tables.exponents[index] = exponent as u8;
            // A length above PAIR_BITS makes any pair too long. A weight without a code gets one,
            // as it must be put singly.
            tables.lengths[index] = if length == 0 { 2 * PAIR_BITS as u8 } else { length as u8 };
            [tables.low[index], tables.high[index]] = (code as u16).to_le_bytes();
        }
        tables
    }
}

with_features!(
    /// Splits words, and merges codes. Returns the steps that are misfits, one bit per step from
    /// the lowest on: those in which a lane has more than `LANE_BITS` bits, and maybe others.
    ///
    /// If `streams` is set, signs and mantissas that begin a cache line may bypass the cache.
    #[inline(never)]
    pub(super) fn merge_steps(
        words: &Words,
        tables: &Tables,
        steps: &[[bf16; STEP]],
        sign_mantissa: &mut [u8],
        batch: &mut [Merged; BATCH],
        streams: bool,
    ) -> u32 {
        let tables = [&tables.exponents, &tables.lengths, &tables.low, &tables.high].map(|bytes| load(bytes));
        let (even, odd) = (load(&EVEN.0), load(&ODD.0));
        let streams = streams && sign_mantissa.as_ptr().align_offset(STEP) == 0;
        let mut misfits = 0u32;
        let outputs = sign_mantissa.as_chunks_mut::<STEP>().0.iter_mut().zip(&mut *batch);
        for (number, (step, (to, merged))) in steps.iter().zip(outputs).enumerate() {
            // SAFETY: the weights of a step are two vectors.
            let (lower, upper) = unsafe {
                let first = _mm512_loadu_si512(step.as_ptr().cast());
                let second = _mm512_loadu_si512(step.as_ptr().add(STEP / 2).cast());
                (_mm512_permutex2var_epi8(first, even, second), _mm512_permutex2var_epi8(first, odd, second))
            };
            let doubled = _mm512_add_epi8(upper, upper);
            let exponents =
                _mm512_ternarylogic_epi64::<SELECT>(doubled, _mm512_srli_epi16::<7>(lower), _mm512_set1_epi8(1));
            let fits = merge_by_tables(tables, exponents, merged);
            misfits |= u32::from(!fits) << number;
            let split = _mm512_ternarylogic_epi64::<SELECT>(lower, upper, _mm512_set1_epi8(0x80u8 as i8));
            // SAFETY: the signs and mantissas of a step are one vector. With `streams` the first is
            // aligned as one, and so are all.
            unsafe {
                match streams {
                    true => _mm512_stream_si512(to.as_mut_ptr().cast(), split),
                    false => _mm512_storeu_si512(to.as_mut_ptr().cast(), split),
                }
            }
        }
        let mut left = misfits;
        while left != 0 {
            let number = left.trailing_zeros() as usize;
            if merge_singly(words, &steps[number], &mut batch[number]) {
                misfits ^= 1 << number;
            }
            left &= left - 1;
        }
        misfits
    }
);

with_features!(
    /// Merges the codes of exponents. Returns false if the tables or the lanes cannot hold them.
    #[inline]
    fn merge_by_tables([held, lengths, low, high]: [__m512i; 4], exponents: __m512i, merged: &mut Merged) -> bool {
        // A permutation takes its indices modulo 64.
        let inside = _mm512_cmpeq_epi8_mask(_mm512_permutexvar_epi8(exponents, held), exponents);
        let too_long = _mm512_set1_epi8(2 * PAIR_BITS as i8);
        let lengths = _mm512_mask_permutexvar_epi8(too_long, inside, exponents, lengths);
        let pair_bits = _mm512_maddubs_epi16(lengths, _mm512_set1_epi8(1));
        let quad_bits = _mm512_madd_epi16(pair_bits, _mm512_set1_epi16(1));
        let lane_bits = _mm512_sad_epu8(lengths, _mm512_setzero_si512());
        let long_pairs = _mm512_cmpgt_epu16_mask(pair_bits, _mm512_set1_epi16(PAIR_BITS as i16));
        let long_lanes = _mm512_cmpgt_epu64_mask(lane_bits, _mm512_set1_epi64(i64::from(LANE_BITS)));

        let low_byte = _mm512_set1_epi16(0x00FF);
        let (code_low, code_high) = (_mm512_permutexvar_epi8(exponents, low), _mm512_permutexvar_epi8(exponents, high));
        let first = _mm512_ternarylogic_epi64::<SELECT>(_mm512_slli_epi16::<8>(code_high), code_low, low_byte);
        let second = _mm512_ternarylogic_epi64::<SELECT>(code_high, _mm512_srli_epi16::<8>(code_low), low_byte);
        let pair = _mm512_or_si512(sllv_epi16(first, _mm512_srli_epi16::<8>(lengths)), second);
        let first = _mm512_and_si512(pair, _mm512_set1_epi32(0xFFFF));
        let first = sllv_epi32(first, _mm512_srli_epi32::<16>(pair_bits));
        let quad = _mm512_or_si512(first, _mm512_srli_epi32::<16>(pair));
        let first = _mm512_and_si512(quad, _mm512_set1_epi64(0xFFFF_FFFF));
        let first = sllv_epi64(first, _mm512_srli_epi64::<32>(quad_bits));
        let codes = _mm512_or_si512(first, _mm512_srli_epi64::<32>(quad));
        // SAFETY: both are one vector, and aligned as one.
        unsafe {
            _mm512_store_si512(merged.codes.as_mut_ptr().cast(), codes);
            _mm512_store_si512(merged.lengths.as_mut_ptr().cast(), lengths);
        }
        long_pairs == 0 && long_lanes == 0
    }
);

/// Merges codes one by one. Returns false if the lanes cannot hold them.
#[cold]
#[inline(never)]
fn merge_singly(words: &Words, step: &[bf16; STEP], merged: &mut Merged) -> bool {
    let lanes = step.as_chunks::<LANE>().0.iter().zip(merged.lengths.as_chunks_mut::<LANE>().0);
    for (codes, (weights, lengths)) in merged.codes.iter_mut().zip(lanes) {
        let mut held = 0;
        *codes = 0;
        for (&weight, length) in weights.iter().zip(lengths) {
            let (value, bits) = words.of(weight);
            held += bits;
            if held > LANE_BITS || bits == 0 {
                return false;
            }
            (*codes, *length) = (*codes << bits | value, bits as u8);
        }
    }
    true
}

/// Takes bits of the second operand where the mask is set, else of the first.
const SELECT: i32 = 0xD8;
/// The higher byte of each word of two vectors.
static ODD: Indices = Indices::of(1, 1, 0, 2);
