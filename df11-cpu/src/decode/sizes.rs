//! The sizes of a round, shared by the files of this folder.

/// Look-ups made from one 8-byte load.
pub(crate) const GROUP: usize = 5;
/// Most groups of a round.
pub(crate) const MAX_GROUPS: usize = 32;
/// Weights of a cache line. Fewer than these stay from one round to the next. Stores that bypass
/// the cache have this length.
pub(crate) const LINE: usize = 32;
