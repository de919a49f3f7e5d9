//! The GPU kernel of DFloat11, ONE source for NVIDIA and AMD, and what its launchers need to know.
//!
//! ```text
//! Unit -> Layout         a unit and its Tables in one piece: to device memory, once a unit
//!      -> Job            where it lies there, which weights are wanted; Jobs: parameters of a launch
//! Jobs -> Geometry       thread blocks, bytes of shared memory
//! CUDA, HIP              the source, for nvcc, NVRTC, hipcc, hiprtc: no header but itself; PTX_75, PTX_80, CODE_OBJECTS: compiled
//! ```
//!
//! The algorithm stands in `src/kernel/decode.cuh`; what it asks of a GPU, in `src/vendor`. The unpublished crate `df11-gpu-shim` runs the same
//! source on the processor, thread for thread, and counts what it would cost.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod geometry;
mod jobs;
mod layout;
mod source;
mod tables;

pub use geometry::{BLOCK_THREADS, Geometry, PLAIN_THREADS, fullest_block, stage_bytes};
pub use jobs::{DeviceUnit, Job, Jobs, LAUNCH_JOBS, TooManyJobs, fault};
pub use layout::Layout;
pub use source::{CODE_OBJECTS, CUDA, CodeObject, DECODE, GATHER, HIP, PLAIN, PTX_75, PTX_80};
pub use tables::{TABLE_WORDS, Tables};
