use crate::decode::{GROUP, Lane, Tables};
use crate::table::TABLE_BITS;

/// `Lane::group` without bounds checks.
///
/// Why this shape: 5 instructions a look-up, of which 2 are shifts, of which a core does 2 in a cycle. The count is an addition's memory operand; the bits stepped over
/// need no sum, because the marker at the bottom of the window tells.
///
/// # Safety
/// As `Lane` promises between two rounds: `input` holds `ROUND_REACH` bytes behind `bit`, `exponents` has room for a round's.
#[inline(always)]
unsafe fn group(lane: &mut Lane<'_>, entries: *const u64, counts: *const u32, tables: &Tables<'_>) {
    // SAFETY: by the caller; an index of TABLE_BITS bits is below ENTRIES; an entry's count is at most 7.
    unsafe {
        let load = lane.input.as_ptr().add(lane.bit / 8).cast::<u64>().read_unaligned();
        let mut window = load.swap_bytes() << (lane.bit % 8) | 1;
        let exponents = lane.exponents.as_mut_ptr();
        let mut free = lane.free as u32;
        let mut entry = 0;
        for _ in 0..GROUP {
            let index = (window >> (u64::BITS - TABLE_BITS)) as usize;
            entry = *entries.add(index);
            exponents.add(free as usize).cast::<u64>().sub(1).write_unaligned(entry);
            window <<= entry & 63;
            free = free.wrapping_sub(*counts.add(index));
        }
        lane.bit += window.trailing_zeros() as usize;
        lane.free = free as usize;
        if entry == 0 {
            lane.one_slowly(tables);
        }
    }
}

/// So many groups, lane by lane.
///
/// # Safety
/// Between two rounds, `groups` is at most `MAX_GROUPS`.
#[inline(always)]
pub(super) unsafe fn look_up_round<const LANES: usize>(
    tables: &Tables<'_>,
    lanes: &mut [Lane<'_>; LANES],
    groups: usize,
) {
    let (entries, counts) = tables.table.rows();
    for _ in 0..groups {
        for lane in &mut *lanes {
            // SAFETY: by the caller.
            unsafe { group(lane, entries.as_ptr(), counts.as_ptr(), tables) };
        }
    }
}
