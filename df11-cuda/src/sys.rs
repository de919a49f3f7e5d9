//! The part of the driver API that is called here: a table of functions that are looked up in the library once. Types are those of `cudarc`; signatures are those of
//! `cuda.h`, the same from CUDA 12.0 to 13. `cudarc` itself opens the library under a dozen bare names, which on Windows is whatever lies in the program's folder.
#![allow(non_snake_case, reason = "names as CUDA has them")]

use std::ffi::{c_char, c_int, c_uint, c_void};

use cudarc::driver::sys::{CUcontext, CUdevice, CUdeviceptr, CUevent, CUfunction, CUmodule, CUstream};

/// A `CUresult`: numbers that are not known here must be read too.
pub(crate) type Result = c_int;

pub(crate) const SUCCESS: Result = 0;
/// `CUdevice_attribute`.
pub(crate) const ATTRIBUTE_MULTIPROCESSORS: c_int = 16;
pub(crate) const ATTRIBUTE_CAPABILITY_MAJOR: c_int = 75;
pub(crate) const ATTRIBUTE_CAPABILITY_MINOR: c_int = 76;
pub(crate) const STREAM_NON_BLOCKING: c_uint = 1;
pub(crate) const EVENT_DISABLE_TIMING: c_uint = 2;

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
            /// The library is NVIDIA's, or plays it, and is never closed.
            pub(crate) unsafe fn of(library: &libloading::Library) -> std::result::Result<Self, &'static str> {
                Ok(Self {
                    // SAFETY: under this name the library has a function of this type.
                    $($function: unsafe { library.get(stringify!($function)) }.map(|it| *it).map_err(|_| stringify!($function))?,)*
                })
            }
        }
    };
}
pub(crate) use table;

table! {
    /// The driver.
    Driver {
        cuInit(flags: c_uint) -> Result;
        cuGetErrorName(error: Result, name: *mut *const c_char) -> Result;
        cuDeviceGetCount(count: *mut c_int) -> Result;
        cuDeviceGet(device: *mut CUdevice, ordinal: c_int) -> Result;
        cuDeviceGetName(name: *mut c_char, size: c_int, device: CUdevice) -> Result;
        cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: CUdevice) -> Result;
        cuDevicePrimaryCtxRetain(context: *mut CUcontext, device: CUdevice) -> Result;
        cuDevicePrimaryCtxRelease_v2(device: CUdevice) -> Result;
        cuCtxSetCurrent(context: CUcontext) -> Result;
        cuCtxSynchronize() -> Result;
        cuMemAlloc_v2(address: *mut CUdeviceptr, bytes: usize) -> Result;
        cuMemFree_v2(address: CUdeviceptr) -> Result;
        cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, flags: c_uint) -> Result;
        cuMemFreeHost(address: *mut c_void) -> Result;
        cuMemcpyHtoDAsync_v2(to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream) -> Result;
        cuMemcpyDtoH_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize) -> Result;
        cuMemsetD8Async(to: CUdeviceptr, value: u8, bytes: usize, stream: CUstream) -> Result;
        cuStreamCreate(stream: *mut CUstream, flags: c_uint) -> Result;
        cuStreamDestroy_v2(stream: CUstream) -> Result;
        cuStreamSynchronize(stream: CUstream) -> Result;
        cuStreamWaitEvent(stream: CUstream, event: CUevent, flags: c_uint) -> Result;
        cuEventCreate(event: *mut CUevent, flags: c_uint) -> Result;
        cuEventDestroy_v2(event: CUevent) -> Result;
        cuEventRecord(event: CUevent, stream: CUstream) -> Result;
        cuModuleLoadData(module: *mut CUmodule, image: *const c_void) -> Result;
        cuModuleUnload(module: CUmodule) -> Result;
        cuModuleGetFunction(function: *mut CUfunction, module: CUmodule, name: *const c_char) -> Result;
        cuOccupancyMaxActiveBlocksPerMultiprocessor(
            blocks: *mut c_int, function: CUfunction, threads: c_int, shared: usize
        ) -> Result;
        cuLaunchKernel(
            function: CUfunction, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint, block_y: c_uint, block_z: c_uint,
            shared: c_uint, stream: CUstream, parameters: *mut *mut c_void, extra: *mut *mut c_void
        ) -> Result;
    }
}
