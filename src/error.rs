//! What can go wrong with model files: one variant per way, each message naming file, tensor, found, expected and the next step.

use std::path::{Path, PathBuf};

use crate::safetensors::Fault;

/// Everything the facade can fail with.
///
/// [`Error::is_failed_check`] tells a readable file with wrong contents from a job that could not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a read, a write, a rename.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb phrase: "open", "write".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The container itself is unreadable: not a safetensors file, or one that breaks its rules.
    #[error("{}: not a readable safetensors file: {fault}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The rule that is broken.
        fault: Fault,
    },
    /// The file ended while a tensor was read: it was cut short since its header was checked.
    #[error("{}: tensor `{tensor}`: the file was cut short while it was read; get it again and retry", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// The tensor that was being read.
        tensor: String,
    },
    /// A tensor's data was read twice and was not the same twice.
    #[error("{}: tensor `{tensor}` changed while it was read; stop what is writing the file and retry", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// INPUT is not a model: there is nothing to read in it, or too much to choose from.
    #[error("{}: {reason}", path.display())]
    NotAModel {
        /// INPUT.
        path: PathBuf,
        /// What is missing or ambiguous, and what to give instead.
        reason: String,
    },
    /// Two options that cannot be given together.
    #[error("{one} and {other} exclude each other: {reason}")]
    OptionsExclude {
        /// One.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// A file name read from a file would lead outside the model's directory.
    #[error("{}: the file name `{name}` is refused: expected a plain name without separators or `..`", path.display())]
    NameLeavesDirectory {
        /// The file that holds the name.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// Two files of one model hold a tensor of the same name.
    #[error("tensor `{tensor}` is in both {} and {}; keep one of them", first.display(), second.display())]
    TensorTwice {
        /// The tensor.
        tensor: String,
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
    /// A tensor that another file, a pattern or the record promises is absent.
    #[error("{}: tensor `{tensor}` is missing; {promised_by} names it", path.display())]
    TensorMissing {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Who says that it should be there.
        promised_by: String,
    },
    /// A tensor has another dtype, shape or size than its role asks for.
    #[error("{}: tensor `{tensor}`: found {found}, expected {expected}", path.display())]
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
    #[error("{}: unit `{unit}`: {bytes} bytes at once are more than this machine can address; use a 64-bit machine", path.display())]
    TooLargeToAddress {
        /// The file.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// Its bytes.
        bytes: u64,
    },
    /// A unit needs more memory than the job may take.
    #[error(
        "{}: unit `{unit}` needs {bytes} bytes of memory, more than the {limit} allowed; allow more with --memory {}M",
        path.display(),
        bytes.div_ceil(1_000_000)
    )]
    TooLittleMemory {
        /// The model.
        path: PathBuf,
        /// The unit that needs most; empty where a job without units would need as much.
        unit: String,
        /// Bytes that it takes, at most.
        bytes: u64,
        /// Bytes that the job may take.
        limit: u64,
    },
    /// The job was told to end before it was done.
    #[error("stopped before the end")]
    Stopped,
    /// The job failed for a reason that may pass, and what it has finished is kept to go on with.
    #[error(
        "{error}\n{files} finished files are kept in {}: the same command with --resume goes on from there, with --force it begins anew",
        partial.display()
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
    #[error("{}: unit `{unit}`: {fault}; the file is damaged or was not written by a DFloat11 tool: get it again", path.display())]
    UnitDamaged {
        /// The file.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// The rule of the format that is broken.
        fault: df11_core::Error,
    },
    /// A unit could not be coded for a reason that is not its size.
    #[error("{}: unit `{unit}` cannot be coded: {fault}", path.display())]
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
        "unit `{unit}`: decoding what was just coded gives another word at weight {weight}; this machine's memory is suspect, or this is a bug: please report it"
    )]
    NotVerified {
        /// The unit.
        unit: String,
        /// The first weight that differs.
        weight: u64,
    },
    /// A unit's name is known but not the names or number of its matrices.
    #[error("{}: unit `{unit}`: {reason}; give the right patterns with --pattern-dict", path.display())]
    MatricesUnknown {
        /// The file.
        path: PathBuf,
        /// The unit.
        unit: String,
        /// Why.
        reason: String,
    },
    /// `pattern_dict` has a pattern that a linear-time engine cannot express, or no pattern at all.
    #[error("pattern `{pattern}` cannot be used: {reason}; give the same patterns without it with --pattern-dict")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What the engine said.
        reason: String,
    },
    /// A JSON file (config.json, an index, a pattern dictionary) does not hold what it should.
    #[error("{}: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        reason: String,
    },
    /// `dfloat11_config` describes a layout that this version does not read.
    #[error("{}: dfloat11_config: {field} is {found}, expected {expected}", path.display())]
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
    #[error("{}: the record of the source ({key}) is damaged: {reason}; verify the file against its origin or get it again", path.display())]
    Record {
        /// The file that holds it.
        path: PathBuf,
        /// The metadata key.
        key: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A tensor's words are not those that were compressed.
    #[error("{}: tensor `{tensor}`: xxh3 is {found:016x}, expected {expected:016x}: it is not what was compressed; get the file again", path.display())]
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
    #[error("tensor `{tensor}`: {found} in {}, {expected} in {}", path.display(), source_path.display())]
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
    #[error("{}: its {file} would be a file that no reader takes: {fault}; {advice}", path.display())]
    Unwritable {
        /// INPUT.
        path: PathBuf,
        /// The file to be.
        file: String,
        /// The rule that it would break.
        fault: Box<Fault>,
        /// What to do.
        advice: &'static str,
    },
    /// OUTPUT is there already, or may not be written where it is.
    #[error("{}: {reason}", path.display())]
    Output {
        /// OUTPUT.
        path: PathBuf,
        /// Why it is refused and what to do.
        reason: String,
    },
    /// A backend failed at its work.
    #[error("backend `{name}` failed: {reason}; --backend cpu does without it")]
    BackendFailed {
        /// Its name.
        name: String,
        /// What failed.
        reason: String,
    },
    /// A backend's name is unknown, or the backend cannot run here.
    #[error("backend `{name}`: {reason}; available here: {available}")]
    Backend {
        /// The name given.
        name: String,
        /// Unknown, or why it cannot run.
        reason: String,
        /// The valid names, comma separated.
        available: String,
    },
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
        matches!(self, Error::Stopped | Error::Io { .. } | Error::CutShort { .. } | Error::BackendFailed { .. })
    }

    /// `bytes` as the size of a buffer.
    pub(crate) fn addressable(bytes: u64, path: &Path, unit: &str) -> Result<usize, Error> {
        let too_large = || Error::TooLargeToAddress { path: path.to_path_buf(), unit: unit.to_owned(), bytes };
        usize::try_from(bytes).ok().filter(|&bytes| isize::try_from(bytes).is_ok()).ok_or_else(too_large)
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { doing, path, source }
    }
}
