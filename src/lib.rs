//! DFloat11: BF16 weights in 68 % of their size, with every bit kept. This library writes DFloat11
//! models that the published loader reads. It opens, decodes and restores published models and its
//! own.
//!
//! # Choose your entry point
//!
//! | you have | you want | begin with |
//! |---|---|---|
//! | a model, DFloat11 or BF16 | one matrix in your buffer | [`Model::open`], [`reader::Matrix::decode`] |
//! | the same, and a runtime | units kept compressed, decoded layer by layer | [`Model::units`], [`reader::UnitEntry::load`] |
//! | memory of your own: pinned, an arena | units read into it | [`reader::UnitEntry::read_into`] |
//! | BF16 weights in memory | a unit in memory | [`cpu::Encoder::unit`] |
//! | the six arrays of a unit, from anywhere | weights | [`core::UnitView::validate`], [`cpu::Decoder`] |
//! | a thread pool of your own | to decode on it | [`core::Unit::tiles`], [`Work::ThisThread`] |
//! | a directory or a file | it compressed, restored, verified | [`jobs`] |
//! | a GPU and its streams | weights decoded on it | the crates `df11-cuda`, `df11-hip` |
//! | another processor | to decode on it by name | [`Backend`]; `examples/custom_backend` |
//! | no allocator, no operating system | the plain codec | the crate `df11-core`, which is [`core`] here |
//!
//! ```no_run
//! let model = df11::Model::open("Llama-3.1-8B-DF11")?;
//! let matrix = model.matrix("model.layers.0.self_attn.k_proj.weight")?;
//! let mut weights = df11::cpu::buffer(matrix.weights() as usize)?;
//! matrix.decode(&df11::cpu::Level::best(), &mut weights)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! Each folder is one room. The rooms are listed from the top down; no room uses a name from a room
//! above it, and `ci/arrows.py` checks that.
//!
//! ```text
//! jobs                 compress, decompress, verify, inspect, estimate, synth
//! reader               a model opened for use: any tensor into a buffer of the caller
//! record               what is written beside the arrays, and a coded model read with it
//! naming, writer       which tensors make a unit, and the unit's name;  OUTPUT and its copies
//! files                which files are the model, where each tensor lies, how weights are spelled
//! safetensors, backend, error, note, and the gates `open`, `shown` and `progress`: the ground
//! ```
//!
//! - [`jobs`]: [`jobs::compress`], [`jobs::decompress`], [`jobs::verify`], [`jobs::inspect`].
//! - [`safetensors`] reads and writes the container: strict headers, reads and writes at given
//!   positions, no mapping.
//! - [`backend`] lists and chooses what decodes and encodes.
//! - [`shown`] escapes names and texts that come from unknown files, before people see them.
//! - [`Error`] names the file, the unit or tensor, what was found, what was expected and the next
//!   step. A [`Note`] is what the user should know beside a result. Neither mentions a command
//!   line: a program says which of its flags helps.
//!
//! Every job holds one unit in memory at a time and works in parallel on the current rayon pool. It
//! writes the same bytes for any number of threads.
//!
//! `FILES.md`, at the root of the repository, defines what these files hold. [`df11_core::format`]
//! defines what the arrays of a unit mean.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod backend;
pub mod error;
mod files;
pub mod jobs;
mod naming;
mod note;
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
pub use files::python::to_json as json_of_python;
pub use note::Note;
pub use reader::Model;
pub use record::attention::{AttentionShape, LookBack};

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
