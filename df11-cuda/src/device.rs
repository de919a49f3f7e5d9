use std::sync::Arc;

use cudarc::driver::CudaContext;
use cudarc::driver::sys::{CUcontext, CUdevice};

use crate::error::Error;
use crate::library::cuda;
use crate::result::Cuda;

/// Least compute capability that the kernels are compiled for.
const OLDEST: (i32, i32) = (7, 5);

/// One GPU and its primary context.
#[derive(Debug)]
pub struct Device {
    cuda: &'static Cuda,
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
    /// `DriverNotFound`, `DriverTooOld`, `Driver`.
    pub fn count() -> Result<usize, Error> {
        let cuda = cuda()?;
        cuda.init()?;
        cuda.device_count()
    }

    /// The device of this number, with its primary context.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `NoDevice`, `DeviceTooOld`, `Driver`.
    pub fn open(ordinal: usize) -> Result<Arc<Self>, Error> {
        let found = Self::count()?;
        if ordinal >= found {
            return Err(Error::NoDevice { ordinal, found });
        }
        let cuda = cuda()?;
        let device = cuda.device(ordinal)?;
        let context = cuda.primary_context_retain(device)?;
        Self::describe(cuda, device, context, Owner::Ours)
    }

    /// The device of a context of cudarc, which is kept.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `DeviceTooOld`, `Driver`.
    pub fn of(context: &Arc<CudaContext>) -> Result<Arc<Self>, Error> {
        Self::describe(cuda()?, context.cu_device(), context.cu_ctx(), Owner::Cudarc { _context: context.clone() })
    }

    fn describe(cuda: &'static Cuda, device: CUdevice, context: CUcontext, owner: Owner) -> Result<Arc<Self>, Error> {
        // From here on the context is released by `drop`, whatever fails.
        let (name, capability, multiprocessors) = (String::new(), (0, 0), 0);
        let mut this = Self { cuda, device, context, owner, name, capability, multiprocessors };
        this.name = cuda.device_name(device)?;
        this.capability = cuda.capability(device)?;
        this.multiprocessors = cuda.multiprocessors(device)?;
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

    /// Makes its context current on this thread, and gives what may then be called.
    pub(crate) fn bind(&self) -> Result<&'static Cuda, Error> {
        // SAFETY: the context lives as long as `self`.
        unsafe { self.cuda.set_current(self.context)? };
        Ok(self.cuda)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if matches!(self.owner, Owner::Ours) {
            // SAFETY: retained once in `open`. A failure leaves nothing to do.
            let _ = unsafe { self.cuda.primary_context_release(self.device) };
        }
    }
}
