use std::sync::Arc;

use df11_core::Unit;
use df11_kernels::Layout;

use crate::device::Device;
use crate::error::Error;
use crate::sys::hipStream_t;

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
        let address = device.bind()?.malloc(bytes.max(1))?;
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
        // SAFETY: the memory is ours, the stream of the same device.
        unsafe { self.device.bind()?.memset_d8_async(self.address, 0, self.bytes, stream.raw) }
    }

    /// Copies from the front into `bytes`, once the streams that write there have been waited for. It has ended when this returns, whatever is returned: so the
    /// borrow is enough.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> Result<(), Error> {
        assert!(bytes.len() <= self.bytes, "{} bytes wanted of {}", bytes.len(), self.bytes);
        // SAFETY: so many bytes are there, and nobody writes them.
        unsafe { self.device.bind()?.memcpy_dtoh(bytes, self.address) }
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        if let Ok(hip) = self.device.bind() {
            // SAFETY: allocated once.
            let _ = unsafe { hip.free(self.address) };
        }
    }
}

/// A stream of our own. Wherever a stream is wanted, any other stream of the device will do.
#[derive(Debug)]
pub struct Stream {
    device: Arc<Device>,
    raw: hipStream_t,
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
        let raw = device.bind()?.stream_create()?;
        Ok(Self { device: device.clone(), raw })
    }

    /// The driver's handle.
    pub fn raw(&self) -> hipStream_t {
        self.raw
    }

    /// Waits for all that was put into it.
    ///
    /// # Errors
    /// `Driver`: what failed before comes to light here.
    pub fn wait(&self) -> Result<(), Error> {
        // SAFETY: the stream lives.
        unsafe { self.device.bind()?.stream_synchronize(self.raw) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Ok(hip) = self.device.bind() {
            // SAFETY: created once; the driver finishes what is in it.
            let _ = unsafe { hip.stream_destroy(self.raw) };
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
        let bytes = device.bind()?.malloc_host(layout.bytes())?.cast::<u8>();
        let this = Self { device: device.clone(), bytes, layout };
        // SAFETY: so many bytes were allocated, and nobody else knows of them. Nobody promises what they hold, and not all are written.
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

    /// Copies it to device memory at `address`, `layout().bytes()` of it, on `stream`. Returns at once.
    ///
    /// # Errors
    /// `Driver`.
    ///
    /// # Safety
    /// Until the copy has run: the memory is there, nobody else uses it, and `self` lives.
    pub unsafe fn copy(&self, address: u64, stream: hipStream_t) -> Result<(), Error> {
        // SAFETY: so many bytes are initialised; the rest is the caller's promise.
        let bytes = unsafe { std::slice::from_raw_parts(self.bytes, self.layout.bytes()) };
        // SAFETY: as above.
        unsafe { self.device.bind()?.memcpy_htod_async(address, bytes, stream) }
    }
}

impl Drop for PinnedUnit {
    fn drop(&mut self) {
        if let Ok(hip) = self.device.bind() {
            // SAFETY: allocated once.
            let _ = unsafe { hip.free_host(self.bytes.cast()) };
        }
    }
}
