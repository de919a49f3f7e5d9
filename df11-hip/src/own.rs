//! The vendor, and what only its driver has.

use std::ffi::{c_char, c_int, c_void};

/// AMD's GPUs.
#[derive(Clone, Copy, Debug)]
pub struct Hip;

df11_gpu::functions! {
    /// What only HIP has. `properties` fills a structure that differs between versions, the only
    /// way to a device's name for its instruction set.
    pub OwnFunctions, OwnNames {
        error_name(number: c_int) -> *const c_char;
        set_device(device: c_int) -> c_int;
        device(device: *mut c_int) -> c_int;
        properties(properties: *mut c_void, device: c_int) -> c_int;
    }
}

/// Of ROCm 6 and later, which have the older `hipGetDeviceProperties` too, for programs of before.
pub(crate) const OWN_NAMES: OwnNames = OwnNames {
    error_name: "hipGetErrorName",
    set_device: "hipSetDevice",
    device: "hipGetDevice",
    properties: "hipGetDevicePropertiesR0600",
};
/// Of ROCm 5.
pub(crate) const OWN_NAMES_5: OwnNames = OwnNames { properties: "hipGetDeviceProperties", ..OWN_NAMES };

/// What only HIP has, and what it is called there.
#[derive(Debug)]
pub struct Own {
    pub(crate) functions: OwnFunctions,
    pub(crate) names: OwnNames,
}
