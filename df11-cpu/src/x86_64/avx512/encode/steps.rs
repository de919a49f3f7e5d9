//! The vectors of a step, and the operations on them that both halves of packing use.

use core::arch::asm;
use core::arch::x86_64::*;

/// Weights of a step.
pub(super) const STEP: usize = 64;
/// Steps worked on together.
pub(super) const BATCH: usize = 16;
/// Codes of a lane of 64 bits.
pub(super) const LANE: usize = 8;
/// Lanes of a step.
pub(super) const LANES: usize = STEP / LANE;
/// Most bits of the codes of a lane.
pub(super) const LANE_BITS: u32 = 56;

// The unsafe code of this folder relies on these.
const _: () = {
    assert!(STEP == 64, "the exponents of a step are one vector, its weights two");
    assert!(LANES * size_of::<u64>() == 64, "the lanes of a step are one vector");
    assert!(BATCH <= u32::BITS as usize, "steps are numbered by the bits of a u32");
};

/// The codes of a step: two vectors, each aligned as one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Merged {
    /// The codes of each lane, right-aligned.
    pub codes: [u64; LANES],
    /// The length of each code.
    pub lengths: [u8; STEP],
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the bytes are one vector.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// `$name(numbers, bits)` shifts each number left by its own number of bits, and gives zero if that
/// is too many. The compiler's functions of these names became three instructions each, two of them
/// for shifts by too many bits.
macro_rules! shift_by_each {
    ($name:ident, $instruction:literal) => {
        #[target_feature(enable = "avx512f,avx512bw")]
        #[inline]
        pub(super) fn $name(numbers: __m512i, bits: __m512i) -> __m512i {
            let shifted;
            // SAFETY: the instruction reads and writes registers only.
            unsafe {
                asm!(
                    concat!($instruction, " {0}, {1}, {2}"),
                    out(zmm_reg) shifted, in(zmm_reg) numbers, in(zmm_reg) bits,
                    options(pure, nomem, nostack, preserves_flags)
                )
            };
            shifted
        }
    };
}

shift_by_each!(sllv_epi16, "vpsllvw");
shift_by_each!(sllv_epi32, "vpsllvd");
shift_by_each!(sllv_epi64, "vpsllvq");
