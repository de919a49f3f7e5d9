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
//! record               what is written beside the arrays, and a coded model read by it
//! naming, writer       which tensors make a unit, and what it is called;  OUTPUT and its copies
//! files                which files are the model, where each tensor lies, how weights are spelled
//! safetensors, backend, error, note, and the gates `open`, `shown` and `progress`: the ground
//! ```
//!
//! - [`jobs`]: [`jobs::compress`], [`jobs::decompress`], [`jobs::verify`], [`jobs::inspect`].
//! - [`safetensors`] reads and writes the container: strict headers, positioned reads and writes, no mapping.
//! - [`backend`] lists and chooses what decodes and encodes.
//! - [`shown`]: names and texts of strangers, as they are shown to people.
//! - [`Error`] names the file, the unit or tensor, what was found, what was expected and the next
//!   step; a [`Note`] is what one should know beside a result. Neither speaks of a command line: a
//!   program says which of its flags helps.
//!
//! Every job holds one unit in memory at a time, works in parallel on the current rayon pool, and
//! gives the same bytes for any number of threads.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod backend;
pub mod error;
mod files;
pub mod jobs;
mod naming;
mod note;
mod open;
mod progress;
mod record;
pub mod safetensors;
pub mod shown;
mod writer;

pub use error::Error;
pub use note::Note;

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
