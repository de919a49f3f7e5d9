//! Looks up without counting: entries go into slots side by side, and the bytes that are not zero
//! are compressed later.
//!
//! ```text
//! slots of a lane, last look-up lowest:  | 4th: e e 0 0 0 0 0 bits | 3rd: e e e e 0 0 0 bits | ...
//! exponents, as exponents.rs draws them: ... 4th 3rd     8 slots compress to up to 57 bytes
//! ```

use core::arch::asm;
use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use crate::decode::{GROUP, Lane, MAX_GROUPS, Round, Tables};
use crate::table::{ENTRIES, MAX_ENTRY_CODES, Spaced, TABLE_BITS};
use crate::x86_64::look_up::look_up_round;

/// Slots of a vector.
const VECTOR: usize = 8;
/// Slots that a lane fills in a round. They are whole vectors if the groups are a multiple of
/// `VECTOR`.
const SLOTS: usize = MAX_GROUPS * GROUP;
/// The bytes of a slot that hold exponents.
const EXPONENTS: u64 = !0xFF;

#[repr(align(64))]
struct Slots([MaybeUninit<u64>; SLOTS]);

// The unsafe code below relies on these, and on what `x86_64/look_up.rs` shows of a round's reads
// and writes.
const _: () = {
    assert!(MAX_GROUPS.is_multiple_of(VECTOR), "a round's groups may be rounded up to whole vectors");
    assert!(VECTOR * size_of::<u64>() == 64, "slots are read by vectors");
    assert!(size_of::<Slots>() == SLOTS * size_of::<u64>(), "a lane's slots follow those of the lane before");
    assert!(
        EXPONENTS.count_ones() as usize / 8 <= MAX_ENTRY_CODES,
        "no slot has more exponents than a look-up may add"
    );
    assert!(ENTRIES == 1 << TABLE_BITS, "an index of TABLE_BITS bits has an entry");
};

with_features!(
    pub(super) fn look_up<const LANES: usize>(round: Round<'_, '_, '_, LANES>) {
        match round.tables().table.spaced() {
            Some(spaced) => look_up_spaced(round, spaced),
            None => look_up_round(round),
        }
    }
);

with_features!(
    #[inline]
    fn look_up_spaced<const LANES: usize>(round: Round<'_, '_, '_, LANES>, spaced: &Spaced) {
        let (tables, lanes, groups) = round.into_parts();
        // At most MAX_GROUPS, which is itself a multiple.
        let groups = groups.next_multiple_of(VECTOR);
        let mut slots = [const { Slots([MaybeUninit::uninit(); SLOTS]) }; LANES];
        let entries = spaced.entries.as_ptr();
        // SAFETY: loads are within `input`, as shown for a round. An index has TABLE_BITS bits. The
        // slots of a lane below groups * GROUP are written, from the last one down; these are at
        // most SLOTS.
        unsafe {
            let first = slots.as_mut_ptr().cast::<u64>();
            for group in (0..groups).rev() {
                let slot = |lane: usize, step: usize| first.add(lane * SLOTS + group * GROUP + GROUP - 1 - step);
                let mut windows = [0u64; LANES];
                for (window, lane) in windows.iter_mut().zip(&*lanes) {
                    let load = lane.input.next_byte().cast::<u64>().read_unaligned();
                    *window = load.swap_bytes() << lane.input.bit_of_byte() | 1;
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
                    state.input.step(windows[lane].trailing_zeros() as usize);
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
            // SAFETY: groups * GROUP slots were written above, a multiple of VECTOR. The slots of a
            // group have no more exponents than its look-ups may add, so there is room for them, as
            // shown for a round.
            unsafe { squeeze(slots.0.as_ptr().cast(), groups * GROUP, spaced.spare, lane) };
        }
    }
);

/// Hides where an entry comes from. From the loads of 4 or 6 lanes the optimiser makes gathers,
/// which take twice as long as the loads.
#[inline(always)]
fn no_gather(mut entry: u64) -> u64 {
    // SAFETY: there is no instruction.
    unsafe { asm!("/* {0} */", inout(reg) entry, options(pure, nomem, nostack, preserves_flags)) };
    entry
}

/// Decodes one code of any length. Returns the slot for it, which is empty if there is no code.
#[cold]
#[inline(never)]
fn one_slowly(tables: &Tables<'_>, lane: &mut Lane<'_>, spare: u8) -> u64 {
    lane.step_over_code(tables).map_or(0, |exponent| u64::from(exponent ^ spare) << 56)
}

with_features!(
    /// Moves the exponents of `count` slots, the highest first, to where the lane's next ones go.
    ///
    /// # Safety
    /// `slots` are written and aligned to a vector, `count` is a multiple of `VECTOR`, and the lane
    /// has room for as many exponents as the slots can have.
    #[inline]
    unsafe fn squeeze(slots: *const u64, count: usize, spare: u8, lane: &mut Lane<'_>) {
        let mut free = lane.exponents.free();
        let exponents = lane.exponents.as_mut_ptr();
        let spares = _mm512_set1_epi8(spare as i8);
        for vector in (0..count / VECTOR).rev() {
            // SAFETY: the caller guarantees the loads. The store writes only the bytes of the
            // `count` exponents kept.
            unsafe {
                let bytes = _mm512_load_si512(slots.add(vector * VECTOR).cast());
                let kept = _mm512_test_epi8_mask(bytes, _mm512_set1_epi64(EXPONENTS as i64));
                let count = kept.count_ones();
                free -= count as usize;
                let packed = _mm512_xor_si512(_mm512_maskz_compress_epi8(kept, bytes), spares);
                _mm512_mask_storeu_epi8(exponents.add(free).cast(), _bzhi_u64(u64::MAX, count), packed);
            }
        }
        lane.exponents.set_free(free);
    }
);
