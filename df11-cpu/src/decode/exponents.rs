//! What a lane has decoded: exponents, from the end of an array downwards.
//!
//! ```text
//! bytes:   0 ... | next entry's 8 bytes | 5th 4th 3rd 2nd 1st |
//!                                       ^ free               ^ TOP
//! ```
//!
//! Unsafe code rests on this file.

use super::sizes::{GROUP, LINE, MAX_GROUPS};
use crate::table::MAX_ENTRY_CODES;

/// Most codes of a group: those of its look-ups and one decoded slowly.
pub(crate) const GROUP_CODES: usize = GROUP * MAX_ENTRY_CODES + 1;
/// Bytes below the last exponent: what the store of an entry touches, and what a vector may load.
const BELOW: usize = 64;
/// Where exponents begin, downwards: room for a round's, and for fewer than a line's from the one before.
pub(crate) const TOP: usize = BELOW + MAX_GROUPS * GROUP_CODES + LINE;

/// Exponents, the last one decoded first, from `free` to `TOP`.
pub(crate) struct Exponents {
    bytes: [u8; TOP],
    /// One after where the next exponent goes. It may be anything; a round begins only where there is room.
    free: usize,
}

impl Exponents {
    /// None.
    pub fn new() -> Self {
        Self { bytes: [0; TOP], free: TOP }
    }

    /// Whether there is room for all that a round decodes: fewer than a line's are here.
    #[inline(always)]
    pub fn has_room_for_round(&self) -> bool {
        self.free <= TOP && TOP - self.free < LINE
    }

    /// How many there are.
    #[inline(always)]
    pub fn held(&self) -> usize {
        TOP - self.free
    }

    /// All of them, the last one decoded first.
    #[inline(always)]
    pub fn all(&self) -> &[u8] {
        &self.bytes[self.free..]
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.free = TOP;
    }

    /// Forgets all but the last `count` decoded.
    #[inline(always)]
    pub fn keep(&mut self, count: usize) {
        // A whole line, of which `count` are kept: of a size that is known, a copy is one vector, and else a call.
        let end = self.free + count;
        self.bytes.copy_within(end - LINE..end, TOP - LINE);
        self.free = TOP - count;
    }

    /// Adds one.
    pub fn push(&mut self, exponent: u8) {
        self.free -= 1;
        self.bytes[self.free] = exponent;
    }

    /// Where the next one goes, plus one.
    #[inline(always)]
    pub fn free(&self) -> usize {
        self.free
    }

    /// Those from `free` on were stored.
    #[inline(always)]
    pub fn set_free(&mut self, free: usize) {
        self.free = free;
    }

    /// Stores an entry of the table, whose first exponent goes below `free`.
    #[inline(always)]
    pub fn store(&mut self, free: usize, entry: u64) {
        if let Some((_, store)) = self.bytes.get_mut(..free).and_then(<[u8]>::split_last_chunk_mut) {
            *store = entry.to_le_bytes();
        }
    }

    /// The array's first byte, for stores without checks.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }
}
