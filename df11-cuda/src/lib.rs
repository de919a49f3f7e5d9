//! DFloat11 on NVIDIA GPUs: weights are decoded on the device, block by block, into the memory that
//! the next kernel reads. What it does stands in [`df11_gpu`]; here is what is NVIDIA's.
//!
//! Nothing of CUDA is needed to build; to run, the driver is. Where it is not, `Device::open` says
//! what was looked for.
//!
//! ```text
//! own       what only this driver has
//! device    a device and its primary context
//! driver    libraries, their functions, what errors call the parts: a `df11_gpu::Driver`
//! ```
//!
//! `cudarc` is handed on for its types: [`device_of`] takes a context of it, and a stream of it is
//! a raw stream once it is cast (`stream.cu_stream().cast()`).

mod device;
mod driver;
mod own;

pub use cudarc;
pub use device::{RawDevice, device_of};
pub use df11_gpu::{DEFAULT_STREAM, DeviceUnit, Error, Job, Layout, PER_THREAD_STREAM, RawStream, Rows};
pub use own::Cuda;

df11_gpu::aliases!(Cuda);
