//! A module of kernels on a device, and its launches.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};

use df11_kernels::Geometry;

use crate::compiler::c_text;
use crate::device::Device;
use crate::driver::{Driver, Image, call};
use crate::error::Error;
use crate::functions::{Handle, RawStream};

/// The kernels of an image.
#[derive(Debug)]
pub(crate) struct Module<D: Driver> {
    device: Arc<Device<D>>,
    raw: Handle,
    // AMD's runtime does not promise to have read all of it once it has loaded it: it goes with the
    // module, or stays with it.
    image: ManuallyDrop<Image>,
}

/// A kernel of a module.
#[derive(Debug)]
pub(crate) struct Kernel {
    raw: Handle,
    threads: u32,
    /// Thread blocks that the device holds at a time, by their bytes of shared memory: the driver
    /// takes long to say it. Units that are right have some two thousand sizes.
    resident: Mutex<BTreeMap<u32, u32>>,
}

impl<D: Driver> Module<D> {
    /// Loads an image.
    ///
    /// # Errors
    /// `Driver`.
    pub(crate) fn load(device: &Arc<Device<D>>, image: Image) -> Result<Self, Error> {
        let mut raw = null_mut();
        // SAFETY: a whole image, as `Driver` promises, which lives as long as the module.
        unsafe { call!(device.bind()?, module_load(&mut raw, image.as_ptr().cast()))? };
        Ok(Self { device: device.clone(), raw: Handle(raw), image: ManuallyDrop::new(image) })
    }

    /// The device.
    pub(crate) fn device(&self) -> &Arc<Device<D>> {
        &self.device
    }

    /// The kernel of this name, in thread blocks of this number of threads.
    pub(crate) fn kernel(&self, name: &str, threads: u32) -> Result<Kernel, Error> {
        let mut raw = null_mut();
        // SAFETY: the module is loaded, the name ends with a byte of 0.
        unsafe { call!(self.device.bind()?, module_function(&mut raw, self.raw.0, c_text(name).as_ptr()))? };
        Ok(Kernel { raw: Handle(raw), threads, resident: Mutex::default() })
    }

    /// Thread blocks with this much shared memory that the device holds at a time. An error
    /// is not kept.
    pub(crate) fn resident(&self, kernel: &Kernel, shared_bytes: u32) -> Result<u32, Error> {
        let mut known = kernel.resident.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&resident) = known.get(&shared_bytes) {
            return Ok(resident);
        }
        let mut each = 0;
        // SAFETY: the kernel is of this module, which is loaded.
        unsafe {
            let (threads, shared) = (kernel.threads as c_int, shared_bytes as usize);
            call!(self.device.bind()?, occupancy(&mut each, kernel.raw.0, threads, shared))?;
        }
        let resident = (each.max(1) as u32).saturating_mul(self.device.multiprocessors());
        known.insert(shared_bytes, resident);
        Ok(resident)
    }

    /// Launches a kernel over blocks of units.
    ///
    /// # Safety
    /// As `launch`.
    pub(crate) unsafe fn launch_blocks(
        &self,
        kernel: &Kernel,
        blocks: u32,
        stage_bytes: u32,
        stream: RawStream,
        parameters: &mut [*mut c_void],
    ) -> Result<(), Error> {
        let resident = self.resident(kernel, Geometry::shared_bytes(stage_bytes))?;
        // SAFETY: the caller's.
        unsafe { self.launch(kernel, Geometry::new(blocks, stage_bytes, resident), stream, parameters) }
    }

    /// Launches a kernel.
    ///
    /// # Safety
    /// `kernel` is one of the module, `parameters` are those of its entry point, and as
    /// `Kernels::decode`.
    pub(crate) unsafe fn launch(
        &self,
        kernel: &Kernel,
        Geometry { grid, shared_bytes }: Geometry,
        stream: RawStream,
        parameters: &mut [*mut c_void],
    ) -> Result<(), Error> {
        let (raw, threads, parameters) = (kernel.raw.0, kernel.threads, parameters.as_mut_ptr());
        let driver = self.device.bind()?;
        // SAFETY: the caller's.
        unsafe { call!(driver, launch(raw, grid, 1, 1, threads, 1, 1, shared_bytes, stream, parameters, null_mut())) }
    }
}

impl<D: Driver> Drop for Module<D> {
    fn drop(&mut self) {
        // Nobody promises that what is running is kept. If it cannot be waited for, the module is
        // left where it is.
        if self.device.synchronize().is_ok()
            && let Ok(driver) = self.device.bind()
            // SAFETY: loaded once, and no kernel runs.
            && unsafe { call!(driver, module_unload(self.raw.0)) }.is_ok()
        {
            // SAFETY: dropped once, here, and the module that may read it is gone.
            unsafe { ManuallyDrop::drop(&mut self.image) };
        }
    }
}

/// A parameter of a launch.
pub(crate) fn pointer<T>(value: &mut T) -> *mut c_void {
    std::ptr::from_mut(value).cast()
}
