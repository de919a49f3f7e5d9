//! How a program begins, prints and ends.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::Error;

/// As `df11` says: wrong usage, or the job could not run.
const COULD_NOT_RUN: u8 = 2;

/// The exit status of a program; an error is said on stderr.
pub fn end(result: Result<ExitCode, Error>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(COULD_NOT_RUN)
    })
}

/// Sets the number of threads, and checks that the model is a folder.
///
/// # Errors
/// `Threads`, `NoFolder`.
pub fn begin(model: &Path, threads: Option<usize>) -> Result<(), Error> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    match model.is_dir() {
        true => Ok(()),
        false => Err(Error::NoFolder(model.to_path_buf())),
    }
}

/// Writes to stdout at once. `false` if nobody reads it any more.
///
/// # Errors
/// `System`.
pub fn print(text: &str) -> Result<bool, Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::System { what: "stdout", error }),
    }
}
