use std::ffi::{CString, c_void};
use std::sync::Arc;

use cudarc::driver::sys::{CUfunction, CUmodule, CUstream};
use df11_kernels::{BLOCK_THREADS, CUDA, DECODE, GATHER, Geometry, Job, Jobs, PTX_75, PTX_80};

use crate::device::Device;
use crate::error::Error;
use crate::nvrtc::Compiler;

/// The kernels, loaded on a device.
#[derive(Debug)]
pub struct Kernels {
    device: Arc<Device>,
    module: CUmodule,
    decode: CUfunction,
    gather: CUfunction,
}

// SAFETY: a module belongs to its context, which any thread may use.
unsafe impl Send for Kernels {}
// SAFETY: as above; launches do not change it.
unsafe impl Sync for Kernels {}

/// Rows of a unit, to be gathered.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Device address of their numbers, u32 each.
    pub numbers: u64,
    /// How many.
    pub count: u32,
    /// Weights of a row.
    pub weights: u32,
}

impl Kernels {
    /// The kernels as they come, compiled by the driver for its device.
    ///
    /// # Errors
    /// `Driver`.
    pub fn load(device: &Arc<Device>) -> Result<Self, Error> {
        let ptx = if device.capability() >= (8, 0) { PTX_80 } else { PTX_75 };
        Self::of_image(device, c_text(ptx).as_bytes_with_nul())
    }

    /// The kernels, compiled by NVRTC for the very device.
    ///
    /// # Errors
    /// `CompilerNotFound`, `Compiler`, `Driver`.
    pub fn compile(device: &Arc<Device>) -> Result<Self, Error> {
        let compiler = Compiler::find()?;
        let (major, minor) = device.capability();
        let options = [c_text(&format!("--gpu-architecture=sm_{major}{minor}")), c_text("--std=c++17")];
        Self::of_image(device, &compiler.compile(&c_text(CUDA), &options)?)
    }

    fn of_image(device: &Arc<Device>, image: &[u8]) -> Result<Self, Error> {
        // SAFETY: the image is a whole cubin, or PTX ended by a byte of 0.
        let module = unsafe { device.bind()?.module_load(image) }?;
        let null = std::ptr::null_mut();
        let mut this = Self { device: device.clone(), module, decode: null, gather: null };
        this.decode = this.function(DECODE)?;
        this.gather = this.function(GATHER)?;
        Ok(this)
    }

    fn function(&self, name: &str) -> Result<CUfunction, Error> {
        // SAFETY: the module is loaded.
        unsafe { self.device.bind()?.module_function(self.module, &c_text(name)) }
    }

    /// The device.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Thread blocks that the device holds at a time.
    fn resident(&self, function: CUfunction, stage_bytes: u32) -> Result<u32, Error> {
        let shared = Geometry::shared_bytes(stage_bytes);
        // SAFETY: the function belongs to the loaded module.
        let each = unsafe { self.device.bind()?.occupancy(function, BLOCK_THREADS, shared) }?;
        Ok(each.saturating_mul(self.device.multiprocessors()))
    }

    /// Decodes a batch in one launch on `stream`. Returns at once. Afterwards each job's status is 0, or says what is wrong, and then its weights mean nothing.
    ///
    /// `stage_bytes` is the largest `Layout::stage_bytes` of the jobs' units.
    ///
    /// # Errors
    /// `Jobs` (see `df11_kernels::LAUNCH_JOBS`), `Driver`.
    ///
    /// # Safety
    /// Until the launch has run:
    /// - `self` lives, and `stream` is a stream of the device;
    /// - every address in `jobs` is of device memory as large as the unit and the window say, and a multiple of what `DeviceUnit` and `Job` say;
    /// - outputs and status words are written by nobody else, and overlap neither each other nor anything that the launch reads, units and tables: the kernel
    ///   reads as early and as often as it likes.
    pub unsafe fn decode(&self, stream: CUstream, jobs: &[Job], stage_bytes: u32) -> Result<(), Error> {
        let (mut jobs, mut count, mut blocks) = Jobs::new(jobs)?;
        let geometry = Geometry::new(blocks, stage_bytes, self.resident(self.decode, stage_bytes)?);
        let mut stage_bytes = stage_bytes;
        let mut parameters = [pointer(&mut jobs), pointer(&mut count), pointer(&mut blocks), pointer(&mut stage_bytes)];
        // SAFETY: the parameters are those of the entry point; the rest is the caller's promise.
        unsafe { self.launch(self.decode, geometry, stream, &mut parameters) }
    }

    /// Gathers rows of the unit of `job` into its output, one behind the other, on `stream`. Returns at once. The window of the job is not used.
    ///
    /// # Errors
    /// `Driver`.
    ///
    /// # Safety
    /// As `decode`; `rows.numbers`, a multiple of 4, is of `rows.count` numbers, and the output of `rows.count * rows.weights` BF16 words.
    pub unsafe fn gather(&self, stream: CUstream, job: &Job, rows: Rows, stage_bytes: u32) -> Result<(), Error> {
        if rows.count == 0 || rows.weights == 0 {
            return Ok(());
        }
        let geometry = Geometry::new(rows.count, stage_bytes, self.resident(self.gather, stage_bytes)?);
        let (mut job, Rows { mut numbers, mut count, mut weights }, mut stage_bytes) = (*job, rows, stage_bytes);
        let mut parameters = [
            pointer(&mut job),
            pointer(&mut numbers),
            pointer(&mut count),
            pointer(&mut weights),
            pointer(&mut stage_bytes),
        ];
        // SAFETY: as above.
        unsafe { self.launch(self.gather, geometry, stream, &mut parameters) }
    }

    unsafe fn launch(
        &self,
        function: CUfunction,
        Geometry { grid, shared_bytes }: Geometry,
        stream: CUstream,
        parameters: &mut [*mut c_void],
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.device.bind()?.launch(function, (grid, BLOCK_THREADS, shared_bytes), stream, parameters) }
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        // Nobody promises that what is running is kept. If it cannot be waited for, the module is left where it is.
        if let Ok(cuda) = self.device.bind()
            && cuda.synchronize().is_ok()
        {
            // SAFETY: loaded once, and no kernel runs.
            let _ = unsafe { cuda.module_unload(self.module) };
        }
    }
}

fn pointer<T>(value: &mut T) -> *mut c_void {
    std::ptr::from_mut(value).cast()
}

/// Proof of the default: none of these texts has a byte of 0.
fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}
