//! NVIDIA's driver, as a `df11_gpu::Driver`. Signatures are those of `cuda.h` and `nvrtc.h`, the
//! same from CUDA 12.0 to 13. `cudarc` itself opens the libraries under a dozen bare names, which
//! on Windows is whatever lies in the program's folder; it knows no NVRTC later than that of CUDA
//! 12, and panics where it finds none.

use std::ffi::{CStr, CString, c_int};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use cudarc::driver::sys::CUcontext;
use df11_gpu::{CompilerNames, Driver, Error, Find, Image, Library, Names, Words, text_of};
use df11_kernels::{CUDA, PTX_75, PTX_80};

use crate::device::RawDevice;
use crate::own::{Cuda, OWN_NAMES, Own};

// SAFETY: the libraries are NVIDIA's, and each name stands beside what its function does. CUDA's
// calls go to the context that is current on the thread, which `cuCtxSetCurrent` sets.
unsafe impl Driver for Cuda {
    const BACKEND: &'static str = "cuda";
    const WORDS: &'static Words = &Words {
        driver: "NVIDIA driver",
        oldest: "a driver for CUDA 12.0 or later",
        devices: ["CUDA", "driver"],
        compiler: ["NVRTC", "the kernels come compiled, load those"],
    };
    const NAMES: Names = Names {
        init: "cuInit",
        device_count: "cuDeviceGetCount",
        device: "cuDeviceGet",
        device_name: "cuDeviceGetName",
        attribute: "cuDeviceGetAttribute",
        synchronize: "cuCtxSynchronize",
        allocate: "cuMemAlloc_v2",
        free: "cuMemFree_v2",
        allocate_pinned: "cuMemHostAlloc",
        free_pinned: "cuMemFreeHost",
        copy_to_device: "cuMemcpyHtoDAsync_v2",
        copy_to_host_now: "cuMemcpyDtoH_v2",
        set: "cuMemsetD8Async",
        stream_create: "cuStreamCreate",
        stream_destroy: "cuStreamDestroy_v2",
        stream_synchronize: "cuStreamSynchronize",
        stream_wait: "cuStreamWaitEvent",
        event_create: "cuEventCreate",
        event_destroy: "cuEventDestroy_v2",
        event_record: "cuEventRecord",
        module_load: "cuModuleLoadData",
        module_unload: "cuModuleUnload",
        module_function: "cuModuleGetFunction",
        occupancy: "cuOccupancyMaxActiveBlocksPerMultiprocessor",
        launch: "cuLaunchKernel",
    };
    /// `CUdevice_attribute`.
    const MULTIPROCESSORS: c_int = 16;
    const LIBRARIES: &'static [&'static str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so.1"] };
    /// CUDA 12 first: drivers for both versions accept its output.
    const COMPILERS: &'static [&'static str] = if cfg!(windows) {
        &["nvrtc64_120_0.dll", "nvrtc64_130_0.dll"]
    } else {
        &["libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so"]
    };
    const COMPILER_NAMES: CompilerNames = CompilerNames {
        error_text: "nvrtcGetErrorString",
        create: "nvrtcCreateProgram",
        compile: "nvrtcCompileProgram",
        log_size: "nvrtcGetProgramLogSize",
        log: "nvrtcGetProgramLog",
        code_size: "nvrtcGetCUBINSize",
        code: "nvrtcGetCUBIN",
        destroy: "nvrtcDestroyProgram",
    };
    const SOURCE: (&'static str, &'static CStr) = (CUDA, c"df11.cu");
    type Own = Own;
    type Current = CUcontext;
    type Raw = RawDevice;

    fn slot() -> &'static OnceLock<Library<Self>> {
        static SLOT: OnceLock<Library<Cuda>> = OnceLock::new();
        &SLOT
    }

    unsafe fn own(find: Find<'_>) -> Result<Own, &'static str> {
        // SAFETY: the caller's.
        unsafe { Own::of(find, &OWN_NAMES) }
    }

    fn error_name(library: &Library<Self>, number: c_int) -> Option<String> {
        let mut name = null();
        // SAFETY: takes any number, and gives a text that stays, or null.
        unsafe { ((library.own.error_name)(number, &mut name) == 0).then(|| text_of(name)).flatten() }
    }

    fn open(library: &'static Library<Self>, handle: c_int) -> Result<RawDevice, Error> {
        RawDevice::open(library, handle)
    }

    fn context(device: &RawDevice) -> CUcontext {
        device.context
    }

    fn current(library: &Library<Self>) -> Result<CUcontext, Error> {
        let mut context = null_mut();
        // SAFETY: writes one handle.
        library.check(OWN_NAMES.current, unsafe { (library.own.current)(&mut context) })?;
        Ok(context)
    }

    unsafe fn make_current(library: &Library<Self>, context: CUcontext) -> Result<(), Error> {
        // SAFETY: the caller's.
        library.check(OWN_NAMES.set_current, unsafe { (library.own.set_current)(context) })
    }

    fn image(device: &RawDevice) -> Option<Image> {
        let ptx = if device.capability() >= (8, 0) { PTX_80 } else { PTX_75 };
        // Proof of the default: PTX is text without a byte of 0. The driver wants one at its end.
        Some(CString::new(ptx).unwrap_or_default().into_bytes_with_nul().into())
    }

    fn options(device: &RawDevice) -> Vec<String> {
        let (major, minor) = device.capability();
        vec![format!("--gpu-architecture=sm_{major}{minor}"), "--std=c++17".to_owned()]
    }
}
