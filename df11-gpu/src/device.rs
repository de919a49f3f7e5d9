use std::ffi::c_int;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::driver::{Driver, Library, call};
use crate::error::Error;

/// One GPU.
#[derive(Debug)]
pub struct Device<D: Driver> {
    library: &'static Library<D>,
    raw: D::Raw,
    name: String,
    multiprocessors: u32,
    /// How many waits for a stream failed, so that its work may go on; and how many of them had
    /// failed before the device was waited for.
    failed_waits: AtomicU64,
    settled_waits: AtomicU64,
}

impl<D: Driver> Device<D> {
    /// The number of devices that the driver finds.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `Driver`.
    pub fn count() -> Result<usize, Error> {
        Library::<D>::get()?.device_count()
    }

    /// The device of this number.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `NoDevice`, `Misfit`, `Driver`.
    pub fn open(ordinal: usize) -> Result<Arc<Self>, Error> {
        let library = Library::<D>::get()?;
        let found = library.device_count()?;
        if ordinal >= found {
            return Err(Error::NoDevice { words: D::WORDS, ordinal, found });
        }
        let handle = library.device(ordinal)?;
        Self::of(D::open(library, handle)?, handle)
    }

    /// A device that the vendor's crate has found in its own way, of this handle.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `Driver`.
    pub fn of(raw: D::Raw, handle: c_int) -> Result<Arc<Self>, Error> {
        let library = Library::<D>::get()?;
        let name = library.device_name(handle)?;
        let multiprocessors = library.attribute(D::MULTIPROCESSORS, handle)?.max(1) as u32;
        let (failed_waits, settled_waits) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Arc::new(Self { library, raw, name, multiprocessors, failed_waits, settled_waits }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The device as its driver knows it, and what decides which kernels run on it.
    pub fn raw(&self) -> &D::Raw {
        &self.raw
    }

    /// Its multiprocessors: AMD's compute units, or pairs of them.
    pub fn multiprocessors(&self) -> u32 {
        self.multiprocessors
    }

    /// Waits for all that it has to do, in whatever stream.
    ///
    /// # Errors
    /// `Driver`: what failed before comes to light here.
    pub fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: takes nothing.
        unsafe { call!(self.bind()?, synchronize()) }
    }

    /// Records that a stream could not be waited for.
    pub(crate) fn unsettle(&self) {
        self.failed_waits.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether what was waited for is done, so that what it used may be freed. After a wait that
    /// failed, the whole device is waited for; if that fails too, it is to be left where it is.
    pub(crate) fn is_settled(&self) -> bool {
        let failed = self.failed_waits.load(Ordering::SeqCst);
        if self.settled_waits.load(Ordering::SeqCst) >= failed {
            return true;
        }
        let is_settled = self.synchronize().is_ok();
        if is_settled {
            self.settled_waits.fetch_max(failed, Ordering::SeqCst);
        }
        is_settled
    }

    /// The driver's calls for this device, which is current on this thread as long as that lives.
    pub(crate) fn bind(&self) -> Result<Bound<'_, D>, Error> {
        let (before, ours) = (D::current(self.library)?, D::context(&self.raw));
        let before = (before != ours).then_some(before);
        if before.is_some() {
            // SAFETY: the device lives.
            unsafe { D::make_current(self.library, ours)? };
        }
        Ok(Bound { library: self.library, before, _of: PhantomData })
    }
}

/// The driver's calls for one device, which is current on this thread until this is dropped: then
/// the thread has current again what it had before. Should the driver refuse that, nobody can be
/// told.
///
/// It stays on its thread, and is made and dropped in one statement, so that of two of them the
/// later one ends first.
pub(crate) struct Bound<'d, D: Driver> {
    library: &'static Library<D>,
    before: Option<D::Current>,
    // Of the device, which outlives this; a pointer, since what is current is the thread's own.
    _of: PhantomData<(&'d D::Raw, *mut ())>,
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
