//! The bytes of an array, borrowed or owned. Validated bytes must not change afterwards, so only
//! storage that cannot change while it is shared is accepted.

use core::fmt;
use core::ops::Deref;

#[cfg(feature = "alloc")]
use alloc::{boxed::Box, sync::Arc, vec::Vec};

/// The bytes of one array of a unit: borrowed (`&[u8]`), owned (`Vec<u8>`) or shared (`Arc<[u8]>`).
///
/// `Bytes<'static>` borrows nothing that can go away, so a struct, a C handle or a Python object
/// can keep it.
pub struct Bytes<'a>(Storage<'a>);

enum Storage<'a> {
    Borrowed(&'a [u8]),
    #[cfg(feature = "alloc")]
    Owned(Vec<u8>),
    #[cfg(feature = "alloc")]
    Shared(Arc<[u8]>),
    #[cfg(feature = "alloc")]
    Stable(Box<dyn StableBytes>),
}

/// The caller's own storage, such as pinned or mapped memory, or a part of an arena.
///
/// # Safety
/// As long as the value lives, and wherever it is moved, every call of `bytes` returns the same
/// memory, and nobody writes to that memory.
#[cfg(feature = "alloc")]
#[expect(unsafe_code, reason = "the promise is the implementor's; nothing unsafe is done here")]
pub unsafe trait StableBytes: Send + Sync {
    /// The bytes: the same memory at every call.
    fn bytes(&self) -> &[u8];
}

impl Bytes<'_> {
    /// Borrows these bytes.
    pub fn borrowed(&self) -> Bytes<'_> {
        Bytes(Storage::Borrowed(self))
    }

    /// Keeps the caller's own storage.
    #[cfg(feature = "alloc")]
    pub fn stable(storage: impl StableBytes + 'static) -> Bytes<'static> {
        Bytes(Storage::Stable(Box::new(storage)))
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Storage::Borrowed(bytes) => bytes,
            #[cfg(feature = "alloc")]
            Storage::Owned(bytes) => bytes,
            #[cfg(feature = "alloc")]
            Storage::Shared(bytes) => bytes,
            #[cfg(feature = "alloc")]
            Storage::Stable(storage) => storage.bytes(),
        }
    }
}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Storage::Borrowed(bytes))
    }
}

#[cfg(feature = "alloc")]
impl From<Vec<u8>> for Bytes<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Storage::Owned(bytes))
    }
}

#[cfg(feature = "alloc")]
impl From<Arc<[u8]>> for Bytes<'_> {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self(Storage::Shared(bytes))
    }
}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
