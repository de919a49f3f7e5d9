//! The GPU kernel of DFloat11: one source for NVIDIA and AMD, and what its launchers need to know.
//!
//! ```text
//! Unit -> Layout         a unit and its Tables in one piece, copied to device memory once per unit
//!      -> Job            where it is there, and which weights to decode
//!         Jobs           the parameters of a launch
//! Jobs -> Geometry       thread blocks, bytes of shared memory
//! CUDA, HIP              the source, for nvcc, NVRTC, hipcc, hiprtc; it includes no header
//! PTX_75, PTX_80, CODE_OBJECTS: the source, compiled
//! ```
//!
//! `src/kernel/decode.cuh` has the algorithm, and `src/vendor` has what it needs of a GPU. The
//! unpublished crate `df11-gpu-shim` runs the same source on the processor, thread for thread, and
//! counts what it would cost.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod flat;
mod geometry;
mod jobs;
mod layout;
mod source;
mod tables;

pub use flat::{
    DeviceArray, DeviceFlat, DeviceMatrix, FLAT_COUNT, FLAT_EXPAND, FLAT_THREADS, FLAT_WRITE, Flatten, PRODUCT_THREADS,
    PRODUCTS, Product, flat_geometry,
};
pub use geometry::{BLOCK_THREADS, Geometry, PLAIN_THREADS, fullest_block, stage_bytes};
pub use jobs::{DeviceUnit, Job, Jobs, LAUNCH_JOBS, TooManyJobs, fault};
pub use layout::Layout;
pub use source::{CODE_OBJECTS, CUDA, CodeObject, DECODE, GATHER, HIP, PLAIN, PTX_75, PTX_80};
pub use tables::{TABLE_WORDS, Tables};
