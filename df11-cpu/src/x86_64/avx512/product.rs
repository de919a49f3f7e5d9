//! Products: four vectors of 16 hold a group. Even columns are apart from odd ones, because the low
//! and the high half of 32 bits are widened by one instruction each.

use core::arch::x86_64::*;

use super::features::Avx512;
use crate::product::{GROUP, Vectors};
use crate::x86_64::order;

/// The upper seven bits of each exponent, and its last bit at bit 7.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    high: __m512i,
    low: __m512i,
}

// SAFETY: each function reads and writes what the trait's text says: whole vectors, by instructions
// that accept any address.
unsafe impl Vectors<4> for Avx512 {
    type Vector = __m512;
    type Table = Table;

    const ORDER: [u8; GROUP] = order(16);

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller has the features.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: __m512) {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe { _mm512_storeu_ps(to, vector) }
    }

    #[inline(always)]
    unsafe fn fused(w: __m512, x: __m512, sum: __m512) -> __m512 {
        // SAFETY: the caller has the features.
        unsafe { _mm512_fmadd_ps(w, x, sum) }
    }

    #[inline(always)]
    unsafe fn table(exponents: &[u8; 16]) -> Table {
        let (high, low) = (exponents.map(|exponent| exponent >> 1), exponents.map(|exponent| exponent << 7));
        // SAFETY: the caller has the features.
        unsafe {
            Table {
                high: _mm512_broadcast_i32x4(_mm_loadu_si128(high.as_ptr().cast())),
                low: _mm512_broadcast_i32x4(_mm_loadu_si128(low.as_ptr().cast())),
            }
        }
    }

    #[inline(always)]
    unsafe fn bf16_group(from: *const u8) -> [__m512; 4] {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe { widened([_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(64).cast())]) }
    }

    #[inline(always)]
    unsafe fn flat_group(signs: *const u8, codes: *const u8, table: &Table) -> [__m512; 4] {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe {
            let (signs, codes) = (_mm512_loadu_si512(signs.cast()), _mm256_loadu_si256(codes.cast()));
            let codes = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(codes), _mm256_srli_epi16::<4>(codes));
            let codes = _mm512_and_si512(codes, _mm512_set1_epi8(0x0F));
            let sign = _mm512_set1_epi8(0x80_u8 as i8);
            // (signs & sign) | high, (signs & !sign) | low
            let high = _mm512_ternarylogic_epi32::<0xEA>(sign, signs, _mm512_shuffle_epi8(table.high, codes));
            let low = _mm512_ternarylogic_epi32::<0xAE>(sign, signs, _mm512_shuffle_epi8(table.low, codes));
            // Positions are ordered so that this puts the words in the order of columns.
            widened([_mm512_unpacklo_epi8(low, high), _mm512_unpackhi_epi8(low, high)])
        }
    }

    #[inline(always)]
    unsafe fn with([a, b, c, d]: [__m512; 4], column: usize, value: f32) -> [__m512; 4] {
        let lane = 1u64 << Self::ORDER[column];
        // SAFETY: the caller has the features.
        unsafe {
            let value = _mm512_set1_ps(value);
            [
                _mm512_mask_mov_ps(a, lane as u16, value),
                _mm512_mask_mov_ps(b, (lane >> 16) as u16, value),
                _mm512_mask_mov_ps(c, (lane >> 32) as u16, value),
                _mm512_mask_mov_ps(d, (lane >> 48) as u16, value),
            ]
        }
    }

    #[inline(always)]
    unsafe fn fold([even, odd, even_32, odd_32]: [__m512; 4]) -> f32 {
        // SAFETY: the caller has the features.
        unsafe {
            // 16 sums each: columns 0, 2, ... 30 and 1, 3, ... 31.
            let (even, odd) = (_mm512_add_ps(even, even_32), _mm512_add_ps(odd, odd_32));
            let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(even, odd);
            let high = _mm512_shuffle_f32x4::<0b11_10_11_10>(even, odd);
            // Below: 8 even sums, then 8 odd ones; each step adds the second half of each.
            let sums = _mm512_add_ps(low, high);
            let sums = _mm512_add_ps(sums, _mm512_shuffle_f32x4::<0b11_11_01_01>(sums, sums));
            let sums = _mm512_add_ps(sums, _mm512_permute_ps::<0b11_10_11_10>(sums));
            let sums = _mm512_add_ps(sums, _mm512_permute_ps::<0b01_01_01_01>(sums));
            let odd = _mm512_extractf32x4_ps::<2>(sums);
            _mm_cvtss_f32(_mm_add_ss(_mm512_castps512_ps128(sums), odd))
        }
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}

/// The words of each vector as f32, even ones and odd ones.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn widened(words: [__m512i; 2]) -> [__m512; 4] {
    // SAFETY: the caller has the features.
    unsafe {
        let odd = _mm512_set1_epi32(0xFFFF_0000_u32 as i32);
        let [first, second] = words;
        [
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(first)),
            _mm512_castsi512_ps(_mm512_and_si512(first, odd)),
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(second)),
            _mm512_castsi512_ps(_mm512_and_si512(second, odd)),
        ]
    }
}
