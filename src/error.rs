//! What can go wrong with model files. One variant per failure; each message names the file, the
//! tensor, what was found, what was expected and the next step.
//!
//! ```text
//! Error               one variant per failure
//!   input             why INPUT, or a file of it, is refused
//!   naming            why patterns are refused, and why units have no names
//!   record            what is wrong with a record, or with the files that it names
//!   output            why OUTPUT is refused
//! messages            the gate: everything that a message shows is escaped
//! ```

mod input;
pub(crate) mod messages;
mod naming;
mod output;
mod record;

use std::path::{Path, PathBuf};

use df11_core::BackendError;

use crate::note::{count, listed as listed_names};
use crate::safetensors::Fault;
use crate::shown::shown;
pub use input::{Exclusive, JsonReason, ModelReason, NameReason, Promise};
use messages::messages;
pub use naming::{MatricesReason, PatternReason};
pub use output::{Fitting, JobDifference, OutputReason};
pub use record::{FileReason, RecordReason};

/// Longest message, in bytes. A message can quote text from a file, and that text may be long.
const LONGEST_MESSAGE: usize = 4096;

messages! {
longest: LONGEST_MESSAGE;
/// Every error of the facade.
///
/// [`Error::is_failed_check`] tells a readable file with wrong contents from a job that could not
/// run. A message is one line of printable text, whatever the files that it quotes hold.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation: a read, a write, a rename.
    #[error("{}: cannot {doing}: {source}", shown(path))]
    Io {
        /// What was attempted, as a verb phrase: "open", "write".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The container is unreadable: it is not a safetensors file, or it breaks the rules of one.
    #[error("{}: not a readable safetensors file: {fault}{}", shown(path), if matches!(fault, Fault::Foreign(_)) { "" } else { "; get the file again" })]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The broken rule.
        fault: Fault,
    },
    /// The file ended while a tensor was read: it became shorter after its header was checked.
    #[error("{}: tensor `{}`: the file was cut short while it was read; get it again and retry", shown(path), shown(tensor))]
    CutShort {
        /// The file.
        path: PathBuf,
        /// The tensor that was being read.
        tensor: String,
    },
    /// A tensor's data was read twice, and the two readings differ.
    #[error("{}: tensor `{}` changed while it was read; stop what is writing the file and retry", shown(path), shown(tensor))]
    SourceChanged {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A file that the job reads is no longer the file that was first opened.
    #[error("{}: changed while it was read: it was edited, replaced or removed; stop what is writing it and retry", shown(path))]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
    },
    /// INPUT is not a model: it holds nothing to read, or more than one thing to choose from.
    #[error("{}: {reason}", shown(path))]
    NotAModel {
        /// INPUT.
        path: PathBuf,
        /// What is missing or ambiguous, and what to give instead.
        reason: ModelReason,
    },
    /// A file of INPUT is not opened: it is not a regular file, or it is a link that leads out of
    /// the model's folder.
    #[error("{}: is {found}, which is not read; put a copy of the file in its place, or remove it", shown(path))]
    NotRead {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// Two options that cannot be given together.
    #[error("{which}")]
    OptionsExclude {
        /// Which options, and why.
        which: Exclusive,
    },
    /// A file name read from a file would lead outside the model's directory.
    #[error("{}: the file name `{}` is refused: expected a plain name without separators or `..`", shown(path), shown(name))]
    NameLeavesDirectory {
        /// The file that holds the name.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A file's name means something else on another system, or equals another name there.
    #[error("{}: the file name `{}` is refused: {reason}; rename the file in the model that is compressed", shown(path), shown(name))]
    NameNotPortable {
        /// The folder, or the file that holds the name.
        path: PathBuf,
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: NameReason,
    },
    /// A model holds a tensor of the same name twice.
    #[error(
        "tensor `{}` is {}; keep one of them",
        shown(tensor),
        if first == second {
            format!("twice in {}", shown(first))
        } else {
            format!("in both {} and {}", shown(first), shown(second))
        }
    )]
    TensorTwice {
        /// The tensor.
        tensor: String,
        /// One file.
        first: PathBuf,
        /// The other file. It may be the same one.
        second: PathBuf,
    },
    /// A tensor is missing that another file, a pattern or the record names.
    #[error("{}: tensor `{}` is missing; {promised_by} names it", shown(path), shown(tensor))]
    TensorMissing {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What names the tensor.
        promised_by: Promise,
    },
    /// A tensor's dtype, shape or size is not what its role requires.
    #[error("{}: tensor `{}`: found {found}, expected {expected}", shown(path), shown(tensor))]
    TensorUnfit {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What the header says.
        found: String,
        /// What the role requires.
        expected: String,
    },
    /// One buffer would be larger than this machine can address.
    #[error("{}: unit `{}`: {bytes} bytes at once are more than this machine can address; use a 64-bit machine", shown(path), shown(unit))]
    TooLargeToAddress {
        /// The file.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// The system has no memory for a part of a model.
    #[error("{}: not enough memory for {} ({bytes} bytes); free some, or use a larger machine", shown(path), shown(name))]
    NotEnoughMemory {
        /// The file.
        path: PathBuf,
        /// The tensor or the unit.
        name: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A model needs more memory than the job may use.
    #[error(
        "{}: needs {bytes} bytes of memory, {headers} of them for headers and names{}; that is more than the {limit} allowed",
        shown(path),
        if unit.is_empty() { String::new() } else { format!(", and most of the rest for unit `{}`", shown(unit)) }
    )]
    TooLittleMemory {
        /// The model.
        path: PathBuf,
        /// The unit that needs most. Empty if there is none.
        unit: String,
        /// Most bytes that the job uses.
        bytes: u64,
        /// How many of `bytes` are for headers, and for the names and shapes read from them.
        headers: u64,
        /// Most bytes that the job may use.
        limit: u64,
    },
    /// The caller stopped the job before it was done.
    #[error("stopped before the end")]
    Stopped,
    /// The job failed for a reason that may pass. Its finished files are kept, so that it can be
    /// resumed.
    #[error(
        "{error}; {} kept in {}, and the same job can continue with what is there",
        count(*files, "finished file"),
        shown(partial)
    )]
    Kept {
        /// The reason.
        error: Box<Error>,
        /// Where the finished files are.
        partial: PathBuf,
        /// How many files are finished.
        files: usize,
    },
    /// The six tensors of a unit do not decode.
    #[error("{}: unit `{}`: {fault}; the file is damaged or was not written by a DFloat11 tool: get it again", shown(path), shown(unit))]
    UnitDamaged {
        /// The file.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// The broken rule of the format.
        fault: df11_core::Error,
    },
    /// A unit could not be coded, and its size is not the reason.
    #[error("{}: unit `{}` cannot be coded: {fault}", shown(path), shown(unit))]
    UnitNotCoded {
        /// The source.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// What the encoder said.
        fault: df11_core::Error,
    },
    /// The unit that was just coded does not decode to the weights that were read. Nothing was
    /// written.
    #[error(
        "unit `{}`: what was just coded does not decode to the same weights (weight {weight} is the first that differs); this machine's memory may be faulty, or this is a bug: please report it",
        shown(unit)
    )]
    NotVerified {
        /// The unit.
        unit: String,
        /// The first weight that differs.
        weight: u64,
    },
    /// A unit has a name, but the names or the number of its matrices are unknown.
    #[error("{}: unit `{}`: {reason}; give patterns that name its matrices", shown(path), shown(unit))]
    MatricesUnknown {
        /// The file.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// Why.
        reason: MatricesReason,
    },
    /// `pattern_dict` cannot be used. A pattern in it is no regular expression, or a linear-time
    /// engine cannot express it, or Python may read it differently; or all patterns together cost
    /// too much.
    #[error(
        "{} cannot be used: {reason}; {}",
        match pattern {
            Some(pattern) => format!("pattern `{}`", shown(pattern)),
            None => "all patterns together".into(),
        },
        if pattern.is_some() { "change this pattern or leave it out" } else { "give fewer or simpler patterns" }
    )]
    Pattern {
        /// The pattern; `None` if all patterns together are the reason.
        pattern: Option<String>,
        /// Why.
        reason: PatternReason,
    },
    /// A JSON file (config.json, an index, a pattern dictionary) does not hold what is expected.
    #[error("{}: {reason}", shown(path))]
    Json {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        reason: JsonReason,
    },
    /// `dfloat11_config` describes a layout that this version cannot read.
    #[error("{}: dfloat11_config: {field} is {found}, expected {expected}", shown(path))]
    Config {
        /// The file that holds it.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The value that can be read.
        expected: String,
    },
    /// The record of the source (`df11.` metadata) differs from what its writer wrote.
    #[error("{}: the record of the source ({}) is damaged: {reason}; compare the file with its origin, or get it again", shown(path), shown(key))]
    Record {
        /// The file that holds it.
        path: PathBuf,
        /// The metadata key.
        key: String,
        /// What was found and what was expected.
        reason: RecordReason,
    },
    /// The record of the source has a newer version than this program can read.
    #[error("{}: the record of the source has version {found}, and this df11 reads versions 1 and 2; use a newer df11", shown(path))]
    RecordVersion {
        /// The file that holds it.
        path: PathBuf,
        /// The version.
        found: String,
    },
    /// A file that we wrote is missing.
    #[error("{}: is missing; the record of the source names it: get it again", shown(path))]
    FileMissing {
        /// The file.
        path: PathBuf,
    },
    /// A file that we wrote has changed.
    #[error("{}: is not the file that was written: {reason}; get it again", shown(path))]
    FileDiffers {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        reason: FileReason,
    },
    /// Some of a model's files are missing or changed.
    #[error("{}: is not whole: {}; what is left can still be restored", shown(path), listed(faults))]
    NotWhole {
        /// The model.
        path: PathBuf,
        /// What is missing or changed.
        faults: Vec<Error>,
    },
    /// A model without a record lacks something, as names and config.json tell.
    #[error("{}: not complete: missing {}; get the missing files", shown(path), listed_names(missing))]
    NotComplete {
        /// The model.
        path: PathBuf,
        /// The modules and tensors that are missing.
        missing: Vec<String>,
    },
    /// A tensor's words differ from the words that were compressed.
    #[error("{}: tensor `{}`: xxh3 is {found:016x}, expected {expected:016x}: it is not what was compressed; get the file again", shown(path), shown(tensor))]
    Checksum {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Checksum of the words that are there.
        found: u64,
        /// Checksum of the words that were compressed.
        expected: u64,
    },
    /// A tensor differs from the source that it is compared with.
    #[error("tensor `{}`: {found} in {}, {expected} in {}", shown(tensor), shown(path), shown(source_path))]
    Differs {
        /// The tensor.
        tensor: String,
        /// The model.
        path: PathBuf,
        /// What the model holds.
        found: String,
        /// The source.
        source_path: PathBuf,
        /// What the source holds.
        expected: String,
    },
    /// The file to be written would be refused by every reader. Nothing was written.
    #[error("{}: its {file} would be a file that no reader accepts: {fault}; {fitting}", shown(path))]
    Unwritable {
        /// INPUT.
        path: PathBuf,
        /// The file that would be written.
        file: String,
        /// The rule that it would break.
        fault: Box<Fault>,
        /// What to do.
        fitting: Fitting,
    },
    /// OUTPUT already exists, or may not be written at this place.
    #[error("{}: {reason}", shown(path))]
    Output {
        /// OUTPUT.
        path: PathBuf,
        /// Why it is refused, and what to do.
        reason: OutputReason,
    },
    /// The model has no tensor of this name.
    #[error("{}: has no tensor `{}`", shown(path), shown(tensor))]
    NoSuchTensor {
        /// The model.
        path: PathBuf,
        /// The name asked for.
        tensor: String,
    },
    /// A backend failed while it worked.
    #[error("backend `{}` failed: {source}; the processor can do its work", shown(name))]
    BackendFailed {
        /// Its name.
        name: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The backend's name is unknown, or the backend cannot run here.
    #[error("backend `{}`: {reason}; available here: {available}", shown(name))]
    Backend {
        /// The name given.
        name: String,
        /// That the name is unknown, or why the backend cannot run.
        reason: String,
        /// The valid names, comma separated.
        available: String,
    },
}
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::BackendFailed { source, .. } => Some(&**source),
            Error::UnitDamaged { fault, .. } | Error::UnitNotCoded { fault, .. } => Some(fault),
            Error::Kept { error, .. } => Some(&**error),
            _ => None,
        }
    }
}

impl Error {
    /// `true` if a readable file holds a wrong unit, checksum or word (exit code 1 of `verify`).
    /// `false` if the job could not run (exit code 2).
    pub fn is_failed_check(&self) -> bool {
        matches!(
            self,
            Error::TensorMissing { .. }
                | Error::TensorUnfit { .. }
                | Error::UnitDamaged { .. }
                | Error::Record { .. }
                | Error::FileMissing { .. }
                | Error::FileDiffers { .. }
                | Error::NotWhole { .. }
                | Error::NotComplete { .. }
                | Error::Checksum { .. }
                | Error::Differs { .. }
        )
    }

    /// Whether the caller stopped the job before it was done.
    pub fn is_stopped(&self) -> bool {
        match self {
            Error::Kept { error, .. } => error.is_stopped(),
            error => matches!(error, Error::Stopped),
        }
    }

    /// Whether the same job may succeed when it is resumed: the cause is the machine or its disks,
    /// not the model.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Error::Stopped
                | Error::Io { .. }
                | Error::CutShort { .. }
                | Error::ChangedMeanwhile { .. }
                | Error::BackendFailed { .. }
                | Error::NotEnoughMemory { .. }
        )
    }

    /// Converts the error of a backend.
    pub(crate) fn from_backend(error: BackendError) -> Error {
        match error {
            BackendError::Device { backend, error } => Error::BackendFailed { name: backend.to_owned(), source: error },
            // The callers name the unit at fault. The backend itself did not fail.
            other => Error::BackendFailed { name: "any".to_owned(), source: Box::new(other) },
        }
    }

    /// `bytes` as the size of a buffer.
    pub(crate) fn addressable(bytes: u64, path: &Path, unit: &str) -> Result<usize, Error> {
        let too_large = || Error::TooLargeToAddress { path: path.to_path_buf(), unit: unit.to_owned(), bytes };
        usize::try_from(bytes).ok().filter(|&bytes| isize::try_from(bytes).is_ok()).ok_or_else(too_large)
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { doing, path, source: with_advice(source) }
    }
}

/// Adds what to do to the one system error that is about the process, not about the file.
fn with_advice(error: std::io::Error) -> std::io::Error {
    #[cfg(unix)]
    if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::MFILE) {
        let text = format!("{error}; allow this program more of them with `ulimit -n`");
        return std::io::Error::new(error.kind(), text);
    }
    error
}

/// Joins errors into one text, numbered if there are several.
fn listed(errors: &[Error]) -> String {
    let numbered = |(index, error): (usize, &Error)| match errors.len() {
        1 => error.to_string(),
        _ => format!("({}) {error}", index + 1),
    };
    errors.iter().enumerate().map(numbered).collect::<Vec<_>>().join("; ")
}
