//! What a header may claim and what one entry of it says; each rule of the container that a file
//! can break, by name.

use super::dtype::Dtype;
use crate::shown::{line, shown};

/// Longest JSON header, in bytes: the reference implementation's limit, so that what is read here is read there.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Most tensors of a file.
///
/// Why 2^20: the longest header has room for as many whose entries take 95 bytes each, which those of models do not stay below. One with shorter
/// entries, 1.5 million empty tensors say, would take more memory than its 100 MB have earned.
pub const MAX_TENSORS: usize = 1 << 20;

/// Most sizes of all the shapes of a file together: eight a tensor, 64 MiB.
pub const MAX_SIZES: usize = 8 * MAX_TENSORS;

/// Most entries of `__metadata__`. Models have fewer than a hundred; a header of 100 MB could claim ten million, of 100 bytes of memory each.
pub const MAX_METADATA: usize = 1 << 18;

/// The key of a header that is no tensor.
pub(crate) const METADATA_KEY: &str = "__metadata__";

/// Bytes of the length in front of the JSON.
pub(crate) const LENGTH_BYTES: u64 = 8;

/// How much a header may claim, asked before it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Tensors.
    pub tensors: usize,
    /// Sizes in their shapes.
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

/// The rule of the container that a file breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Fewer than eight bytes.
    #[error("the file has {bytes} bytes, expected at least 8 for the header's length")]
    NoHeaderLength {
        /// Bytes of the file.
        bytes: u64,
    },
    /// A header longer than is read.
    #[error("the header has {bytes} bytes, expected at most {MAX_HEADER_BYTES}")]
    HeaderTooLong {
        /// Its length.
        bytes: u64,
    },
    /// More of something than is read.
    #[error("the header has more than {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are read.
        most: usize,
    },
    /// Two tensors of one name.
    #[error("tensor `{tensor}` is there twice")]
    TensorTwice {
        /// The name.
        tensor: String,
    },
    /// A tensor called like the key of a header that is no tensor.
    #[error("a tensor is called `{METADATA_KEY}`, which every reader takes for the metadata")]
    CalledMetadata,
    /// The data of all tensors together cannot be addressed.
    #[error("the tensors have 2^64 bytes of data or more")]
    TooMuchData,
    /// A header longer than its file.
    #[error(
        "the header claims {bytes} bytes, the file holds {file_bytes} in all: it is truncated or no safetensors file"
    )]
    HeaderPastEnd {
        /// The length it claims.
        bytes: u64,
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// Not the JSON that is expected.
    #[error("the header is not valid: {}", line(_0))]
    HeaderNotValid(String),
    /// A range that ends before it begins.
    #[error("tensor `{}`: data_offsets [{begin}, {end}] run backwards", shown(tensor))]
    OffsetsRunBackwards {
        /// The tensor.
        tensor: String,
        /// First offset.
        begin: u64,
        /// Second offset.
        end: u64,
    },
    /// Two tensors share bytes, or bytes belong to none.
    #[error("tensor `{}`: its data begins at {begin}, expected {expected}: {}", shown(tensor), if begin < expected { "it overlaps its neighbour" } else { "there is a hole in front" })]
    NotContiguous {
        /// The tensor.
        tensor: String,
        /// Where it begins.
        begin: u64,
        /// Where the tensor before it ends.
        expected: u64,
    },
    /// The data is longer or shorter than the header says.
    #[error("the tensors end at byte {end} of the data, the file has {data_bytes} bytes of data: {}", if end > data_bytes { "it is truncated" } else { "there is something behind the last tensor" })]
    DataSize {
        /// End of the last tensor.
        end: u64,
        /// What is there.
        data_bytes: u64,
    },
    /// Dtype and shape ask for another number of bytes than the range has.
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
