//! DFloat11 on AMD GPUs: weights are decoded on the device, block by block, into the memory that the next kernel reads.
//!
//! **Compiled and emulated, not yet run on an AMD device.** What is proven, and how, stands in `df11-kernels/README.md`.
//!
//! Nothing of ROCm is needed to build; to run, `libamdhip64` is. Where it is not, [`Device::open`] says what was looked for.
//!
//! ```text
//! Device  -> Kernels             the runtime, one GPU, the kernels loaded on it (a code object; or hiprtc, for the very device)
//! Unit    -> PinnedUnit -> DeviceUnit     page-locked, then on the device; copies are the caller's stream's
//! Job...  -> Kernels::decode     one launch for a batch, on the caller's stream, into the caller's memory
//! Offload                        units stay in page-locked memory, the next one's copy runs beside this one's decoding
//! Decoder                        from host memory to host memory, for those who want no more
//! ```
//!
//! Launches allocate nothing, wait for nothing and keep nothing: they can be captured into a graph. The device is made current on the calling thread by each
//! call; that is all the state there is, but for the library, which stays once it is loaded.
//!
//! # What differs from `df11-cuda`
//!
//! | | `df11-cuda` | `df11-hip` |
//! |---|---|---|
//! | binding | `result` and `sys`, of its own; `nvrtc` for the run-time compiler; `cudarc` handed on, for its types | [`result::Hip`], a table of the functions called here, which [`Device::bind`] gives, and `sys` under it |
//! | a device of somebody else's | `Device::of(CudaContext)` | by its number: HIP has no context to share |
//! | what a device is | `capability`, at least 7.5 | [`Device::target`], [`Device::wavefront`] of 32 (RDNA) or 64 (CDNA) |
//! | made current | its primary context | the device itself, per thread |
//! | the kernels come as | PTX, for every device | code objects for gfx90a, gfx942, gfx1030, gfx1100; for others [`Kernels::load`] compiles |
//! | an image, once loaded | is not needed any more | is kept as long as its kernels |
//! | run-time compiler | NVRTC, a cubin for the very device | hiprtc, a code object for the very device |
//! | errors | `DeviceTooOld` | [`Error::DeviceUnknown`] |
//! | looked for on | Linux; Windows, in the system's folder alone | Linux |
//!
//! # Why not `hip-rs`
//!
//! Version 1.0 links the runtime and hipBLAS, and makes its bindings of ROCm's headers, when it is built: without ROCm nothing builds. It has neither modules nor
//! launches nor hiprtc. The functions called here are few; `sys` declares them, and looks them up when the program runs.

mod decoder;
mod device;
mod error;
mod kernels;
mod library;
mod memory;
mod offload;
pub mod result;
mod sys;

pub use decoder::{Decoder, LoadedUnit};
pub use device::Device;
pub use error::Error;
pub use kernels::{Kernels, Rows};
pub use library::look_for_driver;
pub use memory::{DeviceMemory, PinnedUnit, Stream};
pub use offload::Offload;
pub use sys::hipStream_t;
