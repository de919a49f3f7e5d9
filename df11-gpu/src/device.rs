use std::sync::Arc;

use crate::bound::Bound;
use crate::driver::{Driver, Library, call};
use crate::error::Error;

/// One GPU.
#[derive(Debug)]
pub struct Device<D: Driver> {
    library: &'static Library<D>,
    raw: D::Raw,
    name: String,
    multiprocessors: u32,
}

impl<D: Driver> Device<D> {
    /// The number of devices that the driver finds.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `Driver`.
    pub fn count() -> Result<usize, Error> {
        D::library()?.device_count()
    }

    /// The device of this number.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `NoDevice`, `Misfit`, `Driver`.
    pub fn open(ordinal: usize) -> Result<Arc<Self>, Error> {
        let library = D::library()?;
        let found = library.device_count()?;
        if ordinal >= found {
            return Err(Error::NoDevice { words: D::WORDS, ordinal, found });
        }
        Self::of(D::open(library, library.device(ordinal)?)?)
    }

    /// A device that the vendor's crate has found in its own way.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `Driver`.
    pub fn of(raw: D::Raw) -> Result<Arc<Self>, Error> {
        let library = D::library()?;
        let handle = D::handle(&raw);
        let name = library.device_name(handle)?;
        let multiprocessors = library.attribute(D::MULTIPROCESSORS, handle)?.max(1) as u32;
        Ok(Arc::new(Self { library, raw, name, multiprocessors }))
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

    /// The driver's calls for this device, which is current on this thread as long as that lives.
    pub(crate) fn bind(&self) -> Result<Bound<'_, D>, Error> {
        Bound::new(self.library, &self.raw)
    }
}
