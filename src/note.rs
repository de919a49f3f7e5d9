//! What the user of a job should know beside its result.

use serde::{Deserialize, Serialize, Serializer};

use df11_core::limits::PUBLISHED_MAX_BLOCK_WEIGHTS;

use crate::error::messages::messages;
use crate::shown::shown;

messages! {
/// What the user of a job should know. Its words are one line of printable text, as those of an
/// [`Error`](crate::Error).
///
/// Names and paths are kept as text: a run that is interrupted writes its notes down for the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Note {
    /// A note of a part of a pipeline.
    #[error("{}: {note}", shown(part))]
    OfPart {
        /// The part's folder.
        part: String,
        /// The note.
        note: Box<Note>,
    },
    /// A file holds the same weights in another form, and was not read.
    #[error("{} holds the same weights in another form and was left out", shown(file))]
    OtherForm {
        /// The file.
        file: String,
    },
    /// A weight file is none of the model's.
    #[error("{} is not part of the model and was left out", shown(file))]
    NotOfModel {
        /// The file.
        file: String,
    },
    /// A weight file lies beside the parts of a pipeline.
    #[error("{} is not part of the pipeline and was left out", shown(file))]
    NotOfPipeline {
        /// The file.
        file: String,
    },
    /// A second way leads to a folder that was copied.
    #[error("{} is a folder seen before and was left out", shown(folder))]
    SeenBefore {
        /// The folder.
        folder: String,
    },
    /// A file was not read.
    #[error("{} is {found} and was left out", shown(file))]
    NotRead {
        /// The file.
        file: String,
        /// What it is.
        found: String,
    },
    /// The published tool does not copy these files, so they were not copied.
    #[error("not copied, as the published tool does not: {}{}", shown(first), and_more(*more))]
    NotCopied {
        /// One of them.
        first: String,
        /// How many there are beside it.
        more: usize,
    },
    /// A part of a pipeline was copied.
    #[error("{}: nothing to code, copied", shown(part))]
    NothingToCode {
        /// The part.
        part: String,
    },
    /// F32 or F16 tensors were coded.
    #[error("{tensors} tensors of F32 or F16 hold BF16 values only: they are coded, and come back as they were")]
    Disguised {
        /// Their number.
        tensors: usize,
    },
    /// An F32 or F16 tensor was not coded.
    #[error(
        "`{}` of {} holds values that BF16 does not have (value {index} is the first): it stays as it is",
        shown(tensor),
        shown(dtype)
    )]
    NotDisguised {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: String,
        /// The first such value.
        index: u64,
    },
    /// Units of the extension.
    #[error("{tensors} tensors are coded that the published loader cannot inject; only df11 reads this model")]
    Extension {
        /// Their number.
        tensors: usize,
    },
    /// Where the published code was asked for, a unit has none.
    #[error("unit `{}` is in our code, not in the published tool's: {reason}", shown(unit))]
    InOurCode {
        /// The unit.
        unit: String,
        /// What the coder said.
        reason: String,
    },
    /// Of a unit in the published code, the published tool's own bytes depend on its libraries.
    #[error(
        "unit `{}`: the published tool might write other bytes, since its codes are too long and equally rare \
         exponents are cut",
        shown(unit)
    )]
    TieBroken {
        /// The unit.
        unit: String,
    },
    /// A unit in the published code has a block that the published loader fails on. Our own code has none.
    #[error(
        "unit `{}`: a block holds {weights} weights, and the published loader fails over \
         {PUBLISHED_MAX_BLOCK_WEIGHTS}",
        shown(unit)
    )]
    BlockTooFull {
        /// The unit.
        unit: String,
        /// Weights of the block.
        weights: u64,
    },
    /// In the published form, a file alone does not hold the patterns that its readers need.
    #[error("the file does not hold its pattern_dict, which readers need: {patterns}")]
    PatternsNotHeld {
        /// The patterns, as JSON.
        patterns: String,
    },
    /// In the published form, config.json has lost its other fields.
    #[error(
        "config.json holds dfloat11_config alone, as the published tool leaves it; loaders take the rest from the \
         BF16 model"
    )]
    ConfigAlone,
    /// A file that an interrupted run had finished was written again.
    #[error("{} was damaged since it was finished, and is written again", shown(file))]
    WrittenAgain {
        /// The file.
        file: String,
    },
    /// The model card has nothing of the source's.
    #[error("README.md {reason}, so nothing of it is in the model card")]
    ReadmeNotTaken {
        /// Why.
        reason: String,
    },
    /// The model card lacks some of the fields of the source's.
    #[error("README.md has front matter of which the model card leaves out: {fields}")]
    FieldsNotTaken {
        /// The first of them, and how many there are more.
        fields: String,
    },
    /// The model card is another one than was written. It is there to be completed.
    #[error("{}: the model card was changed since it was written", shown(card))]
    CardChanged {
        /// The card.
        card: String,
    },
    /// Files of which no record tells what they should be.
    #[error(
        "{}{}: not among the files that were written, so nothing is known of what it should be",
        shown(first),
        and_more(*more)
    )]
    Strangers {
        /// One of them.
        first: String,
        /// How many there are beside it.
        more: usize,
    },
    /// The weight files were laid out anew.
    #[error(
        "the weights were laid out in other files since they were written; every tensor is there all the same \
         ({missing})"
    )]
    LaidOutAnew {
        /// What is said of the first file that was written and is gone.
        missing: String,
    },
    /// The other files of the source were not restored, since the model's folder was not given.
    #[error("the other files of its source lie in the folder of the model; give that to restore them too")]
    FolderNotGiven,
    /// One file was restored of a source that was a folder.
    #[error("a file gives one file; decompress its directory for config.json and all that was beside it")]
    FileGivesFile,
    /// Tensors came back without their shapes. A BF16 model like it would tell them.
    #[error(
        "the shapes of {tensors} tensors are known from nowhere (`{}` is the first): they are flat, one dimension \
         each",
        shown(first)
    )]
    Flat {
        /// Their number.
        tensors: usize,
        /// The first of them.
        first: String,
    },
    /// Of a damaged model, a file was not restored.
    #[error("{}: none of its {tensors} tensors is left, so it is not written", shown(file))]
    NothingLeft {
        /// The file.
        file: String,
        /// Tensors that it had.
        tensors: usize,
    },
    /// Of a damaged model, a file was restored in part.
    #[error("{}: {left} of its {tensors} tensors are left", shown(file))]
    PartLeft {
        /// The file.
        file: String,
        /// Tensors that it has.
        left: usize,
        /// Tensors that it had.
        tensors: usize,
    },
}
}

impl Note {
    /// The note as one of a part of a pipeline.
    pub(crate) fn of_part(self, part: &str) -> Note {
        Note::OfPart { part: part.to_owned(), note: Box::new(self) }
    }
}

/// Notes as their words, for a report that is serialised.
pub(crate) fn words<S: Serializer>(notes: &[Note], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(notes.iter().map(Note::to_string))
}

fn and_more(more: usize) -> String {
    if more > 0 { format!(" and {more} more") } else { String::new() }
}
