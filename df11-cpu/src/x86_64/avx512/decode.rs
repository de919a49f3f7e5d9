//! Merges exponents with signs and mantissas.

use core::arch::x86_64::*;

use df11_core::bf16;

use super::features::Avx512;
use super::indices::Indices;
use super::look_up::look_up;
use crate::decode::{Kernel, LINE, Round};

impl Kernel for Avx512 {
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

/// Weights merged in one step: one vector.
const STEP: usize = 32;
const _: () = assert!(STEP == LINE, "steps are lines, whose stores are aligned");

with_features!(
    fn merge(exponents: &[u8], sign_mantissa: &[u8], weights: &mut [bf16], streams: bool) {
        assert!(exponents.len() == weights.len() && sign_mantissa.len() == weights.len());
        let count = weights.len();
        // SAFETY: the slices have `count` elements each. Whole steps stay below `count`. Their
        // stores are aligned: there are none unless `at` is first where a step is aligned. What is
        // masked is neither read nor written.
        unsafe {
            let last = exponents.as_ptr().add(count);
            let (from, to) = (sign_mantissa.as_ptr(), weights.as_mut_ptr().cast::<u16>());
            let partial = |at: usize, some: usize| {
                let low = (1u64 << some) - 1;
                let e = _mm512_maskz_loadu_epi8(low << (STEP - some), last.wrapping_sub(at + STEP).cast());
                let s = _mm512_maskz_loadu_epi8(low, from.add(at).cast());
                _mm512_mask_storeu_epi16(to.add(at).cast(), low as u32, merge_line(e, s));
            };
            let line = |at: usize| {
                let e = _mm256_loadu_si256(last.sub(at + STEP).cast());
                let s = _mm256_loadu_si256(from.add(at).cast());
                merge_line(_mm512_castsi256_si512(e), _mm512_castsi256_si512(s))
            };
            let mut at = to.align_offset(STEP * size_of::<bf16>()).min(count);
            if at > 0 {
                partial(0, at);
            }
            while at + STEP <= count {
                match streams {
                    true => _mm512_stream_si512(to.add(at).cast(), line(at)),
                    false => _mm512_store_si512(to.add(at).cast(), line(at)),
                }
                at += STEP;
            }
            if at < count {
                partial(at, count - at);
            }
        }
    }
);

with_features!(
    /// Merges 32 weights from their exponents, the last one first, and their signs and mantissas.
    /// Each is in the lower half of its vector.
    #[inline]
    unsafe fn merge_line(exponents: __m512i, sign_mantissa: __m512i) -> __m512i {
        // SAFETY: features as everywhere in this file.
        unsafe {
            let twice = _mm512_load_si512(TWICE.0.as_ptr().cast());
            let twice_back = _mm512_load_si512(TWICE_BACK.0.as_ptr().cast());
            let e = _mm512_slli_epi16::<7>(_mm512_permutexvar_epi8(twice_back, exponents));
            let s = _mm512_permutexvar_epi8(twice, sign_mantissa);
            // Exponent bits come from e, the others from s.
            _mm512_ternarylogic_epi32::<0xD8>(e, s, _mm512_set1_epi16(!0x7F80))
        }
    }
);

/// Each byte of the lower half twice: 0 0 1 1 ... 31 31.
static TWICE: Indices = Indices::of(0, 2, 0, 1);
/// The same from the end: 31 31 ... 0 0.
static TWICE_BACK: Indices = Indices::of(31, 2, 0, 255);
