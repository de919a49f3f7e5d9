use df11_core::limits::MAX_CODE_BITS;

use crate::decode::{GROUP, GROUP_BITS, GROUP_CODES, LINE, MAX_GROUPS, ROUND_REACH, Round, TOP};
use crate::table::{ENTRIES, MAX_ENTRY_CODES, TABLE_BITS};

// The unsafe code of a round, here and in `avx512/look_up.rs`, relies on the following and on the
// types `Round`, `Input`, `Exponents` and `Table`.
//
// Reads. A group loads 8 bytes and steps over at most 64 bits, as it counts the zeros of a `u64`.
// One code decoded slowly adds at most MAX_CODE_BITS. So group g begins at most g * GROUP_BITS bits
// after a bit from which ROUND_REACH bytes can be read.
//
// Writes. A look-up adds at most MAX_ENTRY_CODES exponents, a code decoded slowly adds one. A round
// begins with fewer than LINE exponents, so `free` never falls below 64 before the last store,
// which touches 8 bytes below it.
const _: () = {
    assert!(GROUP_BITS >= (u64::BITS + MAX_CODE_BITS) as usize);
    assert!(ROUND_REACH >= ((MAX_GROUPS - 1) * GROUP_BITS).div_ceil(8) + size_of::<u64>());
    assert!(GROUP_CODES > GROUP * MAX_ENTRY_CODES);
    assert!(TOP >= LINE + MAX_GROUPS * GROUP_CODES + 64);
    assert!(ENTRIES == 1 << TABLE_BITS, "an index of TABLE_BITS bits has an entry");
};

/// Decodes a round as `groups_in_turns` does, without bounds checks.
///
/// Why this shape: a look-up takes 5 instructions. Two of them are shifts, and a core does 2 shifts
/// per cycle. The count is the memory operand of an addition. The bits stepped over need no sum,
/// because the marker at the bottom of the window shows them. Lanes take turns at every look-up: a
/// processor's schedulers hold about 100 waiting instructions, and slow ones fill them if one
/// lane's group follows the other's (a look-up then took 4.2 cycles).
#[inline(always)]
pub(super) fn look_up_round<const LANES: usize>(round: Round<'_, '_, '_, LANES>) {
    let (tables, lanes, groups) = round.into_parts();
    let (entries, counts) = tables.table.rows();
    let (entries, counts) = (entries.as_ptr(), counts.as_ptr());
    for _ in 0..groups {
        // SAFETY: `groups` is at most MAX_GROUPS, so loads and stores are within `input` and
        // `exponents`, as shown above. An index has TABLE_BITS bits, and a count is at most
        // MAX_ENTRY_CODES.
        unsafe {
            let mut windows = [0u64; LANES];
            let mut free = [0u32; LANES];
            let mut entry = [0u64; LANES];
            for (lane, (window, free)) in lanes.iter().zip(windows.iter_mut().zip(&mut free)) {
                let load = lane.input.next_byte().cast::<u64>().read_unaligned();
                *window = load.swap_bytes() << lane.input.bit_of_byte() | 1;
                *free = lane.exponents.free() as u32;
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
                lane.input.step(window.trailing_zeros() as usize);
                lane.exponents.set_free(*free as usize);
            }
            for (lane, entry) in lanes.iter_mut().zip(entry) {
                if entry == 0 {
                    lane.one_slowly(tables);
                }
            }
        }
    }
}
