//! DFloat11 on NVIDIA GPUs: weights are decoded on the device, block by block, into the memory that the next kernel reads.
//!
//! Nothing of CUDA is needed to build; to run, the driver is. Where it is not, [`Device::open`] says what was looked for.
//!
//! ```text
//! Device  -> Kernels             the driver, one GPU, the kernels loaded on it (PTX; or NVRTC, for the very device)
//! Unit    -> PinnedUnit -> DeviceUnit     page-locked, then on the device; copies are the caller's stream's
//! Job...  -> Kernels::decode     one launch for a batch, on the caller's stream, into the caller's memory
//! Offload                        units stay in page-locked memory, the next one's copy runs beside this one's decoding
//! Decoder                        from host memory to host memory, for those who want no more
//! ```
//!
//! Launches allocate nothing, wait for nothing and keep nothing: they can be captured into a graph. The context of the device is made current on the
//! calling thread by each call; that is all the state there is.

mod decoder;
mod device;
mod error;
mod kernels;
mod library;
mod memory;
mod nvrtc;
mod offload;
mod result;
mod sys;

pub use cudarc;
pub use decoder::{Decoder, LoadedUnit};
pub use device::Device;
pub use error::Error;
pub use kernels::{Kernels, Rows};
pub use library::look_for_driver;
pub use memory::{DeviceMemory, PinnedUnit, Stream};
pub use offload::Offload;
