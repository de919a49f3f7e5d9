//! The vendor, and what only its driver has.

use std::ffi::{c_char, c_int};

use cudarc::driver::sys::{CUcontext, CUdevice};

/// NVIDIA's GPUs.
#[derive(Clone, Copy, Debug)]
pub struct Cuda;

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
