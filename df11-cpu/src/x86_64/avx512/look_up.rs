//! Looking up, without counting: entries go into slots side by side, and what is not zero is squeezed together later.
//!
//! ```text
//! slots of a lane, the last look-up lowest:   | 4th: e e 0 0 0 0 0 bits | 3rd: e e e e 0 0 0 bits | ... |
//! exponents, as lane.rs draws them:           ... 4th 3rd                        8 slots become up to 57 bytes by one compression
//! ```

use core::arch::asm;
use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use crate::decode::{GROUP, Lane, MAX_GROUPS, Tables};
use crate::table::{Spaced, TABLE_BITS};
use crate::x86_64::look_up::look_up_round;

/// Slots of a vector.
const VECTOR: usize = 8;
/// Slots that a lane fills in a round: whole vectors, if the groups are a multiple of `VECTOR`.
const SLOTS: usize = MAX_GROUPS * GROUP;
const _: () = assert!(MAX_GROUPS.is_multiple_of(VECTOR), "a round's groups may be rounded up to whole vectors");

#[repr(align(64))]
struct Slots([MaybeUninit<u64>; SLOTS]);

/// # Safety
/// As `look_up_round`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,movbe,popcnt")]
pub(super) unsafe fn look_up<const LANES: usize>(tables: &Tables<'_>, lanes: &mut [Lane<'_>; LANES], groups: usize) {
    // SAFETY: by the caller; so many groups are at most MAX_GROUPS, by the assertion above.
    unsafe {
        match tables.table.spaced() {
            Some(spaced) => look_up_spaced(tables, spaced, lanes, groups.next_multiple_of(VECTOR)),
            None => look_up_round(tables, lanes, groups),
        }
    }
}

/// # Safety
/// As `look_up_round`, and `groups` is a multiple of `VECTOR`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,movbe,popcnt")]
unsafe fn look_up_spaced<const LANES: usize>(
    tables: &Tables<'_>,
    spaced: &Spaced,
    lanes: &mut [Lane<'_>; LANES],
    groups: usize,
) {
    let mut slots = [const { Slots([MaybeUninit::uninit(); SLOTS]) }; LANES];
    let entries = spaced.entries.as_ptr();
    // SAFETY: loads by the caller; an index of TABLE_BITS bits is below ENTRIES; slots are written from groups * GROUP, which is at most SLOTS, down to 0.
    unsafe {
        let first = slots.as_mut_ptr().cast::<u64>();
        for group in (0..groups).rev() {
            let slot = |lane: usize, step: usize| first.add(lane * SLOTS + group * GROUP + GROUP - 1 - step);
            let mut windows = [0u64; LANES];
            for (window, lane) in windows.iter_mut().zip(&*lanes) {
                let load = lane.input.as_ptr().add(lane.bit / 8).cast::<u64>().read_unaligned();
                *window = load.swap_bytes() << (lane.bit % 8) | 1;
            }
            for step in 0..GROUP {
                for (lane, window) in windows.iter_mut().enumerate() {
                    let entry = no_gather(*entries.add((*window >> (u64::BITS - TABLE_BITS)) as usize));
                    slot(lane, step).write(entry);
                    *window <<= entry & 63;
                }
            }
            let mut empty = false;
            for (lane, state) in lanes.iter_mut().enumerate() {
                state.bit += windows[lane].trailing_zeros() as usize;
                empty |= slot(lane, GROUP - 1).read() == 0;
            }
            if empty {
                for (lane, state) in lanes.iter_mut().enumerate() {
                    if slot(lane, GROUP - 1).read() == 0 {
                        slot(lane, GROUP - 1).write(one_slowly(tables, state, spaced.spare));
                    }
                }
            }
        }
    }
    for (lane, slots) in lanes.iter_mut().zip(&slots) {
        // SAFETY: the slots were written above, and hold no more exponents than the caller says that there is room for.
        unsafe { squeeze(slots.0.as_ptr().cast(), groups * GROUP, spaced.spare, lane) };
    }
}

/// Hides an entry's origin: of 4 or 6 lanes' loads the optimiser makes gathers, which take twice as long as the loads.
#[inline(always)]
fn no_gather(mut entry: u64) -> u64 {
    // SAFETY: there is no instruction.
    unsafe { asm!("/* {0} */", inout(reg) entry, options(pure, nomem, nostack, preserves_flags)) };
    entry
}

/// Decodes one code of any length; the slot that it belongs in, empty where there is none.
#[cold]
#[inline(never)]
fn one_slowly(tables: &Tables<'_>, lane: &mut Lane<'_>, spare: u8) -> u64 {
    let Some((exponent, length)) = tables.unit.lookup().find((lane.window() >> 32) as u32) else {
        lane.stuck = true;
        return 0;
    };
    lane.bit += length as usize;
    u64::from(exponent ^ spare) << 56
}

/// Moves the exponents of `count` slots, the highest first, to where the lane's next ones belong.
///
/// # Safety
/// `slots` are written, `count` is a multiple of `VECTOR`, and the lane has room for their exponents.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,movbe,popcnt")]
unsafe fn squeeze(slots: *const u64, count: usize, spare: u8, lane: &mut Lane<'_>) {
    let (exponents, mut free) = (lane.exponents.as_mut_ptr(), lane.free);
    let spares = _mm512_set1_epi8(spare as i8);
    for vector in (0..count / VECTOR).rev() {
        // SAFETY: by the caller; the store writes only bytes of `kept` exponents.
        unsafe {
            let bytes = _mm512_load_si512(slots.add(vector * VECTOR).cast());
            let kept = _mm512_test_epi8_mask(bytes, _mm512_set1_epi64(!0xFF));
            let count = kept.count_ones();
            free -= count as usize;
            let packed = _mm512_xor_si512(_mm512_maskz_compress_epi8(kept, bytes), spares);
            _mm512_mask_storeu_epi8(exponents.add(free).cast(), _bzhi_u64(u64::MAX, count), packed);
        }
    }
    lane.free = free;
}
