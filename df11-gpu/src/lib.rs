//! DFloat11 on GPUs: weights are decoded on the device, block by block, into the memory that the
//! next kernel reads. Here stands what all vendors' devices have in common. Programs use it through
//! `df11-cuda` or `df11-hip`, which name these types for their vendor.
//!
//! ```text
//! Driver                         a vendor: names of its functions, current device, compiler
//! Device  -> Kernels             one GPU, and the kernels loaded on it
//! Unit    -> PinnedUnit -> DeviceUnit     page-locked; then copied to the device on the caller's
//!                                stream
//! Job...  -> Kernels::decode     one launch for a batch, on the caller's stream, into the
//!                                caller's memory
//! Offload                        units stay in page-locked memory; the next one is copied while
//!                                this one is decoded
//! Decoder -> LoadedUnit          from host memory to host memory, for those who want no more
//! ```
//!
//! Launches allocate no device memory and wait for nothing: they can be captured into a graph. Each
//! call makes the device current on the calling thread, and restores what was current before it
//! returns. The only state is the vendor's library, which stays once it is loaded.
//!
//! Where a function says no more of its errors, it returns [`Error::Driver`]: a call of the driver
//! that failed.
//!
//! A [`Decoder`] is a `df11_core::Backend`, a [`LoadedUnit`] what it loads.
//!
//! A stream is a [`RawStream`] of the caller's, a [`Stream`] of ours, or one of the two that every
//! thread has: [`DEFAULT_STREAM`] and [`PER_THREAD_STREAM`].

mod aliases;
mod backend;
mod compiler;
mod decoder;
mod device;
mod driver;
mod error;
mod find;
mod flatten;
mod functions;
mod kernels;
mod memory;
mod module;
mod offload;
mod product;
mod slab;
mod stream;
mod weights;

pub use compiler::Compiler;
pub use decoder::{Decoder, LoadedUnit};
pub use device::Device;
pub use df11_kernels::{DeviceUnit, Job, Layout};
pub use driver::{Driver, Image, Library};
pub use error::{Error, Words};
pub use find::Find;
pub use functions::{CompilerNames, Names, RawStream, text_of};
pub use kernels::{Kernels, Rows};
pub use memory::{DeviceMemory, PinnedUnit};
pub use offload::Offload;
pub use stream::{DEFAULT_STREAM, PER_THREAD_STREAM, Stream};
