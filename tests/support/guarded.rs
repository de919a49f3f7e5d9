//! Bytes beside guard pages.

use std::ops::{Deref, DerefMut};
use std::ptr::{null_mut, slice_from_raw_parts_mut};

/// The side on which a buffer touches its guard page. The other side has one too, past the unused
/// rest of the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edge {
    Begin,
    End,
}

impl Edge {
    pub const BOTH: [Edge; 2] = [Edge::Begin, Edge::End];
}

/// A buffer that begins directly after a guard page, or ends directly before one.
pub struct Guarded {
    mapping: *mut libc::c_void,
    mapped: usize,
    bytes: *mut [u8],
}

impl Guarded {
    pub fn new(content: &[u8], edge: Edge) -> Guarded {
        let mut guarded = Guarded::filled(0, content.len(), edge);
        guarded.copy_from_slice(content);
        guarded
    }

    pub fn filled(byte: u8, size: usize, edge: Edge) -> Guarded {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        // At least one byte: qemu-user refuses to make zero pages usable, which the system allows.
        let inside = size.max(1).next_multiple_of(page);
        let mapped = inside + 2 * page;
        // SAFETY: the memory is fresh and belongs to nobody else. Its middle, from the second page
        // to the last but one, becomes usable.
        let mapping = unsafe {
            let mapping =
                libc::mmap(null_mut(), mapped, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
            assert!(mapping != libc::MAP_FAILED, "no memory for {size} bytes");
            let usable = libc::mprotect(mapping.byte_add(page), inside, libc::PROT_READ | libc::PROT_WRITE);
            assert_eq!(usable, 0, "no memory for {size} bytes");
            mapping
        };
        let begin = match edge {
            Edge::Begin => page,
            Edge::End => page + inside - size,
        };
        // SAFETY: inside the mapping.
        let first = unsafe { mapping.byte_add(begin) }.cast();
        let mut guarded = Guarded { mapping, mapped, bytes: slice_from_raw_parts_mut(first, size) };
        guarded.fill(byte);
        guarded
    }
}

impl Deref for Guarded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes are readable, and owned.
        unsafe { &*self.bytes }
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the bytes are writable, and borrowed mutably.
        unsafe { &mut *self.bytes }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: mapped once; nothing borrows it.
        unsafe { libc::munmap(self.mapping, self.mapped) };
    }
}
