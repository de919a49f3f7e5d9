//! Makes flat groups: splits 64 words into bytes, and finds codes by permuting two tables of 128.
//! Expands them: finds exponents by a shuffle, and merges bytes to words.

use core::arch::x86_64::*;

use df11_core::bf16;
use df11_core::limits::ESCAPE;

use super::features::Avx512;
use crate::flat::{CODES, GROUP, Packer, Unpacker};

impl Packer for Avx512 {
    #[inline(always)]
    unsafe fn group(
        self,
        weights: &[bf16; GROUP],
        code: &[u8; 256],
        signs: &mut [u8; GROUP],
        codes: &mut [u8; CODES],
    ) -> u64 {
        // SAFETY: each array has the bytes that are read and written; `self` proves the features.
        unsafe {
            let from = weights.as_ptr();
            let (first, second) = (_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(32).cast()));
            let byte = _mm512_set1_epi16(0xFF);
            // Packing within 128-bit lanes puts the columns into the order of positions.
            let low = _mm512_packus_epi16(_mm512_and_si512(first, byte), _mm512_and_si512(second, byte));
            let high = _mm512_packus_epi16(_mm512_srli_epi16::<8>(first), _mm512_srli_epi16::<8>(second));
            let last_bit = _mm512_and_si512(_mm512_srli_epi16::<7>(low), _mm512_set1_epi8(1));
            let exponents = _mm512_or_si512(_mm512_add_epi8(high, high), last_bit);
            // (sign & high) | (!sign & low)
            let sign = _mm512_set1_epi8(0x80_u8 as i8);
            _mm512_storeu_si512(signs.as_mut_ptr().cast(), _mm512_ternarylogic_epi32::<0xCA>(sign, high, low));
            let code: *const u8 = code.as_ptr();
            let (first, second) = (_mm512_loadu_si512(code.cast()), _mm512_loadu_si512(code.add(64).cast()));
            let below = _mm512_permutex2var_epi8(first, exponents, second);
            let (third, fourth) = (_mm512_loadu_si512(code.add(128).cast()), _mm512_loadu_si512(code.add(192).cast()));
            let from_128 = _mm512_permutex2var_epi8(third, exponents, fourth);
            let found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(exponents), below, from_128);
            let (low, high) = (_mm512_castsi512_si256(found), _mm512_extracti64x4_epi64::<1>(found));
            _mm256_storeu_si256(codes.as_mut_ptr().cast(), _mm256_or_si256(low, _mm256_slli_epi16::<4>(high)));
            _mm512_cmpeq_epi8_mask(found, _mm512_set1_epi8(ESCAPE as i8))
        }
    }
}

impl Unpacker for Avx512 {
    #[inline(always)]
    unsafe fn group(self, signs: &[u8; GROUP], codes: &[u8; CODES], exponents: &[u8; 16], weights: &mut [bf16; GROUP]) {
        // SAFETY: each array has the bytes that are read and written; `self` proves the features.
        unsafe {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(exponents.as_ptr().cast()));
            let (signs, codes) = (_mm512_loadu_si512(signs.as_ptr().cast()), _mm256_loadu_si256(codes.as_ptr().cast()));
            let codes = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(codes), _mm256_srli_epi16::<4>(codes));
            let exponents = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, _mm512_set1_epi8(0x0F)));
            // What shifts bring from a neighbour is not selected: (sign & a) | (!sign & b)
            let sign = _mm512_set1_epi8(0x80_u8 as i8);
            let high = _mm512_ternarylogic_epi32::<0xCA>(sign, signs, _mm512_srli_epi16::<1>(exponents));
            let low = _mm512_ternarylogic_epi32::<0xCA>(sign, _mm512_slli_epi16::<7>(exponents), signs);
            // Positions are ordered so that this puts the words in the order of columns.
            let to = weights.as_mut_ptr();
            _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi8(low, high));
            _mm512_storeu_si512(to.add(GROUP / 2).cast(), _mm512_unpackhi_epi8(low, high));
        }
    }
}
