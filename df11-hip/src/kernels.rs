use std::ffi::{CString, c_void};
use std::sync::Arc;

use df11_kernels::{BLOCK_THREADS, CODE_OBJECTS, DECODE, GATHER, Geometry, HIP, Job, Jobs};

use crate::device::Device;
use crate::error::Error;
use crate::library::compiler;
use crate::sys::{Compiler, hipFunction_t, hipModule_t, hipStream_t};

/// The kernels, loaded on a device.
#[derive(Debug)]
pub struct Kernels {
    device: Arc<Device>,
    module: hipModule_t,
    decode: hipFunction_t,
    gather: hipFunction_t,
    // The runtime does not promise to have read all of it once it has loaded it.
    _image: Image,
}

#[derive(Debug)]
enum Image {
    Came(&'static [u8]),
    Compiled(Vec<u8>),
}

// SAFETY: a module belongs to its device, which any thread may use.
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
    /// The kernels as they come, where they come compiled for the device's instruction set; else as `compile` makes them.
    ///
    /// # Errors
    /// `Driver`, and as `compile`.
    pub fn load(device: &Arc<Device>) -> Result<Self, Error> {
        let target = device.target().split(':').next().unwrap_or_default();
        let came = CODE_OBJECTS.iter().find(|code| code.target == target && code.wavefront == device.wavefront());
        came.map_or_else(|| Self::compile(device), |code| Self::of_image(device, Image::Came(code.image)))
    }

    /// The kernels, compiled by hiprtc for the very device. A hiprtc older than the device's instruction set may end the process: that of ROCm 5.2 does, asked for gfx1100.
    ///
    /// # Errors
    /// `CompilerNotFound`, `Compiler`, `Driver`.
    pub fn compile(device: &Arc<Device>) -> Result<Self, Error> {
        let code = code_for(&compiler()?, device.target(), device.wavefront())?;
        Self::of_image(device, Image::Compiled(code))
    }

    fn of_image(device: &Arc<Device>, image: Image) -> Result<Self, Error> {
        let hip = device.bind()?;
        let bytes = match &image {
            Image::Came(bytes) => bytes,
            Image::Compiled(bytes) => bytes.as_slice(),
        };
        // SAFETY: a whole code object, ours or the compiler's, which lives as long as the module.
        let module = unsafe { hip.module_load(bytes) }?;
        let null = std::ptr::null_mut();
        let mut this = Self { device: device.clone(), module, decode: null, gather: null, _image: image };
        this.decode = this.function(DECODE)?;
        this.gather = this.function(GATHER)?;
        Ok(this)
    }

    fn function(&self, name: &str) -> Result<hipFunction_t, Error> {
        // SAFETY: the module is loaded.
        unsafe { self.device.bind()?.module_function(self.module, &c_text(name)) }
    }

    /// The device.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Thread blocks that the device holds at a time.
    fn resident(&self, function: hipFunction_t, stage_bytes: u32) -> Result<u32, Error> {
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
    pub unsafe fn decode(&self, stream: hipStream_t, jobs: &[Job], stage_bytes: u32) -> Result<(), Error> {
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
    pub unsafe fn gather(&self, stream: hipStream_t, job: &Job, rows: Rows, stage_bytes: u32) -> Result<(), Error> {
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
        function: hipFunction_t,
        Geometry { grid, shared_bytes }: Geometry,
        stream: hipStream_t,
        parameters: &mut [*mut c_void],
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.device.bind()?.launch(function, (grid, BLOCK_THREADS, shared_bytes), stream, parameters) }
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        // Nobody promises that what is running is kept. If it cannot be waited for, the module is left where it is.
        if let Ok(hip) = self.device.bind()
            && hip.synchronize().is_ok()
        {
            // SAFETY: loaded once, and no kernel runs.
            let _ = unsafe { hip.module_unload(self.module) };
        }
    }
}

/// The code object for an instruction set with wavefronts of this width.
pub(crate) fn code_for(compiler: &Compiler, target: &str, wavefront: u32) -> Result<Vec<u8>, Error> {
    let options = [
        format!("--offload-arch={target}"),
        format!("-DDF11_WARP={wavefront}"),
        "-O3".to_owned(),
        "-std=c++17".to_owned(),
    ];
    compiler.compile(&c_text(HIP), &options.map(|option| c_text(&option)))
}

/// Proof of the default: none of these texts has a byte of 0.
fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

fn pointer<T>(value: &mut T) -> *mut c_void {
    std::ptr::from_mut(value).cast()
}
