//! Products: sixteen vectors of 4 hold a group, in the order of its columns.

use core::arch::aarch64::*;

use super::neon::Neon;
use crate::product::{GROUP, IN_ORDER, Vectors};

/// The upper seven bits of each exponent, and its last bit at bit 7.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    high: uint8x16_t,
    low: uint8x16_t,
}

// SAFETY: each function reads and writes what the trait's text says: whole vectors, by instructions
// that accept any address.
unsafe impl Vectors<16> for Neon {
    type Vector = float32x4_t;
    type Table = Table;

    const ORDER: [u8; GROUP] = IN_ORDER;

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: the caller has the features.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: float32x4_t) {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe { vst1q_f32(to, vector) }
    }

    #[inline(always)]
    unsafe fn fused(w: float32x4_t, x: float32x4_t, sum: float32x4_t) -> float32x4_t {
        // SAFETY: the caller has the features.
        unsafe { vfmaq_f32(sum, w, x) }
    }

    #[inline(always)]
    unsafe fn table(exponents: &[u8; 16]) -> Table {
        let (high, low) = (exponents.map(|exponent| exponent >> 1), exponents.map(|exponent| exponent << 7));
        // SAFETY: the caller has the features.
        unsafe { Table { high: vld1q_u8(high.as_ptr()), low: vld1q_u8(low.as_ptr()) } }
    }

    #[inline(always)]
    unsafe fn bf16_group(from: *const u8) -> [float32x4_t; 16] {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe {
            let mut words = [vdupq_n_u16(0); 8];
            for (at, words) in words.iter_mut().enumerate() {
                *words = vld1q_u16(from.add(16 * at).cast());
            }
            widened(words)
        }
    }

    #[inline(always)]
    unsafe fn flat_group(signs: *const u8, codes: *const u8, table: &Table) -> [float32x4_t; 16] {
        // SAFETY: the caller has the features, and what is read or written.
        unsafe {
            let sign = vdupq_n_u8(0x80);
            let mut words = [vdupq_n_u16(0); 8];
            for at in 0..4 {
                let codes = vld1q_u8(codes.add(16 * (at % 2)));
                let codes = if at < 2 { vandq_u8(codes, vdupq_n_u8(0x0F)) } else { vshrq_n_u8::<4>(codes) };
                let signs = vld1q_u8(signs.add(16 * at));
                let high = vorrq_u8(vandq_u8(signs, sign), vqtbl1q_u8(table.high, codes));
                let low = vorrq_u8(vbicq_u8(signs, sign), vqtbl1q_u8(table.low, codes));
                // Positions are ordered so that this puts the words in the order of columns.
                words[at] = vreinterpretq_u16_u8(vzip1q_u8(low, high));
                words[at + 4] = vreinterpretq_u16_u8(vzip2q_u8(low, high));
            }
            widened(words)
        }
    }

    #[inline(always)]
    unsafe fn fold(mut sums: [float32x4_t; 16]) -> f32 {
        // SAFETY: the caller has the features.
        unsafe {
            for half in [8, 4, 2, 1] {
                for at in 0..half {
                    sums[at] = vaddq_f32(sums[at], sums[at + half]);
                }
            }
            let pairs = vadd_f32(vget_low_f32(sums[0]), vget_high_f32(sums[0]));
            vget_lane_f32::<0>(pairs) + vget_lane_f32::<1>(pairs)
        }
    }

    #[inline(always)]
    fn prefetch(_: *const u8) {}
}

/// The words of each vector as f32.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn widened(words: [uint16x8_t; 8]) -> [float32x4_t; 16] {
    // SAFETY: the caller has the features.
    unsafe {
        let zeros = vdupq_n_u16(0);
        let mut wide = [vdupq_n_f32(0.0); 16];
        for (wide, words) in wide.chunks_exact_mut(2).zip(words) {
            wide[0] = vreinterpretq_f32_u16(vzip1q_u16(zeros, words));
            wide[1] = vreinterpretq_f32_u16(vzip2q_u16(zeros, words));
        }
        wide
    }
}
