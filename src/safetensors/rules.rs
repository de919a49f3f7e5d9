//! Limits for what a header may claim, the entry of one tensor, and a name for each rule of the
//! container that a file can break.

use super::dtype::Dtype;
use super::foreign::Foreign;
use super::length::MAX_HEADER_BYTES;
use crate::shown::{line, shown};

/// Most tensors of a file.
///
/// Why 2^20: the longest header has room for this many entries of 95 bytes each, and the entries of
/// real models are not shorter. Shorter entries, for example 1.5 million empty tensors, would take
/// more memory than a header of 100 MB has earned.
pub const MAX_TENSORS: usize = 1 << 20;

/// Most sizes in all shapes of a file together: eight for each tensor, 64 MiB.
pub const MAX_SIZES: usize = 8 * MAX_TENSORS;

/// Most entries of `__metadata__`. Models have fewer than a hundred. A header of 100 MB could claim
/// ten million, which take 100 bytes of memory each.
pub const MAX_METADATA: usize = 1 << 18;

/// The key of a header that is not a tensor.
pub(crate) const METADATA_KEY: &str = "__metadata__";

/// How much a header may claim. This is checked before any of it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Most tensors.
    pub tensors: usize,
    /// Most sizes in their shapes.
    pub shape_entries: usize,
}

impl Most {
    /// What any header may claim.
    pub const ANY: Most = Most { tensors: MAX_TENSORS, shape_entries: MAX_SIZES };
}

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, slowest first; empty for a scalar.
    pub shape: Vec<u64>,
    /// First byte, counted from the end of the header.
    pub begin: u64,
    /// One past the last byte, counted from the end of the header.
    pub end: u64,
}

impl TensorInfo {
    /// Bytes of data.
    pub fn bytes(&self) -> u64 {
        self.end - self.begin
    }
}

/// Adds sizes that files claim. Each fits its file, but sparse files may claim any: a sum that does
/// not fit is `u64::MAX`.
pub(crate) fn total(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

/// A rule of the container that a file breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file is of another kind.
    #[error("{_0}")]
    Foreign(Foreign),
    /// The file has fewer than eight bytes.
    #[error("the file has {bytes} bytes, expected at least 8 for the header's length")]
    NoHeaderLength {
        /// Bytes of the file.
        bytes: u64,
    },
    /// The header is longer than the limit.
    #[error("the header has {bytes} bytes, expected at most {MAX_HEADER_BYTES}")]
    HeaderTooLong {
        /// Its length.
        bytes: u64,
    },
    /// The header holds more of something than the limit.
    #[error("the header has more than {most} {what}")]
    TooMany {
        /// What it holds too many of.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// Two tensors have the same name.
    #[error("tensor `{tensor}` is there twice")]
    TensorTwice {
        /// The name.
        tensor: String,
    },
    /// A tensor has the name of the one key that is not a tensor.
    #[error("a tensor is called `{METADATA_KEY}`, which every reader takes for the metadata")]
    CalledMetadata,
    /// The data of all tensors together is too large to be addressed.
    #[error("the tensors have 2^64 bytes of data or more")]
    TooMuchData,
    /// The header is longer than its file.
    #[error(
        "the header claims {bytes} bytes, the file holds {file_bytes} in all: it is truncated or no safetensors file"
    )]
    HeaderPastEnd {
        /// The length it claims.
        bytes: u64,
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// The JSON is not what is expected.
    #[error("the header is not valid: {}", line(_0))]
    HeaderNotValid(String),
    /// A range ends before it begins.
    #[error("tensor `{}`: data_offsets [{begin}, {end}] run backwards", shown(tensor))]
    OffsetsRunBackwards {
        /// The tensor.
        tensor: String,
        /// First offset.
        begin: u64,
        /// Second offset.
        end: u64,
    },
    /// Two tensors share bytes, or some bytes belong to no tensor.
    #[error("tensor `{}`: its data begins at {begin}, expected {expected}: {}", shown(tensor), if begin < expected { "it overlaps its neighbour" } else { "there is a hole before it" })]
    NotContiguous {
        /// The tensor.
        tensor: String,
        /// Where it begins.
        begin: u64,
        /// Where the tensor before it ends.
        expected: u64,
    },
    /// The data is longer or shorter than the header says.
    #[error("the tensors end at byte {end} of the data, the file has {data_bytes} bytes of data: {}", if end > data_bytes { "it is truncated" } else { "there is something after the last tensor" })]
    DataSize {
        /// End of the last tensor.
        end: u64,
        /// Bytes of data in the file.
        data_bytes: u64,
    },
    /// The range has another number of bytes than dtype and shape require.
    #[error("tensor `{}`: {} {shape:?} does not fill its {bytes} bytes of data", shown(tensor), dtype)]
    ShapeDoesNotFit {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<u64>,
        /// Bytes of its range.
        bytes: u64,
    },
}
