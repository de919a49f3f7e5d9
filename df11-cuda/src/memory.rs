use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::result::stream::StreamKind;
use cudarc::driver::sys::CUstream;
use df11_core::Unit;
use df11_kernels::Layout;

use crate::device::Device;
use crate::error::Error;

/// Memory of a device, freed when dropped: after that nothing may use it, so wait for the streams first.
#[derive(Debug)]
pub struct DeviceMemory {
    device: Arc<Device>,
    address: u64,
    bytes: usize,
}

impl DeviceMemory {
    /// So many bytes of anything, at a multiple of 256.
    ///
    /// # Errors
    /// `Driver`.
    pub fn new(device: &Arc<Device>, bytes: usize) -> Result<Self, Error> {
        device.bind()?;
        // SAFETY: freed by `drop`; what it holds is not read before it is written.
        let address = unsafe { result::malloc_sync(bytes.max(1)) }.map_err(Error::driver("cuMemAlloc"))?;
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

    /// Sets all bytes to 0, on `stream`.
    pub(crate) fn clear(&self, stream: &Stream) -> Result<(), Error> {
        self.device.bind()?;
        // SAFETY: the memory is ours, the stream of the same device.
        unsafe { result::memset_d8_async(self.address, 0, self.bytes, stream.raw) }
            .map_err(Error::driver("cuMemsetD8Async"))
    }

    /// Copies from the front into `bytes` and waits for it.
    pub(crate) fn read(&self, bytes: &mut [u8], stream: &Stream) -> Result<(), Error> {
        assert!(bytes.len() <= self.bytes, "{} bytes wanted of {}", bytes.len(), self.bytes);
        self.device.bind()?;
        // SAFETY: so many bytes are there; the borrow outlives the copy, since the stream is waited for, or the driver is lost.
        unsafe { result::memcpy_dtoh_async(bytes, self.address, stream.raw) }
            .map_err(Error::driver("cuMemcpyDtoHAsync"))?;
        stream.wait()
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        if self.device.bind().is_ok() {
            // SAFETY: allocated once.
            let _ = unsafe { result::free_sync(self.address) };
        }
    }
}

/// A stream of our own. Wherever a stream is wanted, any other stream of the device will do.
#[derive(Debug)]
pub struct Stream {
    device: Arc<Device>,
    raw: CUstream,
}

// SAFETY: streams may be used from any thread.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    /// A stream that waits for no other.
    ///
    /// # Errors
    /// `Driver`.
    pub fn new(device: &Arc<Device>) -> Result<Self, Error> {
        device.bind()?;
        let raw = result::stream::create(StreamKind::NonBlocking).map_err(Error::driver("cuStreamCreate"))?;
        Ok(Self { device: device.clone(), raw })
    }

    /// The driver's handle.
    pub fn raw(&self) -> CUstream {
        self.raw
    }

    /// Waits for all that was put into it.
    ///
    /// # Errors
    /// `Driver`: what failed before comes to light here.
    pub fn wait(&self) -> Result<(), Error> {
        self.device.bind()?;
        // SAFETY: the stream lives.
        unsafe { result::stream::synchronize(self.raw) }.map_err(Error::driver("cuStreamSynchronize"))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.device.bind().is_ok() {
            // SAFETY: created once; the driver finishes what is in it.
            let _ = unsafe { result::stream::destroy(self.raw) };
        }
    }
}

/// A unit in page-locked memory, from where copies run beside the processor and the GPU.
#[derive(Debug)]
pub struct PinnedUnit {
    device: Arc<Device>,
    bytes: *mut u8,
    layout: Layout,
}

// SAFETY: it owns its memory.
unsafe impl Send for PinnedUnit {}
// SAFETY: shared references only read it.
unsafe impl Sync for PinnedUnit {}

impl PinnedUnit {
    /// A copy of `unit` and its tables.
    ///
    /// # Errors
    /// `Driver`.
    pub fn new(device: &Arc<Device>, unit: &Unit<'_>) -> Result<Self, Error> {
        let layout = Layout::new(unit);
        device.bind()?;
        // SAFETY: freed by `drop`.
        let bytes =
            unsafe { result::malloc_host(layout.bytes(), 0) }.map_err(Error::driver("cuMemHostAlloc"))?.cast::<u8>();
        let this = Self { device: device.clone(), bytes, layout };
        // SAFETY: so many bytes were allocated, and nobody else knows of them; the driver's fresh pages hold zeros.
        layout.write(unit, unsafe { std::slice::from_raw_parts_mut(bytes, layout.bytes()) });
        Ok(this)
    }

    /// How it lies there, and on the device once copied: `layout().at(address)`.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Copies it to device memory at `address`, `layout().bytes()` of it, on `stream`. Returns at once.
    ///
    /// # Errors
    /// `Driver`.
    ///
    /// # Safety
    /// Until the copy has run: the memory is there, nobody else uses it, and `self` lives.
    pub unsafe fn copy(&self, address: u64, stream: CUstream) -> Result<(), Error> {
        self.device.bind()?;
        // SAFETY: so many bytes are initialised; the rest is the caller's promise.
        let bytes = unsafe { std::slice::from_raw_parts(self.bytes, self.layout.bytes()) };
        // SAFETY: as above.
        unsafe { result::memcpy_htod_async(address, bytes, stream) }.map_err(Error::driver("cuMemcpyHtoDAsync"))
    }
}

impl Drop for PinnedUnit {
    fn drop(&mut self) {
        if self.device.bind().is_ok() {
            // SAFETY: allocated once.
            let _ = unsafe { result::free_host(self.bytes.cast()) };
        }
    }
}
