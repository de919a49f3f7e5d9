use std::ffi::c_int;
use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::driver::CudaContext;
use cudarc::driver::sys::{CUcontext, CUdevice};
use df11_gpu::{Device, Driver, Error, Library};

use crate::own::{Cuda, OWN_NAMES};

/// `CUdevice_attribute`: the major and the minor number of the compute capability.
const CAPABILITY: [c_int; 2] = [75, 76];

/// Least compute capability that the kernels are compiled for.
const OLDEST: (i32, i32) = (7, 5);

/// A device and its primary context.
#[derive(Debug)]
pub struct RawDevice {
    device: CUdevice,
    /// Lives as long as `self`.
    pub(crate) context: CUcontext,
    capability: (i32, i32),
    /// Where the context was retained, and is to be released.
    retained: Option<&'static Library<Cuda>>,
    /// Keeps the context, if it is of cudarc.
    cudarc: Option<Arc<CudaContext>>,
}

impl Drop for RawDevice {
    fn drop(&mut self) {
        if let Some(library) = self.retained {
            // SAFETY: retained once, in `open`. A failure leaves nothing to do.
            let _ = unsafe { (library.own.release)(self.device) };
        }
        // The last to drop a context of cudarc's has it current after that.
        if let Some(cudarc) = self.cudarc.take()
            && let Ok(library) = Library::<Cuda>::get()
            && let Ok(before) = Cuda::current(library)
        {
            drop(cudarc);
            if before != self.context {
                // SAFETY: it was current before, and is not the one that may be gone.
                let _ = unsafe { Cuda::make_current(library, before) };
            }
        }
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
        // SAFETY: takes any number, and writes one handle.
        library.check(OWN_NAMES.retain, unsafe { (library.own.retain)(&mut context, device) })?;
        Self { device, context, capability: (0, 0), retained: Some(library), cudarc: None }.described(library)
    }

    fn described(mut self, library: &Library<Cuda>) -> Result<Self, Error> {
        let attribute = |number| library.attribute(number, self.device);
        let (major, minor) = (attribute(CAPABILITY[0])?, attribute(CAPABILITY[1])?);
        self.capability = (major, minor);
        if self.capability < OLDEST {
            let reason = format!("compute capability {major}.{minor}, the kernels want 7.5 or later");
            return Err(Error::Misfit { name: library.device_name(self.device)?, reason });
        }
        Ok(self)
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
    let (device, cudarc) = (context.cu_device(), Some(context.clone()));
    let raw = RawDevice { device, context: context.cu_ctx(), capability: (0, 0), retained: None, cudarc };
    Device::of(raw.described(Library::<Cuda>::get()?)?, device)
}
