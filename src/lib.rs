//! DFloat11 model files: BF16 safetensors checkpoints become DFloat11 checkpoints that the published loader reads, and come back bit for bit.
//!
//! # Map
//!
//! - [`backend`] lists and chooses what decodes and encodes.
//! - [`safetensors`] reads and writes the container: strict headers, positioned reads and writes, no mapping.
//! - [`model`] has the jobs: [`model::compress`], [`model::decompress`], [`model::verify`], [`model::inspect`].
//! - [`shown`]: names and texts of strangers, as they are shown to people.
//! - [`Error`] names the file, the unit or tensor, what was found, what was expected and the next step.
//!
//! Every job holds one unit in memory at a time, works in parallel on the current rayon pool, and gives the same bytes for any
//! number of threads.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod backend;
pub mod error;
pub mod model;
mod open;
pub mod safetensors;
pub mod shown;

pub use error::Error;

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
