//! DFloat11 on AMD GPUs: weights are decoded on the device, block by block, into the memory that
//! the next kernel reads. What it does stands in [`df11_gpu`]; here is what is AMD's.
//!
//! **Compiled and emulated, not yet run on an AMD device.** What is proven, and how, stands in
//! `df11-kernels/README.md`.
//!
//! Nothing of ROCm is needed to build; to run, `libamdhip64` is, on Linux. Where it is not,
//! `Device::open` says what was looked for. Only AMD's devices count, those that
//! `HIP_VISIBLE_DEVICES` leaves, in its order; one in the processor counts too.
//!
//! ```text
//! own       what only this driver has
//! device    a device: instruction set, wavefronts
//! driver    libraries, their functions, what errors call the parts: a `df11_gpu::Driver`
//! ```
//!
//! The kernels come as code objects for gfx90a, gfx942, gfx1030 and gfx1100; for other devices
//! `Kernels::load` compiles them. A hiprtc older than the device's instruction set may end the
//! process: that of ROCm 5.2 does, asked for gfx1100.
//!
//! # Why not `hip-rs`
//!
//! Version 1.0 links the runtime and hipBLAS, and makes its bindings of ROCm's headers, when it is
//! built: without ROCm nothing builds. It has neither modules nor launches nor hiprtc. The
//! functions called here are few; `driver` names them; they are looked up when the program runs.

mod device;
mod driver;
mod own;

pub use device::RawDevice;
pub use df11_gpu::{DEFAULT_STREAM, DeviceUnit, Error, Job, Layout, PER_THREAD_STREAM, RawStream, Rows};
pub use own::Hip;

df11_gpu::aliases!(Hip);
