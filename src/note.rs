//! What the user of a job should know beside its result.

use serde::{Deserialize, Serialize, Serializer};

use df11_core::limits::{MAX_WEIGHTS, PUBLISHED_MAX_BLOCK_WEIGHTS};

use crate::error::messages::messages;
use crate::shown::shown;

messages! {
/// What the user of a job should know. A note is one line of printable text, as the message of an
/// [`Error`](crate::Error) is.
///
/// Names and paths are kept as text, because an interrupted run writes its notes down for the next
/// run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Note {
    /// A note about a part of a pipeline.
    #[error("{}: {note}", shown(part))]
    OfPart {
        /// The part's folder.
        part: String,
        /// The note.
        note: Box<Note>,
    },
    /// `dfloat11_config` lacks fields.
    #[error("{}: its dfloat11_config lacks {}; what the published tool writes is assumed", shown(file), listed(fields))]
    ConfigLacks {
        /// The file that holds it.
        file: String,
        /// The fields.
        fields: Vec<String>,
    },
    /// What restoring the model will say.
    #[error("decompress will say: {note}")]
    WhenRestored {
        /// The note.
        note: Box<Note>,
    },
    /// The model alone is not enough to restore it.
    #[error("decompress will need more than the model: {reason}")]
    NotEnough {
        /// What restoring it says.
        reason: String,
    },
    /// No tensor of a BF16 model would be coded.
    #[error("{}: has no units: none of its tensors would be coded", shown(model))]
    NoUnits {
        /// The model.
        model: String,
    },
    /// The model holds no BF16 values.
    #[error("{}: {reason}", shown(model))]
    NoBf16 {
        /// The model.
        model: String,
        /// What it holds instead, and the next step.
        reason: String,
    },
    /// Patterns match no module of the model.
    #[error("no module of the model matches {}, so nothing is coded by it", listed(patterns))]
    PatternsUnmatched {
        /// The patterns.
        patterns: Vec<String>,
    },
    /// INPUT is one of several files of a model.
    #[error("{} is one of {of} files of a model; give their folder to take the whole model", shown(file))]
    OneShard {
        /// The file.
        file: String,
        /// The number of files.
        of: usize,
    },
    /// INPUT is one of the files that we wrote for a model.
    #[error(
        "{} is one of the files of a model, whose record is in {}; give their folder to take the whole model",
        shown(file),
        shown(main)
    )]
    OneOfFolder {
        /// The file.
        file: String,
        /// The file with the record.
        main: String,
    },
    /// A file holds the same weights in another form, and was not read.
    #[error("{} holds the same weights in another form and was left out", shown(file))]
    OtherForm {
        /// The file.
        file: String,
    },
    /// A set of weight files holds tensors of the same names and shapes as the model.
    #[error(
        "{} has the tensors of the model once more, as another split or precision has them, and was left out",
        shown(file)
    )]
    OtherSet {
        /// The file.
        file: String,
    },
    /// A weight file does not belong to the model.
    #[error("{} is not part of the model and was left out", shown(file))]
    NotOfModel {
        /// The file.
        file: String,
    },
    /// Tensors of the source's files are not the model's.
    #[error(
        "{tensors} tensors in the model's files are older copies, or lie beside the model: they are kept as they are"
    )]
    Superseded {
        /// Their number.
        tensors: usize,
    },
    /// Copied files hold weights of some kind, or belong to another tool, and are not the model.
    #[error("copied without being the model's, {bytes} bytes: {}", listed(files))]
    CopiedBeside {
        /// The files.
        files: Vec<String>,
        /// Bytes of all of them.
        bytes: u64,
    },
    /// The source lacks something, as names and config.json tell.
    #[error("the model is not complete: missing {}", listed(missing))]
    Incomplete {
        /// The modules and tensors that are missing.
        missing: Vec<String>,
    },
    /// The folder is an adapter, not a model.
    #[error(
        "{} says that this is an adapter: no loader of DFloat11 reads adapters, so give it to your tools as it is",
        shown(file)
    )]
    Adapter {
        /// The file that says so.
        file: String,
    },
    /// The embedding is also the output layer, so it stays BF16.
    #[error(
        "`{}` is also the output layer of the model (tied), which the published loader would leave unfilled: it stays \
         BF16, and costs about {cost} bytes more",
        shown(tensor)
    )]
    TiedKept {
        /// The embedding.
        tensor: String,
        /// About how many bytes coding would save.
        cost: u64,
    },
    /// Tensors have more weights than a unit can hold.
    #[error(
        "`{}`{} stays as it is, {bytes} bytes: a unit holds at most {MAX_WEIGHTS} weights",
        shown(first),
        and_more(*more)
    )]
    TooLarge {
        /// One of them.
        first: String,
        /// How many others there are.
        more: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// Much of the model stays raw.
    #[error(
        "{tensors} BF16 tensors stay as they are, {bytes} bytes or {share} % of the BF16 weights; most of it is `{}`\
         {}: {reason}",
        shown(first),
        and_more(*alike)
    )]
    MuchRaw {
        /// Their number.
        tensors: usize,
        /// Their bytes.
        bytes: u64,
        /// Their share of all BF16 bytes, in percent.
        share: u64,
        /// The largest of them.
        first: String,
        /// How many others stay raw for the same reason.
        alike: usize,
        /// Why.
        reason: String,
        /// Whether coding every tensor that is large enough would code most of them.
        all_helps: bool,
    },
    /// The result is not smaller than the source.
    #[error("nothing is gained: the weight files are {more} bytes larger than the source's, since {why}; use the BF16 model")]
    NothingGained {
        /// How many bytes larger.
        more: u64,
        /// Why.
        why: String,
    },
    /// A weight file lies beside the parts of a pipeline.
    #[error("{} is not part of the pipeline and was left out", shown(file))]
    NotOfPipeline {
        /// The file.
        file: String,
    },
    /// A second path leads to a folder that was already copied.
    #[error("{} leads to a folder that was copied already, and was left out", shown(folder))]
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
    #[error("not copied, because the published tool does not copy them: {}{}", shown(first), and_more(*more))]
    NotCopied {
        /// One of them.
        first: String,
        /// How many others there are.
        more: usize,
    },
    /// A part of a pipeline was copied.
    #[error("{}: has nothing to code, and was copied", shown(part))]
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
    /// An F32 or F16 tensor was not coded, because it holds a value that is not a BF16 value.
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
        /// The index of the first such value.
        index: u64,
    },
    /// Units of the extension were written.
    #[error("the published loader cannot read {tensors} of the coded tensors; only df11 reads this model")]
    Extension {
        /// Their number.
        tensors: usize,
    },
    /// The published code was asked for, but a unit cannot be written in it.
    #[error("unit `{}` is in our code, not in the published tool's: {reason}", shown(unit))]
    InOurCode {
        /// The unit.
        unit: String,
        /// What the encoder said.
        reason: String,
    },
    /// For a unit in the published code, the bytes of the published tool depend on its libraries.
    #[error(
        "unit `{}`: the published tool may write other bytes: a code was too long, and which of several equally rare \
         exponents are changed depends on its libraries",
        shown(unit)
    )]
    TieBroken {
        /// The unit.
        unit: String,
    },
    /// A unit in the published code has a block that the published loader fails on. Our own code
    /// has no such block.
    #[error(
        "unit `{}`: a block holds {weights} weights, and the published loader fails above \
         {PUBLISHED_MAX_BLOCK_WEIGHTS}",
        shown(unit)
    )]
    BlockTooFull {
        /// The unit.
        unit: String,
        /// Weights of the block.
        weights: u64,
    },
    /// In the published form, a single file does not hold the patterns that its readers need.
    #[error("the file does not hold its pattern_dict; give it to readers yourself: {patterns}")]
    PatternsNotHeld {
        /// The patterns, as JSON.
        patterns: String,
    },
    /// In the published form, config.json loses its other fields.
    #[error(
        "config.json holds only dfloat11_config, as the published tool writes it; loaders take the other fields from \
         the BF16 model"
    )]
    ConfigAlone,
    /// A file that an interrupted run had finished was damaged, so it is written again.
    #[error("{} was damaged since it was finished, and is written again", shown(file))]
    WrittenAgain {
        /// The file.
        file: String,
    },
    /// The model card takes nothing from the source's card.
    #[error("README.md {reason}, so nothing of it is in the model card")]
    ReadmeNotTaken {
        /// Why.
        reason: String,
    },
    /// The model card leaves out some fields of the source's card.
    #[error("README.md: the model card leaves out {fields}")]
    FieldsNotTaken {
        /// The first of the fields, and how many more there are.
        fields: String,
    },
    /// The model card was changed since it was written. People are meant to complete it.
    #[error("{}: the model card was changed since it was written", shown(card))]
    CardChanged {
        /// The card.
        card: String,
    },
    /// Files that no record describes.
    #[error(
        "{}{}: not among the files that were written, so not checked",
        shown(first),
        and_more(*more)
    )]
    Strangers {
        /// One of them.
        first: String,
        /// How many others there are.
        more: usize,
    },
    /// The model's weight files were rearranged.
    #[error(
        "the weights were moved to other files after they were written ({missing}); every tensor is still there"
    )]
    LaidOutAnew {
        /// What is said about the first written file that is missing.
        missing: String,
    },
    /// The other files of the source were not restored, because the model's folder was not given.
    #[error("only the weights are restored; give the model's folder to restore the other files too")]
    FolderNotGiven,
    /// Some files of the source were left out when it was compressed.
    #[error("left out when the model was compressed, so not restored: {}", listed(files))]
    WasLeftOut {
        /// The files.
        files: Vec<String>,
    },
    /// One file was restored from a source that was a folder.
    #[error("one file was given, so one file is restored; give its directory to restore config.json and the other files too")]
    FileGivesFile,
    /// Tensors came back without their shapes. A BF16 model with the same shapes would supply them.
    #[error(
        "the shapes of {} are unknown (`{}` is the first): restored flat, with one dimension",
        count(*tensors, "tensor"),
        shown(first)
    )]
    Flat {
        /// Their number.
        tensors: usize,
        /// The first of them.
        first: String,
    },
    /// A file of a damaged model was not restored.
    #[error("{}: none of its {tensors} tensors is left, so it is not written", shown(file))]
    NothingLeft {
        /// The file.
        file: String,
        /// How many tensors it had.
        tensors: usize,
    },
    /// A file of a damaged model was restored in part.
    #[error("{}: {left} of its {tensors} tensors are left", shown(file))]
    PartLeft {
        /// The file.
        file: String,
        /// How many tensors it has now.
        left: usize,
        /// How many tensors it had.
        tensors: usize,
    },
}
}

impl Note {
    /// The files that were copied without being the model's, if the note tells of them.
    pub fn copied_beside(&self) -> Vec<String> {
        match self {
            Note::CopiedBeside { files, .. } => files.clone(),
            Note::OfPart { part, note } => note.copied_beside().iter().map(|file| format!("{part}/{file}")).collect(),
            _ => Vec::new(),
        }
    }

    /// The files of the source that were left out, if the note tells of them.
    pub fn left_out(&self) -> Vec<String> {
        match self {
            Note::OtherForm { file }
            | Note::OtherSet { file }
            | Note::NotOfModel { file }
            | Note::NotOfPipeline { file }
            | Note::NotRead { file, .. }
            | Note::SeenBefore { folder: file } => vec![file.clone()],
            Note::WasLeftOut { files } => files.clone(),
            Note::OfPart { part, note } => note.left_out().iter().map(|file| format!("{part}/{file}")).collect(),
            _ => Vec::new(),
        }
    }

    /// Turns the note into one about a part of a pipeline.
    pub(crate) fn of_part(self, part: &str) -> Note {
        Note::OfPart { part: part.to_owned(), note: Box::new(self) }
    }
}

/// Serialises notes as their texts, for a report.
pub(crate) fn words<S: Serializer>(notes: &[Note], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(notes.iter().map(Note::to_string))
}

/// The first names of a list, and how many more there are.
pub(crate) fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    let first: Vec<String> = names.iter().take(MOST).map(|name| shown(name).to_string()).collect();
    first.join(", ") + &and_more(names.len().saturating_sub(MOST))
}

/// `3 things`, `1 thing`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn and_more(more: usize) -> String {
    if more > 0 { format!(" and {more} more") } else { String::new() }
}
