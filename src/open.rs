//! The one gate that opens the files of an input.
//!
//! Model folders come from unknown people. A pipe can block its reader for ever. A device can be
//! endless, or act when it is opened. So only regular files are read, and no file can become
//! something else between the check and the reading:
//!
//! 1. Look at the type by name. A device is never opened.
//! 2. Open without waiting. A pipe that took the name meanwhile blocks nobody.
//! 3. Look at the type of the opened file. That is the file that will be read.
//!
//! The lints of this crate refuse every other way to open a file (`clippy.toml`).

use std::fs::{self, File, FileType, OpenOptions};
use std::path::Path;

use crate::Error;

/// Opens the regular file at `path`. Links are followed.
///
/// # Errors
/// The file cannot be opened, or is not a regular file.
pub(crate) fn regular(path: &Path) -> Result<File, Error> {
    let allowed = |kind: FileType| kind.is_file();
    check(path, fs::metadata(path), allowed)?;
    open(path, false, allowed)
}

/// Opens a regular file or a pipe. This is for a file that the user names by hand: the shell's
/// `<(command)` is a pipe. Waits until a program writes to the pipe.
///
/// # Errors
/// The file cannot be opened, or is neither.
pub(crate) fn regular_or_pipe(path: &Path) -> Result<File, Error> {
    let allowed = |kind: FileType| kind.is_file() || is_pipe(kind);
    let kind = check(path, fs::metadata(path), allowed)?;
    open(path, is_pipe(kind), allowed)
}

/// Names the kind of a file that is not regular.
pub(crate) fn kind_name(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if is_pipe(kind) {
        "a named pipe"
    } else if kind.is_dir() {
        "a folder"
    } else {
        "a special file"
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the gate")]
fn open(path: &Path, waits: bool, allowed: impl Fn(FileType) -> bool) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    if !waits {
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            &mut options,
            rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
        );
    }
    let _ = waits;
    let file = options.open(path).map_err(Error::io("open", path))?;
    check(path, file.metadata(), allowed)?;
    Ok(file)
}

fn check(
    path: &Path,
    found: std::io::Result<fs::Metadata>,
    allowed: impl Fn(FileType) -> bool,
) -> Result<FileType, Error> {
    let kind = found.map_err(Error::io("open", path))?.file_type();
    if allowed(kind) {
        return Ok(kind);
    }
    Err(Error::NotRead { path: path.to_path_buf(), found: kind_name(kind) })
}

fn is_pipe(kind: FileType) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::FileTypeExt::is_fifo(&kind);
    #[cfg(not(unix))]
    {
        let _ = kind;
        false
    }
}
