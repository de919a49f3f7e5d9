//! Makes flat groups: splits 64 words into bytes, and finds codes by a permutation for each run of
//! 16 exponents in which the matrix has one of its own. Expands them: finds exponents by a shuffle,
//! and merges bytes to words.

use core::arch::x86_64::*;

use df11_core::bf16;
use df11_core::limits::ESCAPE;

use super::features::Avx2;
use crate::flat::{CODES, GROUP, Packer, Unpacker};

impl Packer for Avx2 {
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
            let from: *const u8 = weights.as_ptr().cast();
            let (signs_low, exponents_low) = split(from);
            let (signs_high, exponents_high) = split(from.add(32));
            _mm256_storeu_si256(signs.as_mut_ptr().cast(), signs_low);
            _mm256_storeu_si256(signs.as_mut_ptr().add(32).cast(), signs_high);
            let (low, high) = (find(exponents_low, code), find(exponents_high, code));
            _mm256_storeu_si256(codes.as_mut_ptr().cast(), _mm256_or_si256(low, _mm256_slli_epi16::<4>(high)));
            u64::from(escapes(high)) << 32 | u64::from(escapes(low))
        }
    }
}

/// Signs and mantissas, and exponents, of 32 positions: 16 columns from `from` on, and 16 columns
/// half a group later.
///
/// # Safety
/// These columns are there. The processor has the level's features.
#[inline(always)]
unsafe fn split(from: *const u8) -> (__m256i, __m256i) {
    // SAFETY: the caller has the features, and what is read or written.
    unsafe {
        let (first, second) = (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(GROUP).cast()));
        let byte = _mm256_set1_epi16(0xFF);
        // Packing within 128-bit lanes puts the columns into the order of positions.
        let low = _mm256_packus_epi16(_mm256_and_si256(first, byte), _mm256_and_si256(second, byte));
        let high = _mm256_packus_epi16(_mm256_srli_epi16::<8>(first), _mm256_srli_epi16::<8>(second));
        let last_bit = _mm256_and_si256(_mm256_srli_epi16::<7>(low), _mm256_set1_epi8(1));
        let exponents = _mm256_or_si256(_mm256_add_epi8(high, high), last_bit);
        let sign = _mm256_set1_epi8(0x80_u8 as i8);
        (_mm256_or_si256(_mm256_and_si256(sign, high), _mm256_andnot_si256(sign, low)), exponents)
    }
}

/// The code of each exponent.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn find(exponents: __m256i, code: &[u8; 256]) -> __m256i {
    // SAFETY: the caller has the features.
    unsafe {
        let low = _mm256_set1_epi8(0x0F);
        let run_of = _mm256_andnot_si256(low, exponents);
        let mut found = _mm256_set1_epi8(ESCAPE as i8);
        for (run, codes) in code.as_chunks::<16>().0.iter().enumerate() {
            if *codes != [ESCAPE; 16] {
                let codes = _mm256_broadcastsi128_si256(_mm_loadu_si128(codes.as_ptr().cast()));
                let codes = _mm256_shuffle_epi8(codes, _mm256_and_si256(exponents, low));
                let here = _mm256_cmpeq_epi8(run_of, _mm256_set1_epi8((run << 4) as i8));
                found = _mm256_blendv_epi8(found, codes, here);
            }
        }
        found
    }
}

/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn escapes(codes: __m256i) -> u32 {
    // SAFETY: the caller has the features.
    unsafe { _mm256_movemask_epi8(_mm256_cmpeq_epi8(codes, _mm256_set1_epi8(ESCAPE as i8))) as u32 }
}

impl Unpacker for Avx2 {
    #[inline(always)]
    unsafe fn group(self, signs: &[u8; GROUP], codes: &[u8; CODES], exponents: &[u8; 16], weights: &mut [bf16; GROUP]) {
        // SAFETY: each array has the bytes that are read and written; `self` proves the features.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(exponents.as_ptr().cast()));
            let codes = _mm256_loadu_si256(codes.as_ptr().cast());
            let (from, to) = (signs.as_ptr(), weights.as_mut_ptr().cast::<u8>());
            join(from, codes, table, to);
            join(from.add(CODES), _mm256_srli_epi16::<4>(codes), table, to.add(CODES));
        }
    }
}

/// Writes the words of 32 positions: 16 columns to `to`, and 16 columns half a group later. The
/// lower half of each byte of `codes` is a code.
///
/// # Safety
/// These bytes and columns are there. The processor has the level's features.
#[inline(always)]
unsafe fn join(signs: *const u8, codes: __m256i, table: __m256i, to: *mut u8) {
    // SAFETY: the caller has the features, and what is read or written.
    unsafe {
        let signs = _mm256_loadu_si256(signs.cast());
        let exponents = _mm256_shuffle_epi8(table, _mm256_and_si256(codes, _mm256_set1_epi8(0x0F)));
        // What shifts bring from a neighbour is masked.
        let sign = _mm256_set1_epi8(0x80_u8 as i8);
        let high = _mm256_or_si256(
            _mm256_and_si256(sign, signs),
            _mm256_andnot_si256(sign, _mm256_srli_epi16::<1>(exponents)),
        );
        let low = _mm256_or_si256(
            _mm256_and_si256(sign, _mm256_slli_epi16::<7>(exponents)),
            _mm256_andnot_si256(sign, signs),
        );
        // Positions are ordered so that this puts the words in the order of columns.
        _mm256_storeu_si256(to.cast(), _mm256_unpacklo_epi8(low, high));
        _mm256_storeu_si256(to.add(GROUP).cast(), _mm256_unpackhi_epi8(low, high));
    }
}
