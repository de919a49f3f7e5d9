//! Products: eight vectors of 8 hold a group. Even columns are apart from odd ones, because the low
//! and the high half of 32 bits are widened by one instruction each.

use core::arch::x86_64::*;

use super::features::Avx2;
use crate::product::{GROUP, Vectors};
use crate::x86_64::order;

/// The upper seven bits of each exponent, and its last bit at bit 7.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    high: __m256i,
    low: __m256i,
}

// SAFETY: each function reads and writes what the trait's text says: whole vectors, by instructions
// that accept any address.
unsafe impl Vectors<8> for Avx2 {
    type Vector = __m256;
    type Table = Table;

    const ORDER: [u8; GROUP] = order(8);

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: the caller has the features.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: __m256) {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe { _mm256_storeu_ps(to, vector) }
    }

    #[inline(always)]
    unsafe fn fused(w: __m256, x: __m256, sum: __m256) -> __m256 {
        // SAFETY: the caller has the features.
        unsafe { _mm256_fmadd_ps(w, x, sum) }
    }

    #[inline(always)]
    unsafe fn table(exponents: &[u8; 16]) -> Table {
        let (high, low) = (exponents.map(|exponent| exponent >> 1), exponents.map(|exponent| exponent << 7));
        // SAFETY: the caller has the features.
        unsafe {
            Table {
                high: _mm256_broadcastsi128_si256(_mm_loadu_si128(high.as_ptr().cast())),
                low: _mm256_broadcastsi128_si256(_mm_loadu_si128(low.as_ptr().cast())),
            }
        }
    }

    #[inline(always)]
    unsafe fn bf16_group(from: *const u8) -> [__m256; 8] {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe {
            widened([
                _mm256_loadu_si256(from.cast()),
                _mm256_loadu_si256(from.add(32).cast()),
                _mm256_loadu_si256(from.add(64).cast()),
                _mm256_loadu_si256(from.add(96).cast()),
            ])
        }
    }

    #[inline(always)]
    unsafe fn flat_group(signs: *const u8, codes: *const u8, table: &Table) -> [__m256; 8] {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe {
            let low_codes = _mm256_set1_epi8(0x0F);
            let codes = _mm256_loadu_si256(codes.cast());
            let first = _mm256_and_si256(codes, low_codes);
            let second = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low_codes);
            let [w0, w32] = words(_mm256_loadu_si256(signs.cast()), first, table);
            let [w16, w48] = words(_mm256_loadu_si256(signs.add(32).cast()), second, table);
            widened([w0, w16, w32, w48])
        }
    }

    #[inline(always)]
    unsafe fn fold(sums: [__m256; 8]) -> f32 {
        // SAFETY: the caller has the features.
        unsafe {
            let [even, odd, even_16, odd_16, even_32, odd_32, even_48, odd_48] = sums;
            let (even, odd) = (_mm256_add_ps(even, even_32), _mm256_add_ps(odd, odd_32));
            let (even_16, odd_16) = (_mm256_add_ps(even_16, even_48), _mm256_add_ps(odd_16, odd_48));
            // 8 sums each: columns 0, 2, ... 14 and 1, 3, ... 15.
            let (even, odd) = (_mm256_add_ps(even, even_16), _mm256_add_ps(odd, odd_16));
            let low = _mm256_permute2f128_ps::<0x20>(even, odd);
            let high = _mm256_permute2f128_ps::<0x31>(even, odd);
            // Below: 4 even sums, then 4 odd ones; each step adds the second half of each.
            let sums = _mm256_add_ps(low, high);
            let sums = _mm256_add_ps(sums, _mm256_permute_ps::<0b11_10_11_10>(sums));
            let sums = _mm256_add_ps(sums, _mm256_permute_ps::<0b01_01_01_01>(sums));
            _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums)))
        }
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}

/// The words of 32 positions, in the order of columns: of one half of the group, and of the other.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn words(signs: __m256i, codes: __m256i, table: &Table) -> [__m256i; 2] {
    // SAFETY: the caller has the features.
    unsafe {
        let sign = _mm256_set1_epi8(0x80_u8 as i8);
        let high = _mm256_or_si256(_mm256_and_si256(signs, sign), _mm256_shuffle_epi8(table.high, codes));
        let low = _mm256_or_si256(_mm256_andnot_si256(sign, signs), _mm256_shuffle_epi8(table.low, codes));
        [_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high)]
    }
}

/// The words of each vector as f32, even ones and odd ones.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn widened([a, b, c, d]: [__m256i; 4]) -> [__m256; 8] {
    // SAFETY: the caller has the features.
    unsafe { [even(a), odd(a), even(b), odd(b), even(c), odd(c), even(d), odd(d)] }
}

/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn even(words: __m256i) -> __m256 {
    // SAFETY: the caller has the features.
    unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words)) }
}

/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn odd(words: __m256i) -> __m256 {
    // SAFETY: the caller has the features.
    unsafe { _mm256_castsi256_ps(_mm256_and_si256(words, _mm256_set1_epi32(0xFFFF_0000_u32 as i32))) }
}
