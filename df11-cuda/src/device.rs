use std::sync::Arc;

use cudarc::driver::sys::{CUcontext, CUdevice, CUdevice_attribute_enum as Attribute};
use cudarc::driver::{CudaContext, result};

use crate::error::Error;
use crate::library::look_for_driver;

/// Least compute capability that the kernels are compiled for.
const OLDEST: (i32, i32) = (7, 5);

/// One GPU and its primary context.
#[derive(Debug)]
pub struct Device {
    device: CUdevice,
    context: CUcontext,
    owner: Owner,
    name: String,
    capability: (i32, i32),
    multiprocessors: u32,
}

#[derive(Debug)]
enum Owner {
    Ours,
    /// Kept, so that the context outlives this device.
    Cudarc {
        _context: Arc<CudaContext>,
    },
}

// SAFETY: a context may be made current on any thread, and the driver's calls are safe from several at a time.
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

impl Device {
    /// Number of devices that the driver finds.
    ///
    /// # Errors
    /// `DriverNotFound`, `Driver`.
    pub fn count() -> Result<usize, Error> {
        look_for_driver()?;
        result::init().map_err(Error::driver("cuInit"))?;
        Ok(result::device::get_count().map_err(Error::driver("cuDeviceGetCount"))?.max(0) as usize)
    }

    /// The device of this number, with its primary context.
    ///
    /// # Errors
    /// `DriverNotFound`, `NoDevice`, `DeviceTooOld`, `Driver`.
    pub fn open(ordinal: usize) -> Result<Arc<Self>, Error> {
        let found = Self::count()?;
        if ordinal >= found {
            return Err(Error::NoDevice { ordinal, found });
        }
        let device = result::device::get(ordinal as i32).map_err(Error::driver("cuDeviceGet"))?;
        // SAFETY: the device exists.
        let context =
            unsafe { result::primary_ctx::retain(device) }.map_err(Error::driver("cuDevicePrimaryCtxRetain"))?;
        Self::describe(device, context, Owner::Ours)
    }

    /// The device of a context of cudarc, which is kept.
    ///
    /// # Errors
    /// `DeviceTooOld`, `Driver`.
    pub fn of(context: &Arc<CudaContext>) -> Result<Arc<Self>, Error> {
        Self::describe(context.cu_device(), context.cu_ctx(), Owner::Cudarc { _context: context.clone() })
    }

    fn describe(device: CUdevice, context: CUcontext, owner: Owner) -> Result<Arc<Self>, Error> {
        // From here on the context is released by `drop`, whatever fails.
        let mut this = Self { device, context, owner, name: String::new(), capability: (0, 0), multiprocessors: 0 };
        this.name = result::device::get_name(device).map_err(Error::driver("cuDeviceGetName"))?;
        let attribute = |attribute| {
            // SAFETY: the device exists.
            unsafe { result::device::get_attribute(device, attribute) }.map_err(Error::driver("cuDeviceGetAttribute"))
        };
        this.capability = (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        this.multiprocessors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1) as u32;
        if this.capability < OLDEST {
            return Err(Error::DeviceTooOld { name: this.name.clone(), capability: this.capability });
        }
        Ok(Arc::new(this))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its compute capability, major and minor.
    pub fn capability(&self) -> (i32, i32) {
        self.capability
    }

    /// Its multiprocessors.
    pub fn multiprocessors(&self) -> u32 {
        self.multiprocessors
    }

    /// Makes its context current on this thread.
    pub(crate) fn bind(&self) -> Result<(), Error> {
        // SAFETY: the context lives as long as `self`.
        unsafe { result::ctx::set_current(self.context) }.map_err(Error::driver("cuCtxSetCurrent"))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if matches!(self.owner, Owner::Ours) {
            // SAFETY: retained once in `open`. A failure leaves nothing to do.
            let _ = unsafe { result::primary_ctx::release(self.device) };
        }
    }
}
