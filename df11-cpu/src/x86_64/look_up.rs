use crate::decode::{GROUP, Lane, Tables};
use crate::table::TABLE_BITS;

/// A round: so many times a group of each lane, as `groups_in_turns` does, without bounds checks.
///
/// Why this shape: 5 instructions a look-up, of which 2 are shifts, of which a core does 2 in a cycle. The count is an addition's memory operand; the bits
/// stepped over need no sum, because the marker at the bottom of the window tells. Lanes take turns at every look-up: a processor's schedulers hold about
/// 100 instructions that wait, and one lane's group after the other fills them with what waits for long (a look-up took 4.2 cycles).
///
/// # Safety
/// As `Lane` promises between two rounds: `input` holds `ROUND_REACH` bytes behind `bit`, `exponents` has room for a round's. `groups` is at most
/// `MAX_GROUPS`.
#[inline(always)]
pub(super) unsafe fn look_up_round<const LANES: usize>(
    tables: &Tables<'_>,
    lanes: &mut [Lane<'_>; LANES],
    groups: usize,
) {
    let (entries, counts) = tables.table.rows();
    let (entries, counts) = (entries.as_ptr(), counts.as_ptr());
    for _ in 0..groups {
        // SAFETY: by the caller; an index of TABLE_BITS bits is below ENTRIES; an entry's count is at most 7.
        unsafe {
            let mut windows = [0u64; LANES];
            let mut free = [0u32; LANES];
            let mut entry = [0u64; LANES];
            for (lane, (window, free)) in lanes.iter().zip(windows.iter_mut().zip(&mut free)) {
                let load = lane.input.as_ptr().add(lane.bit / 8).cast::<u64>().read_unaligned();
                *window = load.swap_bytes() << (lane.bit % 8) | 1;
                *free = lane.free as u32;
            }
            for _ in 0..GROUP {
                for lane in 0..LANES {
                    let index = (windows[lane] >> (u64::BITS - TABLE_BITS)) as usize;
                    entry[lane] = *entries.add(index);
                    let exponents = lanes[lane].exponents.as_mut_ptr();
                    exponents.add(free[lane] as usize).cast::<u64>().sub(1).write_unaligned(entry[lane]);
                    windows[lane] <<= entry[lane] & 63;
                    free[lane] = free[lane].wrapping_sub(*counts.add(index));
                }
            }
            for (lane, (window, free)) in lanes.iter_mut().zip(windows.iter().zip(&free)) {
                lane.bit += window.trailing_zeros() as usize;
                lane.free = *free as usize;
            }
            for (lane, entry) in lanes.iter_mut().zip(entry) {
                if entry == 0 {
                    lane.one_slowly(tables);
                }
            }
        }
    }
}
