//! What sort of error one is: a failed check, a job that was stopped, a cause that may pass. And how
//! the errors of others become ours.

use std::path::Path;

use df11_core::BackendError;

use super::Error;

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
