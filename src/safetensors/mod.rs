//! The safetensors container: a strict reader and a writer. Both work at given positions.
//!
//! # Map
//!
//! - [`header`](Header): turns bytes into names, dtypes, shapes and ranges. Every rule is checked
//!   before anything is allocated or read.
//! - [`Reader`]: reads single tensors at their positions. It returns an error if the file is cut
//!   short or replaced while it is read.
//! - [`Foreign`]: what a file is that is not safetensors.
//! - [`Layout`]: where each tensor of a new file goes, in the order of the reference writer.
//!
//! ```text
//! | header length, u64 LE | JSON, padded with spaces | tensor | tensor | ...
//! no holes, no overlap, nothing after the last tensor
//! ```

mod dtype;
mod entries;
mod foreign;
mod header;
mod length;
mod read;
mod rules;
mod witness;
mod write;

pub use dtype::Dtype;
pub(crate) use foreign::FIRST_BYTES;
pub use foreign::Foreign;
pub use header::Header;
pub use length::MAX_HEADER_BYTES;
pub use read::Reader;
pub use rules::{Fault, MAX_METADATA, MAX_SIZES, MAX_TENSORS, TensorInfo};
pub(crate) use rules::{Most, total};
pub(crate) use witness::Witness;
pub(crate) use write::write_at;
pub use write::{Layout, NewTensor};
