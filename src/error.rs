//! What can go wrong with model files: one variant per way, each message naming file, tensor, found,
//! expected and the next step.
//!
//! ```text
//! Error               one variant per way
//!   input             why INPUT, or a file of it, is refused
//!   naming            why patterns are refused, and units without names
//!   record            what is wrong with a record, and with the files that it names
//!   output            why OUTPUT is refused
//! messages            the gate: whatever a message shows is escaped
//! ```

mod input;
pub(crate) mod messages;
mod naming;
mod output;
mod record;

use std::path::{Path, PathBuf};

use df11_core::BackendError;

use crate::safetensors::Fault;
use crate::shown::shown;
pub use input::{Exclusive, JsonReason, ModelReason, NameReason, Promise};
use messages::messages;
pub use naming::{MatricesReason, PatternReason};
pub use output::{Fitting, JobDifference, OutputReason};
pub use record::{FileReason, RecordReason};

/// Most bytes of a message: what files hold can be quoted in it, and may be long.
const LONGEST_MESSAGE: usize = 4096;

messages! {
longest: LONGEST_MESSAGE;
/// Everything the facade can fail with.
///
/// [`Error::is_failed_check`] tells a readable file with wrong contents from a job that could not run. Its messages hold one line of printable text,
/// whatever the files hold that they speak of.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a read, a write, a rename.
    #[error("{}: cannot {doing}: {source}", shown(path))]
    Io {
        /// What was attempted, as a verb phrase: "open", "write".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The container itself is unreadable: not a safetensors file, or one that breaks its rules.
    #[error("{}: not a readable safetensors file: {fault}", shown(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The rule that is broken.
        fault: Fault,
    },
    /// The file ended while a tensor was read: it was cut short since its header was checked.
    #[error("{}: tensor `{}`: the file was cut short while it was read; get it again and retry", shown(path), shown(tensor))]
    CutShort {
        /// The file.
        path: PathBuf,
        /// The tensor that was being read.
        tensor: String,
    },
    /// A tensor's data was read twice and was not the same twice.
    #[error("{}: tensor `{}` changed while it was read; stop what is writing the file and retry", shown(path), shown(tensor))]
    SourceChanged {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A file that the job reads is no longer the file that it was when it was first opened.
    #[error("{}: changed while it was read: it was edited, replaced or removed; stop what is writing it and retry", shown(path))]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
    },
    /// INPUT is not a model: there is nothing to read in it, or too much to choose from.
    #[error("{}: {reason}", shown(path))]
    NotAModel {
        /// INPUT.
        path: PathBuf,
        /// What is missing or ambiguous, and what to give instead.
        reason: ModelReason,
    },
    /// A file of INPUT that is not opened: it is no regular file, or a link that leads out of the model's folder.
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
        /// Which, and why.
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
    /// A file's name means something else on another system, or meets another name there.
    #[error("{}: the file name `{}` is refused: {reason}; rename the file in the model that is compressed", shown(path), shown(name))]
    NameNotPortable {
        /// The folder, or the file that holds the name.
        path: PathBuf,
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: NameReason,
    },
    /// Two files of one model hold a tensor of the same name.
    #[error("tensor `{}` is in both {} and {}; keep one of them", shown(tensor), shown(first), shown(second))]
    TensorTwice {
        /// The tensor.
        tensor: String,
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
    /// A tensor that another file, a pattern or the record promises is absent.
    #[error("{}: tensor `{}` is missing; {promised_by} names it", shown(path), shown(tensor))]
    TensorMissing {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Who says that it should be there.
        promised_by: Promise,
    },
    /// A tensor has another dtype, shape or size than its role asks for.
    #[error("{}: tensor `{}`: found {found}, expected {expected}", shown(path), shown(tensor))]
    TensorUnfit {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What its header says.
        found: String,
        /// What its role asks for.
        expected: String,
    },
    /// What has to be in memory at once is more than this machine can address.
    #[error("{}: unit `{}`: {bytes} bytes at once are more than this machine can address; use a 64-bit machine", shown(path), shown(unit))]
    TooLargeToAddress {
        /// The file.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// Its bytes.
        bytes: u64,
    },
    /// A model needs more memory than the job may take.
    #[error(
        "{}: needs {bytes} bytes of memory, {headers} of them for headers and names{}; that is more than the {limit} allowed",
        shown(path),
        if unit.is_empty() { String::new() } else { format!(", and most of the rest for unit `{}`", shown(unit)) }
    )]
    TooLittleMemory {
        /// The model.
        path: PathBuf,
        /// The unit that needs most; empty where there is none.
        unit: String,
        /// Bytes that the job takes, at most.
        bytes: u64,
        /// Of those, bytes for the headers, and for names and shapes out of them.
        headers: u64,
        /// Bytes that the job may take.
        limit: u64,
    },
    /// The job was told to end before it was done.
    #[error("stopped before the end")]
    Stopped,
    /// The job failed for a reason that may pass, and what it has finished is kept to go on with.
    #[error(
        "{error}; {files} finished files are kept in {}: the same job can go on from there",
        shown(partial)
    )]
    Kept {
        /// The reason.
        error: Box<Error>,
        /// Where the finished files are.
        partial: PathBuf,
        /// Their number.
        files: usize,
    },
    /// The six tensors of a unit do not decode.
    #[error("{}: unit `{}`: {fault}; the file is damaged or was not written by a DFloat11 tool: get it again", shown(path), shown(unit))]
    UnitDamaged {
        /// The file.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// The rule of the format that is broken.
        fault: df11_core::Error,
    },
    /// A unit could not be coded for a reason that is not its size.
    #[error("{}: unit `{}` cannot be coded: {fault}", shown(path), shown(unit))]
    UnitNotCoded {
        /// The source.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// What the encoder said.
        fault: df11_core::Error,
    },
    /// What was just coded does not decode to what was read. Nothing was written.
    #[error(
        "unit `{}`: decoding what was just coded gives another word at weight {weight}; this machine's memory is suspect, or this is a bug: please report it",
        shown(unit)
    )]
    NotVerified {
        /// The unit.
        unit: String,
        /// The first weight that differs.
        weight: u64,
    },
    /// A unit's name is known but not the names or number of its matrices.
    #[error("{}: unit `{}`: {reason}; give the right patterns", shown(path), shown(unit))]
    MatricesUnknown {
        /// The file.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// Why.
        reason: MatricesReason,
    },
    /// `pattern_dict` has a pattern that a linear-time engine cannot express, or no pattern at all.
    #[error(
        "{} cannot be used: {reason}; give the same patterns without it",
        match pattern {
            Some(pattern) => format!("pattern `{}`", shown(pattern)),
            None => "all patterns together".into(),
        }
    )]
    Pattern {
        /// The pattern; `None` where it is all of them together.
        pattern: Option<String>,
        /// Why.
        reason: PatternReason,
    },
    /// A JSON file (config.json, an index, a pattern dictionary) does not hold what it should.
    #[error("{}: {reason}", shown(path))]
    Json {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        reason: JsonReason,
    },
    /// `dfloat11_config` describes a layout that this version does not read.
    #[error("{}: dfloat11_config: {field} is {found}, expected {expected}", shown(path))]
    Config {
        /// The file that holds it.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is read.
        expected: String,
    },
    /// The record of the source (`df11.` metadata) is not what its writer wrote.
    #[error("{}: the record of the source ({}) is damaged: {reason}; verify the file against its origin or get it again", shown(path), shown(key))]
    Record {
        /// The file that holds it.
        path: PathBuf,
        /// The metadata key.
        key: String,
        /// What was found and what was expected.
        reason: RecordReason,
    },
    /// The record of the source is of a version that came after this program.
    #[error("{}: its record of the source is of version {found}, and this df11 reads 1 and 2; use a newer df11", shown(path))]
    RecordVersion {
        /// The file that holds it.
        path: PathBuf,
        /// The version.
        found: String,
    },
    /// A file that we wrote is gone.
    #[error("{}: is missing; the record of the source names it: get it again", shown(path))]
    FileMissing {
        /// The file.
        path: PathBuf,
    },
    /// A file that we wrote is not what it was then.
    #[error("{}: is not the file that was written: {reason}; get it again", shown(path))]
    FileDiffers {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        reason: FileReason,
    },
    /// Some of a model's files are missing or changed.
    #[error("{}: is not whole: {}; what is there can be restored in part", shown(path), listed(faults))]
    NotWhole {
        /// The model.
        path: PathBuf,
        /// What is missing or changed.
        faults: Vec<Error>,
    },
    /// A tensor's words are not those that were compressed.
    #[error("{}: tensor `{}`: xxh3 is {found:016x}, expected {expected:016x}: it is not what was compressed; get the file again", shown(path), shown(tensor))]
    Checksum {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Of the words as they are.
        found: u64,
        /// Of the words as they were compressed.
        expected: u64,
    },
    /// A tensor differs from the source it is compared with.
    #[error("tensor `{}`: {found} in {}, {expected} in {}", shown(tensor), shown(path), shown(source_path))]
    Differs {
        /// The tensor.
        tensor: String,
        /// The model.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What it is compared with.
        source_path: PathBuf,
        /// What that holds.
        expected: String,
    },
    /// What is to be written would be a file that no reader takes. Nothing was written.
    #[error("{}: its {file} would be a file that no reader takes: {fault}; {fitting}", shown(path))]
    Unwritable {
        /// INPUT.
        path: PathBuf,
        /// The file to be.
        file: String,
        /// The rule that it would break.
        fault: Box<Fault>,
        /// What to do.
        fitting: Fitting,
    },
    /// OUTPUT is there already, or may not be written where it is.
    #[error("{}: {reason}", shown(path))]
    Output {
        /// OUTPUT.
        path: PathBuf,
        /// Why it is refused and what to do.
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
    /// A backend failed at its work.
    #[error("backend `{}` failed: {source}; the processor does without it", shown(name))]
    BackendFailed {
        /// Its name.
        name: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A backend's name is unknown, or the backend cannot run here.
    #[error("backend `{}`: {reason}; available here: {available}", shown(name))]
    Backend {
        /// The name given.
        name: String,
        /// Unknown, or why it cannot run.
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
    /// `true` where a readable file holds a wrong unit, checksum or word (exit code 1 of `verify`), `false` where the job could not
    /// run (exit code 2).
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
                | Error::Checksum { .. }
                | Error::Differs { .. }
        )
    }

    /// Whether the job was told to end before it was done.
    pub fn is_stopped(&self) -> bool {
        match self {
            Error::Kept { error, .. } => error.is_stopped(),
            error => matches!(error, Error::Stopped),
        }
    }

    /// Whether the same job may succeed when it is gone on with: the reason lies in the machine or its disks, not in the model.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Error::Stopped
                | Error::Io { .. }
                | Error::CutShort { .. }
                | Error::ChangedMeanwhile { .. }
                | Error::BackendFailed { .. }
        )
    }

    /// What a backend says of itself.
    pub(crate) fn from_backend(error: BackendError) -> Error {
        match error {
            BackendError::Device { backend, error } => Error::BackendFailed { name: backend.to_owned(), source: error },
            BackendError::Unsupported { backend, .. } => {
                Error::BackendFailed { name: backend.to_owned(), source: Box::new(error) }
            }
            // Its callers name the unit that is at fault; nothing of the backend failed.
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

/// The one error of the system that is about the process, not about the file: says what to do.
fn with_advice(error: std::io::Error) -> std::io::Error {
    #[cfg(unix)]
    if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::MFILE) {
        let text = format!("{error}; allow this program more of them with `ulimit -n`");
        return std::io::Error::new(error.kind(), text);
    }
    error
}

/// Errors one after the other, each with its number where there are several.
fn listed(errors: &[Error]) -> String {
    let numbered = |(index, error): (usize, &Error)| match errors.len() {
        1 => error.to_string(),
        _ => format!("({}) {error}", index + 1),
    };
    errors.iter().enumerate().map(numbered).collect::<Vec<_>>().join("; ")
}
