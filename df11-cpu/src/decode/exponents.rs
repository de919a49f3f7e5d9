//! The exponents that a lane has decoded, stored from the end of an array downwards.
//!
//! ```text
//! bytes:   0 ... | next entry's 8 bytes | 5th 4th 3rd 2nd 1st |
//!                                       ^ free               ^ TOP
//! ```
//!
//! Unsafe code relies on this file.

use super::sizes::{GROUP, LINE, MAX_GROUPS};
use crate::table::MAX_ENTRY_CODES;

/// Most codes of a group: those of its look-ups, and one decoded slowly.
pub(crate) const GROUP_CODES: usize = GROUP * MAX_ENTRY_CODES + 1;
/// Bytes below the last exponent. The store of an entry touches them, and a vector may load them.
const BELOW: usize = 64;
/// Where exponents begin, downwards. There is room for one round, and for less than one line kept
/// from the round before.
pub(crate) const TOP: usize = BELOW + MAX_GROUPS * GROUP_CODES + LINE;

/// Exponents from `free` to `TOP`. The last one decoded comes first.
pub(crate) struct Exponents {
    bytes: [u8; TOP],
    /// One past the place of the next exponent. It may have any value; a round begins only where
    /// there is room.
    free: usize,
}

impl Exponents {
    /// No exponents.
    pub fn new() -> Self {
        Self { bytes: [0; TOP], free: TOP }
    }

    /// Whether there is room for all exponents of a round: fewer than a line's are held.
    #[inline(always)]
    pub fn has_room_for_round(&self) -> bool {
        self.free <= TOP && TOP - self.free < LINE
    }

    /// The number of exponents held.
    #[inline(always)]
    pub fn held(&self) -> usize {
        TOP - self.free
    }

    /// All exponents, the last one decoded first.
    #[inline(always)]
    pub fn all(&self) -> &[u8] {
        &self.bytes[self.free..]
    }

    /// Drops all exponents.
    pub fn clear(&mut self) {
        self.free = TOP;
    }

    /// Drops all exponents but the last `count` decoded.
    #[inline(always)]
    pub fn keep(&mut self, count: usize) {
        // Copy a full line, of which `count` are kept: a fixed size compiles to one vector move, a
        // variable one to memcpy.
        let end = self.free + count;
        self.bytes.copy_within(end - LINE..end, TOP - LINE);
        self.free = TOP - count;
    }

    /// Adds one exponent.
    pub fn push(&mut self, exponent: u8) {
        self.free -= 1;
        self.bytes[self.free] = exponent;
    }

    /// One past the place of the next exponent.
    #[inline(always)]
    pub fn free(&self) -> usize {
        self.free
    }

    /// Records that all exponents from `free` on are stored.
    #[inline(always)]
    pub fn set_free(&mut self, free: usize) {
        self.free = free;
    }

    /// Stores an entry of the table. Its first exponent goes directly below `free`.
    #[inline(always)]
    pub fn store(&mut self, free: usize, entry: u64) {
        if let Some((_, store)) = self.bytes.get_mut(..free).and_then(<[u8]>::split_last_chunk_mut) {
            *store = entry.to_le_bytes();
        }
    }

    /// The first byte of the array, for stores without bounds checks.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }
}
