//! Vectors without intrinsics, for the level that every processor has: sixteen arrays of 4 hold a
//! group, in the order of its columns.

use df11_core::{bf16, bf16_word, position};

use super::vectors::{GROUP, IN_ORDER, Vectors};

#[derive(Clone, Copy)]
pub(crate) struct Arrays;

const LANES: usize = 4;

// SAFETY: each function reads and writes what the trait's text says; there are no features.
unsafe impl Vectors<16> for Arrays {
    type Vector = [f32; LANES];
    type Table = [u8; 16];

    const ORDER: [u8; GROUP] = IN_ORDER;

    #[inline(always)]
    unsafe fn zero() -> [f32; LANES] {
        [0.0; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; LANES] {
        // SAFETY: the caller's values.
        unsafe { from.cast::<[f32; LANES]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: [f32; LANES]) {
        // SAFETY: the caller's values.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(vector) }
    }

    /// Rounded once, by way of f64: FLAT.md, "Why f64 gives the fused step".
    #[inline(always)]
    unsafe fn fused(w: [f32; LANES], x: [f32; LANES], sum: [f32; LANES]) -> [f32; LANES] {
        core::array::from_fn(|at| (f64::from(w[at]) * f64::from(x[at]) + f64::from(sum[at])) as f32)
    }

    #[inline(always)]
    unsafe fn table(exponents: &[u8; 16]) -> [u8; 16] {
        *exponents
    }

    #[inline(always)]
    unsafe fn bf16_group(from: *const u8) -> [[f32; LANES]; 16] {
        // SAFETY: the caller's words.
        let words = unsafe { from.cast::<[[[u8; 2]; LANES]; 16]>().read_unaligned() };
        words.map(|words| words.map(|word| bf16::from_le_bytes(word).to_f32()))
    }

    #[inline(always)]
    unsafe fn flat_group(signs: *const u8, codes: *const u8, table: &[u8; 16]) -> [[f32; LANES]; 16] {
        // SAFETY: the caller's bytes.
        let (signs, codes) = unsafe { (&*signs.cast::<[u8; GROUP]>(), &*codes.cast::<[u8; GROUP / 2]>()) };
        core::array::from_fn(|at| {
            core::array::from_fn(|lane| {
                let position = position(LANES * at + lane);
                let code = codes[position % codes.len()] >> (position / codes.len() * 4) & 0xF;
                bf16_word::merge(table[usize::from(code)], signs[position]).to_f32()
            })
        })
    }

    #[inline(always)]
    unsafe fn fold(mut sums: [[f32; LANES]; 16]) -> f32 {
        for half in [8, 4, 2, 1] {
            for at in 0..half {
                sums[at] = core::array::from_fn(|lane| sums[at][lane] + sums[at + half][lane]);
            }
        }
        let [a, b, c, d] = sums[0];
        (a + c) + (b + d)
    }

    #[inline(always)]
    fn prefetch(_: *const u8) {}
}
