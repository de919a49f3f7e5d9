//! The part of the HIP API that is called here: types, numbers, and two tables of functions that are looked up in a library once. Signatures and numbers are those of
//! `hip_runtime_api.h` and `hiprtc.h`; those used here are the same from ROCm 5.0 to 7.
#![allow(non_camel_case_types, non_snake_case, reason = "names as HIP has them")]

use std::ffi::{c_char, c_int, c_uint, c_void};

use libloading::Library;

/// A stream; null is the device's default one.
pub type hipStream_t = *mut c_void;
pub(crate) type hipEvent_t = *mut c_void;
pub(crate) type hipModule_t = *mut c_void;
pub(crate) type hipFunction_t = *mut c_void;
pub(crate) type hiprtcProgram = *mut c_void;
/// A device address.
pub(crate) type hipDeviceptr_t = u64;
pub(crate) type hipError_t = c_int;
pub(crate) type hiprtcResult = c_int;

/// Of both result types.
pub(crate) const SUCCESS: c_int = 0;
/// `hipDeviceAttribute_t`. The numbers were drawn anew with ROCm 5.0 and kept since.
pub(crate) const ATTRIBUTE_MULTIPROCESSORS: c_int = 63;
pub(crate) const ATTRIBUTE_WAVEFRONT: c_int = 87;
pub(crate) const STREAM_NON_BLOCKING: c_uint = 1;
pub(crate) const EVENT_DISABLE_TIMING: c_uint = 2;
/// Room for a `hipDeviceProp_t`: 792 bytes in ROCm 5, 1472 in ROCm 6, and some for what comes.
pub(crate) const PROPERTIES_BYTES: usize = 8192;

macro_rules! table {
    ($(#[$about:meta])* $name:ident { $($function:ident($($argument:ident: $type:ty),*) -> $result:ty;)* }) => {
        $(#[$about])*
        #[derive(Debug)]
        pub(crate) struct $name {
            $(pub(crate) $function: unsafe extern "C" fn($($argument: $type),*) -> $result,)*
        }

        impl $name {
            /// Looks all of it up; else the name of the first function that is not there.
            ///
            /// # Safety
            /// The library is AMD's, or plays it, and is never closed.
            pub(crate) unsafe fn of(library: &Library) -> Result<Self, &'static str> {
                Ok(Self {
                    // SAFETY: under this name the library has a function of this type.
                    $($function: unsafe { library.get(stringify!($function)) }.map(|it| *it).map_err(|_| stringify!($function))?,)*
                })
            }
        }
    };
}

table! {
    /// The runtime, `libamdhip64`.
    Runtime {
        hipInit(flags: c_uint) -> hipError_t;
        hipGetErrorName(error: hipError_t) -> *const c_char;
        hipGetDeviceCount(count: *mut c_int) -> hipError_t;
        hipDeviceGet(device: *mut c_int, ordinal: c_int) -> hipError_t;
        hipDeviceGetName(name: *mut c_char, size: c_int, device: c_int) -> hipError_t;
        hipDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) -> hipError_t;
        hipSetDevice(device: c_int) -> hipError_t;
        hipDeviceSynchronize() -> hipError_t;
        hipMalloc(address: *mut hipDeviceptr_t, bytes: usize) -> hipError_t;
        hipFree(address: hipDeviceptr_t) -> hipError_t;
        hipHostMalloc(address: *mut *mut c_void, bytes: usize, flags: c_uint) -> hipError_t;
        hipHostFree(address: *mut c_void) -> hipError_t;
        hipMemcpyHtoDAsync(to: hipDeviceptr_t, from: *const c_void, bytes: usize, stream: hipStream_t) -> hipError_t;
        hipMemcpyDtoH(to: *mut c_void, from: hipDeviceptr_t, bytes: usize) -> hipError_t;
        hipMemcpyDtoHAsync(to: *mut c_void, from: hipDeviceptr_t, bytes: usize, stream: hipStream_t) -> hipError_t;
        hipMemsetD8Async(to: hipDeviceptr_t, value: u8, bytes: usize, stream: hipStream_t) -> hipError_t;
        hipStreamCreateWithFlags(stream: *mut hipStream_t, flags: c_uint) -> hipError_t;
        hipStreamDestroy(stream: hipStream_t) -> hipError_t;
        hipStreamSynchronize(stream: hipStream_t) -> hipError_t;
        hipStreamWaitEvent(stream: hipStream_t, event: hipEvent_t, flags: c_uint) -> hipError_t;
        hipEventCreateWithFlags(event: *mut hipEvent_t, flags: c_uint) -> hipError_t;
        hipEventDestroy(event: hipEvent_t) -> hipError_t;
        hipEventRecord(event: hipEvent_t, stream: hipStream_t) -> hipError_t;
        hipModuleLoadData(module: *mut hipModule_t, image: *const c_void) -> hipError_t;
        hipModuleUnload(module: hipModule_t) -> hipError_t;
        hipModuleGetFunction(function: *mut hipFunction_t, module: hipModule_t, name: *const c_char) -> hipError_t;
        hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(
            blocks: *mut c_int, function: hipFunction_t, threads: c_int, shared: usize
        ) -> hipError_t;
        hipModuleLaunchKernel(
            function: hipFunction_t, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint, block_y: c_uint, block_z: c_uint,
            shared: c_uint, stream: hipStream_t, parameters: *mut *mut c_void, extra: *mut *mut c_void
        ) -> hipError_t;
    }
}

/// The only way to a device's name for its instruction set. The structure that it fills differs between versions, and so does its name: `hipGetDevicePropertiesR0600`
/// is that of ROCm 6 and later, which have `hipGetDeviceProperties` too, for programs of before.
pub(crate) type Properties = unsafe extern "C" fn(properties: *mut c_void, device: c_int) -> hipError_t;
pub(crate) const PROPERTIES: [&str; 2] = ["hipGetDevicePropertiesR0600", "hipGetDeviceProperties"];

table! {
    /// The run-time compiler, `libhiprtc`; up to ROCm 5 it is in `libamdhip64`.
    Compiler {
        hiprtcGetErrorString(result: hiprtcResult) -> *const c_char;
        hiprtcCreateProgram(
            program: *mut hiprtcProgram, source: *const c_char, name: *const c_char,
            header_count: c_int, headers: *const *const c_char, header_names: *const *const c_char
        ) -> hiprtcResult;
        hiprtcCompileProgram(program: hiprtcProgram, option_count: c_int, options: *const *const c_char) -> hiprtcResult;
        hiprtcGetProgramLogSize(program: hiprtcProgram, bytes: *mut usize) -> hiprtcResult;
        hiprtcGetProgramLog(program: hiprtcProgram, log: *mut c_char) -> hiprtcResult;
        hiprtcGetCodeSize(program: hiprtcProgram, bytes: *mut usize) -> hiprtcResult;
        hiprtcGetCode(program: hiprtcProgram, code: *mut c_char) -> hiprtcResult;
        hiprtcDestroyProgram(program: *mut hiprtcProgram) -> hiprtcResult;
    }
}
