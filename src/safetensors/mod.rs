//! The safetensors container: a strict reader and a writer, both by position.
//!
//! # Map
//!
//! - [`header`](Header): bytes to names, dtypes, shapes and ranges, every rule checked before anything is allocated or read.
//! - [`Reader`]: positioned reads of single tensors; a file that is cut short or replaced while it is read is an error.
//! - [`Layout`]: where each tensor of a file to be written goes, in the order of the reference writer.
//!
//! ```text
//! | header length, u64 LE | JSON, padded with spaces | tensor | tensor | ...    no holes, no overlap, nothing behind
//! ```

mod dtype;
mod entries;
mod header;
mod read;
mod rules;
mod witness;
mod write;

pub use dtype::Dtype;
pub use header::Header;
pub use read::Reader;
pub(crate) use rules::Most;
pub use rules::{Fault, MAX_HEADER_BYTES, MAX_METADATA, MAX_SIZES, MAX_TENSORS, TensorInfo};
pub(crate) use witness::Witness;
pub(crate) use write::write_at;
pub use write::{Layout, NewTensor};
