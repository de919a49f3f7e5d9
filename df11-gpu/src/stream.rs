use std::ffi::c_uint;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::Arc;

use crate::device::{Bound, Device};
use crate::driver::{Driver, call};
use crate::error::Error;
use crate::functions::{Handle, RawStream};

/// The default stream of every device, which all threads share ("legacy" in CUDA's words).
pub const DEFAULT_STREAM: RawStream = null_mut();
/// The default stream that each thread has for itself: the number is that of CUDA and of HIP.
pub const PER_THREAD_STREAM: RawStream = without_provenance_mut(2);

/// Events that only mark.
const DISABLE_TIMING: c_uint = 2;
/// Streams that do not wait for the default stream, and it not for them.
const NON_BLOCKING: c_uint = 1;

/// A stream of our own. Wherever a stream is wanted, any other stream of the device will do.
#[derive(Debug)]
pub struct Stream<D: Driver> {
    device: Arc<Device<D>>,
    raw: Handle,
}

impl<D: Driver> Stream<D> {
    /// A stream that waits for no other.
    pub fn new(device: &Arc<Device<D>>) -> Result<Self, Error> {
        let mut raw = null_mut();
        // SAFETY: writes one handle.
        unsafe { call!(device.bind()?, stream_create(&mut raw, NON_BLOCKING))? };
        Ok(Self { device: device.clone(), raw: Handle(raw) })
    }

    /// The driver's handle.
    pub fn raw(&self) -> RawStream {
        self.raw.0
    }

    /// Waits for all that was put into it.
    ///
    /// # Errors
    /// `Driver`: what failed before comes to light here.
    pub fn wait(&self) -> Result<(), Error> {
        // SAFETY: the stream lives.
        let wait = |driver: Bound<'_, D>| unsafe { call!(driver, stream_synchronize(self.raw())) };
        self.device.bind().and_then(wait).inspect_err(|_| self.device.unsettle())
    }
}

impl<D: Driver> Drop for Stream<D> {
    fn drop(&mut self) {
        if let Ok(driver) = self.device.bind() {
            // SAFETY: created once; the driver finishes what is in it.
            let _ = unsafe { call!(driver, stream_destroy(self.raw())) };
        }
    }
}

/// A mark in a stream, for which others can wait.
#[derive(Debug)]
pub(crate) struct Event<D: Driver> {
    device: Arc<Device<D>>,
    raw: Handle,
}

impl<D: Driver> Event<D> {
    pub(crate) fn new(device: &Arc<Device<D>>) -> Result<Self, Error> {
        let mut raw = null_mut();
        // SAFETY: writes one handle.
        unsafe { call!(device.bind()?, event_create(&mut raw, DISABLE_TIMING))? };
        Ok(Self { device: device.clone(), raw: Handle(raw) })
    }

    /// Marks what is in `stream` by now.
    ///
    /// # Safety
    /// The stream is one of the device, and lives.
    pub(crate) unsafe fn record(&self, stream: RawStream) -> Result<(), Error> {
        // SAFETY: the event lives; the rest is the caller's promise.
        unsafe { call!(self.device.bind()?, event_record(self.raw.0, stream)) }
    }

    /// Holds `stream` until what was marked is done; at once, if nothing was.
    ///
    /// # Safety
    /// As `record`.
    pub(crate) unsafe fn hold(&self, stream: RawStream) -> Result<(), Error> {
        // SAFETY: as above.
        unsafe { call!(self.device.bind()?, stream_wait(stream, self.raw.0, 0)) }
    }
}

impl<D: Driver> Drop for Event<D> {
    fn drop(&mut self) {
        if let Ok(driver) = self.device.bind() {
            // SAFETY: created once.
            let _ = unsafe { call!(driver, event_destroy(self.raw.0)) };
        }
    }
}
