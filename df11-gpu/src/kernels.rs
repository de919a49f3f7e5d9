use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};

use df11_kernels::{BLOCK_THREADS, DECODE, GATHER, Geometry, Job, Jobs};

use crate::compiler::{Compiler, c_text};
use crate::device::Device;
use crate::driver::{Driver, Image, call};
use crate::error::Error;
use crate::flat_kernels::FlatKernels;
use crate::functions::{Handle, RawStream};

/// The kernels, loaded on a device.
#[derive(Debug)]
pub struct Kernels<D: Driver> {
    module: Module<D>,
    decode: Kernel,
    gather: Kernel,
    flat: FlatKernels,
}

#[derive(Debug)]
pub(crate) struct Module<D: Driver> {
    device: Arc<Device<D>>,
    raw: Handle,
    // AMD's runtime does not promise to have read all of it once it has loaded it: it goes with the
    // module, or stays with it.
    image: ManuallyDrop<Image>,
}

#[derive(Debug)]
pub(crate) struct Kernel {
    raw: Handle,
    threads: u32,
    /// Thread blocks that the device holds at a time, by their bytes of shared memory: the driver
    /// takes long to say it. Units that are right have some two thousand sizes.
    resident: Mutex<BTreeMap<u32, u32>>,
}

/// Rows of a matrix, to be gathered.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Device address of their numbers, u32 each.
    pub numbers: u64,
    /// How many.
    pub count: u32,
    /// Weights of a row.
    pub weights: u32,
}

impl<D: Driver> Kernels<D> {
    /// The kernels as they come, where they come for such a device; else as `compile` makes them.
    ///
    /// # Errors
    /// `Driver`, and as `compile`.
    pub fn load(device: &Arc<Device<D>>) -> Result<Self, Error> {
        D::image(device.raw()).map_or_else(|| Self::compile(device), |image| Self::of_image(device, image))
    }

    /// The kernels, compiled for the very device.
    ///
    /// # Errors
    /// `CompilerNotFound`, `Compiler`, `Driver`.
    pub fn compile(device: &Arc<Device<D>>) -> Result<Self, Error> {
        let code = Compiler::find::<D>()?.compile(D::SOURCE, &D::options(device.raw()))?;
        Self::of_image(device, code.into())
    }

    fn of_image(device: &Arc<Device<D>>, image: Image) -> Result<Self, Error> {
        let mut raw = null_mut();
        // SAFETY: a whole image, as `Driver` promises, which lives as long as the module.
        unsafe { call!(device.bind()?, module_load(&mut raw, image.as_ptr().cast()))? };
        let module = Module { device: device.clone(), raw: Handle(raw), image: ManuallyDrop::new(image) };
        let (decode, gather) = (module.kernel(DECODE, BLOCK_THREADS)?, module.kernel(GATHER, BLOCK_THREADS)?);
        let flat = FlatKernels::of(&module)?;
        Ok(Self { module, decode, gather, flat })
    }

    /// The module, and its kernels of the flat form and of products.
    pub(crate) fn flat(&self) -> (&Module<D>, &FlatKernels) {
        (&self.module, &self.flat)
    }

    /// The device.
    pub fn device(&self) -> &Arc<Device<D>> {
        &self.module.device
    }

    /// Decodes a batch in one launch on `stream`. Returns at once. Afterwards each job's status is
    /// 0, or says what is wrong, and then its weights mean nothing.
    ///
    /// `stage_bytes` is the largest `Layout::stage_bytes` of the jobs' units.
    ///
    /// # Errors
    /// `Jobs` (see `df11_kernels::LAUNCH_JOBS`), `Driver`.
    ///
    /// # Safety
    /// Until the launch has run:
    /// - `self` and `stream` live, and `stream` is a stream of the device;
    /// - every address in `jobs` is of device memory as large as the unit and the window say, and a
    ///   multiple of what `DeviceUnit` and `Job` say;
    /// - outputs and status words are written by nobody else, and overlap neither each other nor
    ///   anything that the launch reads, units and tables: the kernel reads as early and as often
    ///   as it likes.
    pub unsafe fn decode(&self, stream: RawStream, jobs: &[Job], stage_bytes: u32) -> Result<(), Error> {
        let (mut jobs, mut count, mut blocks) = Jobs::new(jobs)?;
        let mut stage = stage_bytes;
        let mut parameters = [pointer(&mut jobs), pointer(&mut count), pointer(&mut blocks), pointer(&mut stage)];
        // SAFETY: the parameters are those of the entry point; the rest is the caller's promise.
        unsafe { self.module.launch_blocks(&self.decode, blocks, stage_bytes, stream, &mut parameters) }
    }

    /// Gathers rows of a matrix into the output of `job`, one after the other, on `stream`. Returns
    /// at once. The window of the job is the matrix; its blocks are not used. A row that is not in
    /// the matrix sets `fault::ROW` in the status.
    ///
    /// Each row costs the blocks in which it is: rows that share one decode it again.
    ///
    /// # Safety
    /// As `decode`; `rows.numbers`, a multiple of 4, is of `rows.count` numbers, and the output of
    /// `rows.count * rows.weights` BF16 words.
    pub unsafe fn gather(&self, stream: RawStream, job: &Job, rows: Rows, stage_bytes: u32) -> Result<(), Error> {
        if rows.count == 0 || rows.weights == 0 {
            return Ok(());
        }
        let (mut job, Rows { mut numbers, mut count, mut weights }, mut stage) = (*job, rows, stage_bytes);
        let mut parameters =
            [pointer(&mut job), pointer(&mut numbers), pointer(&mut count), pointer(&mut weights), pointer(&mut stage)];
        // SAFETY: as above.
        unsafe { self.module.launch_blocks(&self.gather, rows.count, stage_bytes, stream, &mut parameters) }
    }
}

impl<D: Driver> Module<D> {
    /// The kernel of this name, in thread blocks of so many threads.
    pub(crate) fn kernel(&self, name: &str, threads: u32) -> Result<Kernel, Error> {
        let mut raw = null_mut();
        // SAFETY: the module is loaded, the name ends with a byte of 0.
        unsafe { call!(self.device.bind()?, module_function(&mut raw, self.raw.0, c_text(name).as_ptr()))? };
        Ok(Kernel { raw: Handle(raw), threads, resident: Mutex::default() })
    }

    /// Thread blocks with so many bytes of shared memory that the device holds at a time. An error
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

    /// # Safety
    /// As `launch`.
    unsafe fn launch_blocks(
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

pub(crate) fn pointer<T>(value: &mut T) -> *mut c_void {
    std::ptr::from_mut(value).cast()
}
