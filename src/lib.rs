//! DFloat11 model files: BF16 safetensors checkpoints become DFloat11 checkpoints that the
//! published loader reads, and come back bit for bit.
//!
//! # Map
//!
//! A room a folder, from the top down; no room takes a name from one above it, and `ci/arrows.py`
//! asserts that.
//!
//! ```text
//! jobs                 compress, decompress, verify, inspect, estimate, synth
//! reader               a model opened for use: any tensor into a buffer of the caller's
//! record               what is written beside the arrays, and a coded model read by it
//! naming, writer       which tensors make a unit, and what it is called;  OUTPUT and its copies
//! files                which files are the model, where each tensor lies, how weights are spelled
//! safetensors, backend, error, and the gates `open`, `shown` and `progress`: the ground
//! ```
//!
//! - [`jobs`]: [`jobs::compress`], [`jobs::decompress`], [`jobs::verify`], [`jobs::inspect`].
//! - [`safetensors`] reads and writes the container: strict headers, positioned reads and writes, no mapping.
//! - [`backend`] lists and chooses what decodes and encodes.
//! - [`shown`]: names and texts of strangers, as they are shown to people.
//! - [`Error`] names the file, the unit or tensor, what was found, what was expected and the next step.
//!
//! Every job holds one unit in memory at a time, works in parallel on the current rayon pool, and
//! gives the same bytes for any number of threads.
//!
//! What these files hold is defined in `FILES.md`, at the root of the repository; what the arrays
//! of a unit mean, in [`df11_core::format`].

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod backend;
pub mod error;
mod files;
pub mod jobs;
mod naming;
mod open;
mod progress;
pub mod reader;
mod record;
pub mod safetensors;
pub mod shown;
mod writer;

pub use df11_core as core;
pub use df11_core::{Backend, BackendError, Form, Loaded, Unit, Work, bf16};
pub use df11_cpu as cpu;
pub use error::Error;
pub use reader::Model;

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
