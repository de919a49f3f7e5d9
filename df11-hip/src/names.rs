//! The part of the HIP API that is called here. Signatures and numbers are those of
//! `hip_runtime_api.h`; those used here are the same from ROCm 5.0 to 7.

use std::ffi::{c_char, c_int, c_void};

use df11_gpu::{CompilerNames, Find, Names, Words};

/// AMD's GPUs.
#[derive(Clone, Copy, Debug)]
pub struct Hip;

pub(crate) const WORDS: &Words = &Words {
    driver: "HIP runtime",
    oldest: "ROCm 5.0 or later",
    devices: ["HIP", "runtime"],
    compiler: ["hiprtc", "without it there are kernels for gfx90a, gfx942, gfx1030 and gfx1100"],
};

/// `hipDeviceAttribute_t`. The numbers were drawn anew with ROCm 5.0 and kept since.
pub(crate) const ATTRIBUTE_MULTIPROCESSORS: c_int = 63;
pub(crate) const ATTRIBUTE_WAVEFRONT: c_int = 87;
/// Room for a `hipDeviceProp_t`: 792 bytes in ROCm 5, 1472 in ROCm 6, and some for what comes.
pub(crate) const PROPERTIES_BYTES: usize = 8192;

pub(crate) const LIBRARIES: &[&str] = &["libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"];
/// The runtime first, of whose version the compiler in it is; later ones have none in it.
/// Signatures are those of `hiprtc.h`.
pub(crate) const COMPILERS: &[&str] =
    &["libamdhip64.so", "libhiprtc.so", "libhiprtc.so.7", "libhiprtc.so.6", "libamdhip64.so.6", "libamdhip64.so.5"];

pub(crate) const COMPILER_NAMES: CompilerNames = CompilerNames {
    error_text: "hiprtcGetErrorString",
    create: "hiprtcCreateProgram",
    compile: "hiprtcCompileProgram",
    log_size: "hiprtcGetProgramLogSize",
    log: "hiprtcGetProgramLog",
    code_size: "hiprtcGetCodeSize",
    code: "hiprtcGetCode",
    destroy: "hiprtcDestroyProgram",
};

pub(crate) const NAMES: Names = Names {
    init: "hipInit",
    device_count: "hipGetDeviceCount",
    device: "hipDeviceGet",
    device_name: "hipDeviceGetName",
    attribute: "hipDeviceGetAttribute",
    synchronize: "hipDeviceSynchronize",
    allocate: "hipMalloc",
    free: "hipFree",
    allocate_pinned: "hipHostMalloc",
    free_pinned: "hipHostFree",
    copy_to_device: "hipMemcpyHtoDAsync",
    copy_to_host_now: "hipMemcpyDtoH",
    set: "hipMemsetD8Async",
    stream_create: "hipStreamCreateWithFlags",
    stream_destroy: "hipStreamDestroy",
    stream_synchronize: "hipStreamSynchronize",
    stream_wait: "hipStreamWaitEvent",
    event_create: "hipEventCreateWithFlags",
    event_destroy: "hipEventDestroy",
    event_record: "hipEventRecord",
    module_load: "hipModuleLoadData",
    module_unload: "hipModuleUnload",
    module_function: "hipModuleGetFunction",
    occupancy: "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor",
    launch: "hipModuleLaunchKernel",
};

df11_gpu::functions! {
    /// What only HIP has under one name in all versions.
    pub Current, CurrentNames {
        error_name(number: c_int) -> *const c_char;
        set_device(device: c_int) -> c_int;
        device(device: *mut c_int) -> c_int;
    }
}

pub(crate) const CURRENT_NAMES: CurrentNames =
    CurrentNames { error_name: "hipGetErrorName", set_device: "hipSetDevice", device: "hipGetDevice" };

/// The only way to a device's name for its instruction set. The structure that it fills differs
/// between versions, and so does its name: `hipGetDevicePropertiesR0600` is that of ROCm 6 and
/// later, which have `hipGetDeviceProperties` too, for programs of before.
type Properties = unsafe extern "C" fn(properties: *mut c_void, device: c_int) -> c_int;
const PROPERTIES: [&str; 2] = ["hipGetDevicePropertiesR0600", "hipGetDeviceProperties"];

/// What only HIP has.
#[derive(Debug)]
pub struct Own {
    pub(crate) current: Current,
    pub(crate) properties: (&'static str, Properties),
}

impl Own {
    /// Looks all of it up; else the name of the first function that is not there.
    ///
    /// # Safety
    /// `find` looks in AMD's runtime, or what plays it, which is never closed.
    pub(crate) unsafe fn of(find: Find<'_>) -> Result<Self, &'static str> {
        // SAFETY: the caller's.
        let current = unsafe { Current::of(find, &CURRENT_NAMES) }?;
        let found = PROPERTIES.into_iter().find_map(|name| Some((name, find(name)?)));
        let (name, function) = found.ok_or(PROPERTIES[1])?;
        // SAFETY: under both names there are functions of this type.
        let properties = unsafe { std::mem::transmute::<*mut c_void, Properties>(function) };
        Ok(Self { current, properties: (name, properties) })
    }
}
