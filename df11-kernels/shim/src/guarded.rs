//! Bytes between guard pages.

use std::ops::{Deref, DerefMut};

unsafe extern "C" {
    fn df11_shim_map(bytes: usize, align: usize, begin: *mut usize, all: *mut usize) -> *mut u8;
    fn df11_shim_unmap(begin: usize, all: usize);
}

/// A buffer that ends at a page whose touch ends the process.
#[derive(Debug)]
pub struct Guarded {
    mapping: usize,
    mapped: usize,
    bytes: *mut u8,
    size: usize,
}

// SAFETY: the buffer owns its memory.
unsafe impl Send for Guarded {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for Guarded {}

impl Guarded {
    /// A copy of `content` that begins at a multiple of `align` and ends less than `align` bytes
    /// before the guard page.
    ///
    /// # Panics
    /// If there is no memory.
    pub fn new(content: &[u8], align: usize) -> Self {
        let mut guarded = Self::zeros(content.len(), align);
        guarded.copy_from_slice(content);
        guarded
    }

    /// `size` zeros, which take memory only where they are touched.
    ///
    /// # Panics
    /// If there is no room for them.
    pub fn zeros(size: usize, align: usize) -> Self {
        let (mut mapping, mut mapped) = (0, 0);
        // SAFETY: the call maps fresh memory. The two places that it writes are ours.
        let bytes = unsafe { df11_shim_map(size, align, &mut mapping, &mut mapped) };
        assert!(!bytes.is_null(), "no memory for {size} bytes");
        Self { mapping, mapped, bytes, size }
    }

    /// The address of the first byte, for a kernel.
    pub fn address(&self) -> u64 {
        self.bytes as u64
    }
}

impl Deref for Guarded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `size` bytes from `bytes` on lie in the mapping, which is owned and starts as
        // zeros.
        unsafe { std::slice::from_raw_parts(self.bytes, self.size) }
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.bytes, self.size) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: unmaps what `zeros` mapped, once.
        unsafe { df11_shim_unmap(self.mapping, self.mapped) }
    }
}
