use std::ptr::null_mut;
use std::sync::Arc;

use df11_core::Unit;
use df11_kernels::Layout;

use crate::device::Device;
use crate::driver::{Driver, call};
use crate::error::Error;
use crate::functions::RawStream;

/// Memory of a device, freed when dropped: after that nothing may use it, so wait for the streams
/// first. If a wait failed, and the device cannot be waited for either, it is not freed.
#[derive(Debug)]
pub struct DeviceMemory<D: Driver> {
    device: Arc<Device<D>>,
    address: u64,
    bytes: usize,
}

impl<D: Driver> DeviceMemory<D> {
    /// So many bytes of anything, at a multiple of 256.
    pub fn new(device: &Arc<Device<D>>, bytes: usize) -> Result<Self, Error> {
        let mut address = 0;
        // SAFETY: writes one number.
        unsafe { call!(device.bind()?, allocate(&mut address, bytes.max(1)))? };
        Ok(Self { device: device.clone(), address, bytes })
    }

    /// Its address on the device.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sets all bytes to 0, on `stream`. Returns at once.
    ///
    /// # Safety
    /// Until that is done: `stream` and `self` live, the stream is one of the device, and nobody
    /// else uses the memory.
    pub unsafe fn clear(&self, stream: RawStream) -> Result<(), Error> {
        // SAFETY: the memory has that many bytes; the rest is the caller's promise.
        unsafe { call!(self.device.bind()?, set(self.address, 0, self.bytes, stream)) }
    }

    /// Copies `bytes` to the front, on `stream`. Returns at once.
    ///
    /// # Panics
    /// If there are more bytes than the memory has.
    ///
    /// # Safety
    /// As `clear`; and `bytes` live until that is done.
    pub unsafe fn write(&self, bytes: &[u8], stream: RawStream) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.write_at(0, bytes, stream) }
    }

    /// Copies `bytes` to the place after the first `at` bytes, on `stream`. Returns at once.
    ///
    /// # Panics
    /// If the memory ends before.
    ///
    /// # Safety
    /// As `write`.
    pub unsafe fn write_at(&self, at: usize, bytes: &[u8], stream: RawStream) -> Result<(), Error> {
        let to = self.place(at, bytes.len());
        // SAFETY: the memory has that many bytes there; the rest is the caller's promise.
        unsafe { call!(self.device.bind()?, copy_to_device(to, bytes.as_ptr().cast(), bytes.len(), stream)) }
    }

    /// The address after the first `at` bytes, where `bytes` more are.
    fn place(&self, at: usize, bytes: usize) -> u64 {
        assert!(
            at.checked_add(bytes).is_some_and(|end| end <= self.bytes),
            "{bytes} bytes from {at} on of {}",
            self.bytes
        );
        self.address + at as u64
    }

    /// Copies from the front into `bytes`, once the streams that write there have been waited for.
    /// It has ended when this returns, whatever is returned: so the borrow is enough.
    ///
    /// # Errors
    /// `Driver`, and then `bytes` may hold a part.
    ///
    /// # Panics
    /// If there are more bytes than the memory has.
    pub fn read(&self, bytes: &mut [u8]) -> Result<(), Error> {
        self.read_at(0, bytes)
    }

    /// As `read`, from the place after the first `at` bytes.
    ///
    /// # Errors
    /// As `read`.
    ///
    /// # Panics
    /// If the memory ends before.
    pub fn read_at(&self, at: usize, bytes: &mut [u8]) -> Result<(), Error> {
        let from = self.place(at, bytes.len());
        // SAFETY: the memory has that many bytes there. What a stream still writes there comes out
        // as anything.
        unsafe { call!(self.device.bind()?, copy_to_host_now(bytes.as_mut_ptr().cast(), from, bytes.len())) }
    }
}

impl<D: Driver> Drop for DeviceMemory<D> {
    fn drop(&mut self) {
        if self.device.is_settled()
            && let Ok(driver) = self.device.bind()
        {
            // SAFETY: allocated once, and what was waited for is done.
            let _ = unsafe { call!(driver, free(self.address)) };
        }
    }
}

/// A unit in page-locked memory, from where copies run beside the processor and the GPU.
#[derive(Debug)]
pub struct PinnedUnit<D: Driver> {
    device: Arc<Device<D>>,
    bytes: *mut u8,
    layout: Layout,
}

// SAFETY: it owns its memory.
unsafe impl<D: Driver> Send for PinnedUnit<D> {}
// SAFETY: shared references only read it.
unsafe impl<D: Driver> Sync for PinnedUnit<D> {}

impl<D: Driver> PinnedUnit<D> {
    /// A copy of `unit` and its tables.
    pub fn new(device: &Arc<Device<D>>, unit: &Unit<'_>) -> Result<Self, Error> {
        let layout = Layout::new(unit);
        let mut bytes = null_mut();
        // SAFETY: writes one address.
        unsafe { call!(device.bind()?, allocate_pinned(&mut bytes, layout.bytes(), 0))? };
        let bytes = bytes.cast::<u8>();
        let this = Self { device: device.clone(), bytes, layout };
        // SAFETY: that many bytes were allocated, and nobody else knows of them. Nobody promises what
        // they hold, and not all are written.
        layout.write(unit, unsafe {
            bytes.write_bytes(0, layout.bytes());
            std::slice::from_raw_parts_mut(bytes, layout.bytes())
        });
        Ok(this)
    }

    /// How it lies there, and on the device once copied: `layout().at(address)`.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Copies it to device memory at `address`, `layout().bytes()` of it, on `stream`. Returns at
    /// once.
    ///
    /// # Safety
    /// Until the copy has run: the memory is there, nobody else uses it, `stream` is one of the
    /// device and lives, and `self` lives.
    pub unsafe fn copy(&self, address: u64, stream: RawStream) -> Result<(), Error> {
        // SAFETY: that many bytes are initialised; the rest is the caller's promise.
        unsafe { call!(self.device.bind()?, copy_to_device(address, self.bytes.cast(), self.layout.bytes(), stream)) }
    }
}

impl<D: Driver> Drop for PinnedUnit<D> {
    fn drop(&mut self) {
        if self.device.is_settled()
            && let Ok(driver) = self.device.bind()
        {
            // SAFETY: allocated once, and what was waited for is done.
            let _ = unsafe { call!(driver, free_pinned(self.bytes.cast())) };
        }
    }
}
