//! A round: some groups of look-ups of every lane, before anything is taken from them.

use df11_core::Error;

use super::lane::Lane;
use super::sizes::{GROUP, MAX_GROUPS};
use super::tables::Tables;

/// Fewest groups of a round: the rounds in which a lane comes to its end.
const MIN_GROUPS: usize = 4;
const _: () = assert!(MIN_GROUPS <= MAX_GROUPS);

/// A round that may begin.
///
/// Invariant: the input of every lane lets a round begin, its exponents have room for one, and there are at most `MAX_GROUPS`
/// groups. `new` alone makes a round, and checks all of it; who wants its lanes gives it up.
pub(crate) struct Round<'r, 'a, 'u, const LANES: usize> {
    tables: &'r Tables<'u>,
    lanes: &'r mut [Lane<'a>; LANES],
    groups: usize,
}

impl<'r, 'a, 'u, const LANES: usize> Round<'r, 'a, 'u, LANES> {
    /// A round in which the lane that is nearest to its end may reach it.
    ///
    /// # Errors
    /// A lane's codes go on where they should have ended.
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

    /// Its tables.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn tables(&self) -> &'r Tables<'u> {
        self.tables
    }

    /// Its tables, lanes, and number of groups.
    #[inline(always)]
    pub fn into_parts(self) -> (&'r Tables<'u>, &'r mut [Lane<'a>; LANES], usize) {
        (self.tables, self.lanes, self.groups)
    }
}
