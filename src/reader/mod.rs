//! A model opened for use: any tensor of a DFloat11 or BF16 model, in a buffer of the caller's.
//!
//! # Map
//!
//! ```text
//! Model::open(path)        headers, config.json and the record of the source; no weights
//!   .matrix(name)   -> Matrix     which unit, which of its weights, shape, dtype
//!   .units()        -> UnitEntry  .read() -> six owned arrays -> validate -> Unit -> Backend::load
//!   .tensors()      -> Tensor     everything, as it was called before it was compressed
//! ```
//!
//! - `model`: opens, and finds by name.
//! - `tensor`, `matrix`, `unit_entry`: what is found. Each holds the model, so that it can be kept.
//! - `shapes`: the shapes that the published layout does not hold.
//! - `mapped` (feature `mmap`): the arrays of a unit as the system's page cache has them.
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
