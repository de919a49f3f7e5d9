//! A device that is current on this thread, and the driver's calls meanwhile.

use std::marker::PhantomData;
use std::ops::Deref;

use crate::driver::{Driver, Library};
use crate::error::Error;

/// The driver's calls for one device, which is current on this thread until this is dropped: then the
/// thread has current again what it had before. Should the driver refuse that, nobody can be told.
///
/// It stays on its thread, and is made and dropped in one statement, so that of two of them the
/// later one ends first.
pub(crate) struct Bound<'d, D: Driver> {
    library: &'static Library<D>,
    before: Option<D::Current>,
    // Of the device, which outlives this; a pointer, since what is current is the thread's own.
    _of: PhantomData<(&'d D::Raw, *mut ())>,
}

impl<'d, D: Driver> Bound<'d, D> {
    pub(crate) fn new(library: &'static Library<D>, device: &'d D::Raw) -> Result<Self, Error> {
        let (before, wanted) = (D::current(library)?, D::context(device));
        let before = (before != wanted).then_some(before);
        if before.is_some() {
            // SAFETY: the device lives.
            unsafe { D::make_current(library, wanted)? };
        }
        Ok(Self { library, before, _of: PhantomData })
    }
}

impl<D: Driver> Deref for Bound<'_, D> {
    type Target = Library<D>;

    fn deref(&self) -> &Library<D> {
        self.library
    }
}

impl<D: Driver> Drop for Bound<'_, D> {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // SAFETY: it was current on this thread, which this cannot leave.
            let _ = unsafe { D::make_current(self.library, before) };
        }
    }
}
