//! The part of the driver API that is called here. Signatures are those of `cuda.h`, the same from
//! CUDA 12.0 to 13. `cudarc` itself opens the library under a dozen bare names, which on Windows is
//! whatever lies in the program's folder.

use std::ffi::{c_char, c_int};

use cudarc::driver::sys::{CUcontext, CUdevice};
use df11_gpu::{CompilerNames, Names, Words};

/// NVIDIA's GPUs.
#[derive(Clone, Copy, Debug)]
pub struct Cuda;

pub(crate) const WORDS: &Words = &Words {
    driver: "NVIDIA driver",
    oldest: "a driver for CUDA 12.0 or later",
    devices: ["CUDA", "driver"],
    compiler: ["NVRTC", "the kernels come compiled, load those"],
};

/// `CUdevice_attribute`.
pub(crate) const ATTRIBUTE_MULTIPROCESSORS: c_int = 16;
pub(crate) const ATTRIBUTE_CAPABILITY_MAJOR: c_int = 75;
pub(crate) const ATTRIBUTE_CAPABILITY_MINOR: c_int = 76;

pub(crate) const LIBRARIES: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so.1"] };

/// The older first: what it makes, the drivers of both take. Signatures are those of `nvrtc.h`, the
/// same from CUDA 12.0 to 13. The binding of `cudarc` knows no library later than that of CUDA 12,
/// and panics where it finds none.
pub(crate) const COMPILERS: &[&str] = if cfg!(windows) {
    &["nvrtc64_120_0.dll", "nvrtc64_130_0.dll"]
} else {
    &["libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so"]
};

pub(crate) const COMPILER_NAMES: CompilerNames = CompilerNames {
    error_text: "nvrtcGetErrorString",
    create: "nvrtcCreateProgram",
    compile: "nvrtcCompileProgram",
    log_size: "nvrtcGetProgramLogSize",
    log: "nvrtcGetProgramLog",
    code_size: "nvrtcGetCUBINSize",
    code: "nvrtcGetCUBIN",
    destroy: "nvrtcDestroyProgram",
};

pub(crate) const NAMES: Names = Names {
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

df11_gpu::functions! {
    /// What only CUDA has.
    pub Own, OwnNames {
        error_name(number: c_int, name: *mut *const c_char) -> c_int;
        retain(context: *mut CUcontext, device: CUdevice) -> c_int;
        release(device: CUdevice) -> c_int;
        set_current(context: CUcontext) -> c_int;
        current(context: *mut CUcontext) -> c_int;
    }
}

pub(crate) const OWN_NAMES: OwnNames = OwnNames {
    error_name: "cuGetErrorName",
    retain: "cuDevicePrimaryCtxRetain",
    release: "cuDevicePrimaryCtxRelease_v2",
    set_current: "cuCtxSetCurrent",
    current: "cuCtxGetCurrent",
};
