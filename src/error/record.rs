//! What is wrong with the record of a source, and with the files that it names.

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
    /// The version is missing, and so is what tells how to read the rest.
    #[error("{version_key} is missing")]
    NoVersion {
        /// Where it would be.
        version_key: &'static str,
    },
    /// No version that was ever written.
    #[error("found `{}`, which no df11 has written; expected {expected}", shown(found))]
    Version {
        /// What is there.
        found: String,
        /// What is read.
        expected: &'static str,
    },
    /// The record is not what was sealed.
    #[error("{sealed} checksum {}, expected {}", shown(found), shown(expected))]
    Checksum {
        /// What the checksum is of, with its verb.
        sealed: &'static str,
        /// Of what is there.
        found: String,
        /// What was written.
        expected: String,
    },
    /// No JSON of the form that is written.
    #[error("{message}")]
    Json {
        /// What the JSON reader said.
        message: String,
    },
    /// No checksum.
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
    #[error("`{}`: its header is cut", shown(file))]
    HeaderCut {
        /// The file.
        file: String,
    },
    /// The header of a source file breaks a rule.
    #[error("`{}`: {fault}", shown(file))]
    Header {
        /// The file.
        file: String,
        /// The rule.
        fault: Box<Fault>,
    },
    /// A source file holds a tensor that another one holds too.
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
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// No source file holds a tensor of the list.
    #[error("no header holds tensor `{}`", shown(tensor))]
    TensorNowhere {
        /// The tensor.
        tensor: String,
    },
    /// The model holds a tensor that the record does not know, or holds it twice.
    #[error("it does not know tensor `{}`, or the model holds it twice", shown(tensor))]
    TensorUnknown {
        /// The tensor.
        tensor: String,
    },
    /// The model holds a unit that the record does not know.
    #[error("unit `{}`: it does not name the unit", shown(unit))]
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
        /// Its matrices.
        found: usize,
        /// The tensors that they would be.
        expected: Vec<String>,
    },
    /// A file name that is never written.
    #[error("the file name `{}` is refused: {reason}", shown(name))]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: NameReason,
    },
    /// The record of one model names a part of a pipeline.
    #[error("`{}`: a model has no parts", shown(name))]
    PartOfModel {
        /// The part.
        name: String,
    },
    /// The list of a pipeline names a file of one of its parts.
    #[error("`{}`: a pipeline has it in its parts", shown(name))]
    FileOfPart {
        /// The file.
        name: String,
    },
    /// The list of a pipeline names a part that does not lie at its top.
    #[error("part `{}` is in a folder below another", shown(part))]
    PartBelow {
        /// The part.
        part: String,
    },
}
}

messages! {
/// In what a file differs from the one that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileReason {
    /// No longer a safetensors file.
    #[error("{fault}")]
    Unreadable {
        /// The rule that it breaks.
        fault: Box<Fault>,
    },
    /// Other tensors are in it.
    #[error("its header is another one, and its tensors are not those of the model")]
    OtherTensors,
    /// Its length.
    #[error("it has {found} bytes, expected {expected}")]
    Size {
        /// Its bytes.
        found: u64,
        /// Bytes that were written.
        expected: u64,
    },
    /// Its checksum.
    #[error("xxh3 is {found:016x}, expected {expected:016x}")]
    Checksum {
        /// Of what is there.
        found: u64,
        /// Of what was written.
        expected: u64,
    },
    /// A folder, a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// The main file of a part has the record of another model.
    #[error("its record is not that of {list}, {expected:016x}")]
    OtherRecord {
        /// The list of the pipeline's files.
        list: &'static str,
        /// The checksum of the record that it names.
        expected: u64,
    },
}
}
