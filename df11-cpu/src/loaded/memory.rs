//! The memory of a flat matrix: it begins at a line of the cache, so that no vector of it lies in
//! two.

#![allow(unsafe_code)]

use core::ops::Range;

use df11_core::limits::SECTION_BYTES;
use df11_core::{Bytes, Error, StableBytes};

use crate::memory::buffer;

/// Bytes that begin at a multiple of 64.
///
/// Invariant: `range` lies within `memory`, which is never moved nor written once the bytes are
/// stable.
pub(crate) struct Memory {
    memory: Vec<u8>,
    range: Range<usize>,
}

impl Memory {
    /// Zeros, with room to grow by `more` without being copied.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn new(bytes: usize, more: usize) -> Result<Self, Error> {
        let room = bytes.saturating_add(more).saturating_add(SECTION_BYTES - 1);
        let memory: Vec<u8> = buffer(room)?;
        let start = memory.as_ptr().align_offset(SECTION_BYTES).min(SECTION_BYTES - 1);
        Ok(Self { memory, range: start..start + bytes })
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.range.clone()]
    }

    /// Grows it to this number of bytes, at least as many as it has.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Error> {
        if self.memory.len() - self.range.start < bytes {
            let mut larger = Self::new(bytes, 0)?;
            let own = self.bytes_mut();
            larger.bytes_mut()[..own.len()].copy_from_slice(own);
            *self = larger;
        }
        self.range.end = self.range.start + bytes;
        Ok(())
    }

    pub fn into_bytes(self) -> Bytes<'static> {
        Bytes::stable(Stable(self))
    }
}

struct Stable(Memory);

// SAFETY: a vector's elements stay where they are when it is moved, and nobody can write to these.
unsafe impl StableBytes for Stable {
    fn bytes(&self) -> &[u8] {
        &self.0.memory[self.0.range.clone()]
    }
}
