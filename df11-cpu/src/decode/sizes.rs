//! The sizes of a round, which the files of this folder share.

/// Look-ups from one 8-byte load.
pub(crate) const GROUP: usize = 5;
/// Most groups of a round.
pub(crate) const MAX_GROUPS: usize = 32;
/// Weights of a cache line. Fewer than these are kept from one round to the next, and stores that
/// bypass the cache are this long.
pub(crate) const LINE: usize = 32;
