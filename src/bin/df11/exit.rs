//! How a verb ends, and the exit code for it.

use std::io;
use std::path::PathBuf;

use df11::shown::shown;

use crate::advice;

/// The end of `--help`.
pub const CODES: &str = "\
Exit codes:
  0  fine
  1  a check failed: `verify` read the files and a unit, checksum or word in them is wrong,
     or something of the model is missing
  2  wrong usage, or the job could not run: bad input, an output that exists, no space
An interrupted job cleans up, then ends by the same signal.";

pub const CHECK_FAILED: u8 = 1;
pub const COULD_NOT_RUN: u8 = 2;

/// How a verb ended that could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// A message has already said what is wrong.
    CheckFailed,
}

/// Why a verb could not run to its end.
#[derive(Debug)]
pub enum Failure {
    /// An error of the library.
    Job(df11::Error),
    /// The encoder or decoder refused weights that come from no particular file.
    Coder(df11_core::Error),
    /// The requested threads could not be started.
    Threads(rayon::ThreadPoolBuildError),
    /// A backend decoded weights that differ from those encoded.
    WrongWeights { level: &'static str, threads: usize },
    /// A backend failed with weights that come from no particular file.
    Backend(df11_core::BackendError),
    /// A backend computed products that differ from the definition.
    WrongProduct { level: &'static str, form: &'static str, threads: usize },
    /// INPUT of `bench` has no weights that it measures.
    NothingToMeasure { input: PathBuf },
    /// `bench` measures the processor only.
    NotTimed { backend: String },
    /// The system does not let the program handle signals.
    Signals(io::Error),
    /// Stdout could not be written, and not because its reader has left.
    Stdout {
        error: io::Error,
        /// The OUTPUT that the job has completed nevertheless.
        complete: Option<PathBuf>,
    },
}

/// What every verb returns.
pub type Outcome = Result<Verdict, Failure>;

impl From<df11::Error> for Failure {
    fn from(error: df11::Error) -> Failure {
        Failure::Job(error)
    }
}

impl From<df11_core::Error> for Failure {
    fn from(error: df11_core::Error) -> Failure {
        Failure::Coder(error)
    }
}

impl From<df11_core::BackendError> for Failure {
    fn from(error: df11_core::BackendError) -> Failure {
        Failure::Backend(error)
    }
}

impl From<rayon::ThreadPoolBuildError> for Failure {
    fn from(error: rayon::ThreadPoolBuildError) -> Failure {
        Failure::Threads(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Job(error) => f.write_str(&advice::error(error)),
            Failure::Coder(error) => error.fmt(f),
            Failure::Threads(error) => write!(f, "cannot start the threads: {error}; give fewer with --threads"),
            Failure::WrongWeights { level, threads } => write!(
                f,
                "level {level} with {threads} threads gave other weights than were encoded; this is a bug, please report it; \
                 until then choose another with --backend"
            ),
            Failure::Backend(error) => error.fmt(f),
            Failure::WrongProduct { level, form, threads } => write!(
                f,
                "level {level} with {threads} threads gave wrong products from the form {form}; this is a bug, please \
                 report it; until then choose another level with --backend"
            ),
            Failure::NothingToMeasure { input } => {
                write!(
                    f,
                    "{}: holds no DFloat11 unit and no BF16 matrix to measure; give a model of BF16 weights",
                    shown(input)
                )
            }
            Failure::NotTimed { backend } => {
                write!(f, "backend `{backend}`: bench times the levels of this processor; choose one of those")
            }
            Failure::Signals(error) => write!(f, "cannot listen for signals: {error}"),
            Failure::Stdout { error, complete: None } => write!(f, "cannot write the result to stdout: {error}"),
            Failure::Stdout { error, complete: Some(output) } => write!(
                f,
                "cannot write the report to stdout: {error}; the job itself is done, and {} is complete",
                shown(output)
            ),
        }
    }
}
