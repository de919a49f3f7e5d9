//! What is wrong with the record of a source, or with the files that it names.

use super::input::NameReason;
use super::messages::messages;
use crate::safetensors::Fault;
use crate::shown::shown;

messages! {
/// What is wrong with the record of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordReason {
    /// A value is missing.
    #[error("it is missing")]
    Missing,
    /// The version is missing, so nothing says how to read the rest.
    #[error("{version_key} is missing")]
    NoVersion {
        /// The key that should hold it.
        version_key: &'static str,
    },
    /// The file that should hold the record is there, but holds none.
    #[error("it is missing, and other files of the model name this file as the one that holds it")]
    Lost,
    /// No df11 ever wrote this version.
    #[error("found `{}`, which no df11 has written; expected {expected}", shown(found))]
    Version {
        /// What is there.
        found: String,
        /// The versions that can be read.
        expected: &'static str,
    },
    /// The record differs from the one that was sealed.
    #[error("{sealed} checksum {}, expected {}", shown(found), shown(expected))]
    Checksum {
        /// What the checksum covers, with its verb.
        sealed: &'static str,
        /// The checksum of what is there.
        found: String,
        /// The checksum that was written.
        expected: String,
    },
    /// It is not JSON of the expected form.
    #[error("{message}")]
    Json {
        /// What the JSON reader said.
        message: String,
    },
    /// It is not a checksum.
    #[error("expected 16 hexadecimal digits")]
    NoDigits,
    /// The bytes of a source file cannot be unpacked.
    #[error("`{}`: {message}", shown(file))]
    Packed {
        /// The file.
        file: String,
        /// What the unpacker said.
        message: String,
    },
    /// The header of a source file is shorter than it says.
    #[error("`{}`: its header is cut short", shown(file))]
    HeaderCut {
        /// The file.
        file: String,
    },
    /// The header of a source file breaks a rule.
    #[error("`{}`: {fault}", shown(file))]
    Header {
        /// The file.
        file: String,
        /// The broken rule.
        fault: Box<Fault>,
    },
    /// Two source files hold the same tensor.
    #[error("`{}`: tensor `{}` is in another file too", shown(file), shown(tensor))]
    TensorTwice {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// The list of tensors and the header of a source file disagree.
    #[error("it contradicts the header of `{}` about `{}`", shown(file), shown(tensor))]
    Contradicts {
        /// The tensor.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// The list names a tensor that no source file holds.
    #[error("no header holds tensor `{}`", shown(tensor))]
    TensorNowhere {
        /// The tensor.
        tensor: String,
    },
    /// The model holds a tensor that the record does not name, or holds a tensor twice.
    #[error("it does not name tensor `{}`, or the model holds it twice", shown(tensor))]
    TensorUnknown {
        /// The tensor.
        tensor: String,
    },
    /// The model holds a unit that the record does not name.
    #[error("it does not name unit `{}`", shown(unit))]
    UnitUnknown {
        /// The unit.
        unit: String,
    },
    /// A unit has more or fewer matrices than the record names.
    #[error(
        "unit `{}`: it has {found} matrices, expected {}: {}",
        shown(unit),
        expected.len(),
        shown(&expected.join(", "))
    )]
    Matrices {
        /// The unit.
        unit: String,
        /// How many matrices it has.
        found: usize,
        /// The tensors that the record names.
        expected: Vec<String>,
    },
    /// A file has a name that is never written.
    #[error("the file name `{}` is refused: {reason}", shown(name))]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: NameReason,
    },
    /// The record of one model names a part of a pipeline.
    #[error("it lists part `{}`, but only a pipeline has parts", shown(name))]
    PartOfModel {
        /// The part.
        name: String,
    },
    /// The list of a pipeline names a file that belongs to one of the parts.
    #[error("it lists `{}`, which belongs in the list of a part", shown(name))]
    FileOfPart {
        /// The file.
        name: String,
    },
    /// The list of a pipeline names a part that is not directly in the pipeline's folder.
    #[error("part `{}` is not directly in the pipeline's folder", shown(part))]
    PartBelow {
        /// The part.
        part: String,
    },
}
}

messages! {
/// How a file differs from the one that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileReason {
    /// It is no longer a safetensors file.
    #[error("{fault}")]
    Unreadable {
        /// The broken rule.
        fault: Box<Fault>,
    },
    /// It holds other tensors.
    #[error("its header has changed, and its tensors are not those of the model")]
    OtherTensors,
    /// Its length differs.
    #[error("it has {found} bytes, expected {expected}")]
    Size {
        /// Its length in bytes.
        found: u64,
        /// The length that was written.
        expected: u64,
    },
    /// Its checksum differs.
    #[error("xxh3 is {found:016x}, expected {expected:016x}")]
    Checksum {
        /// The checksum of what is there.
        found: u64,
        /// The checksum of what was written.
        expected: u64,
    },
    /// It is a folder or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// The main file of a part holds the record of another model.
    #[error("its record does not have the checksum that {list} gives, {expected:016x}")]
    OtherRecord {
        /// The list of the pipeline's files.
        list: &'static str,
        /// The checksum of the record that the list names.
        expected: u64,
    },
}
}
