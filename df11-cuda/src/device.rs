use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::driver::CudaContext;
use cudarc::driver::sys::{CUcontext, CUdevice};
use df11_gpu::{Device, Error, Library};

use crate::library::cuda;
use crate::names::{ATTRIBUTE_CAPABILITY_MAJOR, ATTRIBUTE_CAPABILITY_MINOR, Cuda, OWN_NAMES};

/// Least compute capability that the kernels are compiled for.
const OLDEST: (i32, i32) = (7, 5);

/// A device and its primary context.
#[derive(Debug)]
pub struct RawDevice {
    device: CUdevice,
    context: CUcontext,
    capability: (i32, i32),
    _owner: Owner,
}

/// Who gives the context back.
#[derive(Debug)]
#[allow(dead_code, reason = "kept to be dropped")]
enum Owner {
    Us(Retained),
    Cudarc(Arc<CudaContext>),
}

/// A context that was retained once, and is released when this is dropped.
#[derive(Debug)]
struct Retained(&'static Library<Cuda>, CUdevice);

impl Drop for Retained {
    fn drop(&mut self) {
        // SAFETY: retained once. A failure leaves nothing to do.
        let _ = unsafe { (self.0.own.release)(self.1) };
    }
}

// SAFETY: a context may be made current on any thread, and the driver's calls are safe from several
// at a time.
unsafe impl Send for RawDevice {}
// SAFETY: as above.
unsafe impl Sync for RawDevice {}

impl RawDevice {
    pub(crate) fn open(library: &'static Library<Cuda>, device: CUdevice) -> Result<Self, Error> {
        let mut context = null_mut();
        // SAFETY: a device of the driver.
        library.check(OWN_NAMES.retain, unsafe { (library.own.retain)(&mut context, device) })?;
        Self::of(library, device, context, Owner::Us(Retained(library, device)))
    }

    fn of(library: &Library<Cuda>, device: CUdevice, context: CUcontext, owner: Owner) -> Result<Self, Error> {
        let [major, minor] = [ATTRIBUTE_CAPABILITY_MAJOR, ATTRIBUTE_CAPABILITY_MINOR];
        let capability = (library.attribute(major, device)?, library.attribute(minor, device)?);
        if capability < OLDEST {
            let reason = format!("compute capability {}.{}, the kernels want 7.5 or later", capability.0, capability.1);
            return Err(Error::Misfit { name: library.device_name(device)?, reason });
        }
        Ok(Self { device, context, capability, _owner: owner })
    }

    /// Its handle.
    pub(crate) fn device(&self) -> CUdevice {
        self.device
    }

    /// Its context, which lives as long as `self`.
    pub(crate) fn context(&self) -> CUcontext {
        self.context
    }

    /// Its compute capability, major and minor.
    pub fn capability(&self) -> (i32, i32) {
        self.capability
    }
}

/// The device of a context of cudarc, which is kept.
///
/// # Errors
/// `DriverNotFound`, `DriverTooOld`, `Misfit`, `Driver`.
pub fn device_of(context: &Arc<CudaContext>) -> Result<Arc<Device<Cuda>>, Error> {
    let (device, owner) = (context.cu_device(), Owner::Cudarc(context.clone()));
    Device::of(RawDevice::of(cuda()?, device, context.cu_ctx(), owner)?)
}
