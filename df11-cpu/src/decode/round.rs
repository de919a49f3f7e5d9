//! A round: some groups of look-ups in every lane, before any lane's exponents are taken.

use df11_core::Error;

use super::lane::Lane;
use super::sizes::{GROUP, MAX_GROUPS};
use super::tables::Tables;

/// Fewest groups of a round, used where a lane is near its end.
const MIN_GROUPS: usize = 4;
const _: () = assert!(MIN_GROUPS <= MAX_GROUPS);

/// A round that may begin.
///
/// Invariant: the input of every lane lets a round begin, its exponents have room for one, and
/// there are at most `MAX_GROUPS` groups. Only `new` makes a round, and it checks all of this.
/// `into_parts` gives out the lanes and ends the round.
pub(crate) struct Round<'r, 'a, 'u, const LANES: usize> {
    tables: &'r Tables<'u>,
    lanes: &'r mut [Lane<'a>; LANES],
    groups: usize,
}

impl<'r, 'a, 'u, const LANES: usize> Round<'r, 'a, 'u, LANES> {
    /// A round just long enough for the lane nearest to its end to reach it.
    ///
    /// # Errors
    /// The codes of a lane go on where they should have ended.
    #[inline(always)]
    pub fn new(tables: &'r Tables<'u>, lanes: &'r mut [Lane<'a>; LANES]) -> Result<Self, Error> {
        let nearest = lanes.iter().filter(|lane| !lane.is_idle()).map(Lane::left).min().unwrap_or(0);
        let groups = (tables.table.look_ups_for(nearest) / GROUP + 1).clamp(MIN_GROUPS, MAX_GROUPS);
        for lane in &*lanes {
            assert!(lane.exponents.has_room_for_round(), "what a round decoded is taken before the next one");
            if !lane.input.may_begin_round() {
                return Err(lane.runs_on());
            }
        }
        Ok(Self { tables, lanes, groups })
    }

    /// The tables.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn tables(&self) -> &'r Tables<'u> {
        self.tables
    }

    /// The tables, the lanes, and the number of groups.
    #[inline(always)]
    pub fn into_parts(self) -> (&'r Tables<'u>, &'r mut [Lane<'a>; LANES], usize) {
        (self.tables, self.lanes, self.groups)
    }
}
