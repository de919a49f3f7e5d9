//! A model opened for use: any tensor of a DFloat11 or BF16 model, in a buffer of the caller.
//!
//! # Map
//!
//! ```text
//! Model::open(path)        headers, config.json and the record of the source; no weights
//!   .matrix(name)   -> Matrix     which unit, which of its weights, shape, dtype
//!   .units()        -> UnitEntry  .read() -> six owned arrays -> validate -> Unit -> Backend::load
//!   .tensors()      -> Tensor     every tensor, with its name before the model was compressed
//! ```
//!
//! - `model` opens a model and finds tensors by name.
//! - `tensor`, `matrix` and `unit_entry` are what it finds. Each holds the model, so it can be
//!   kept.
//! - `shapes` finds the shapes that the published layout does not hold.
//! - `mapped` (feature `mmap`) uses the arrays of a unit in the system's page cache.
//!
//! The reader compares no checksums: `jobs::verify` does. It does check, by headers alone, that
//! sizes of arrays fit each other, and that names, dtypes and numbers of weights are those of the
//! record, if there is one.
//!
//! Everything here may be used from several threads at once.

#[cfg(feature = "mmap")]
mod mapped;
mod matrix;
mod model;
mod opened;
pub(crate) mod shapes;
mod tensor;
mod unit_entry;

pub use matrix::Matrix;
pub use model::{Model, OpenOptions};
pub use tensor::Tensor;
pub use unit_entry::{UnitEntry, UnitSizes};
