//! Small files beside the weights. A model's folder comes from anyone: only regular files are read,
//! and no more of them than such a file has.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use crate::Error;

/// No config.json is larger.
const MOST_BYTES: u64 = 16 << 20;

/// Reads a JSON file.
///
/// # Errors
/// `File`.
pub(crate) fn read_json(path: &Path) -> Result<Value, Error> {
    parse_json(path, &read_text(path)?)
}

/// Reads the bytes of a JSON file.
///
/// # Errors
/// `File`.
pub(crate) fn read_text(path: &Path) -> Result<Vec<u8>, Error> {
    read_file(path, MOST_BYTES).map_err(|error| Error::File { path: path.into(), reason: error.to_string() })
}

/// Parses JSON as Python writes it. `path` is for messages.
///
/// # Errors
/// `File`.
pub(crate) fn parse_json(path: &Path, json: &[u8]) -> Result<Value, Error> {
    let failed = |error| Error::File { path: path.into(), reason: format!("it is not JSON: {error}") };
    serde_json::from_slice(&df11::json_of_python(json)).map_err(failed)
}

/// Reads a JSON file; `None` if there is no such file.
///
/// # Errors
/// `File`.
pub(crate) fn read_json_if_there(path: &Path) -> Result<Option<Value>, Error> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => read_json(path).map(Some),
    }
}

/// Reads a file that lies beside a model's weights: a regular one, of at most `most` bytes. A
/// pipe or a device is not waited for.
///
/// # Errors
/// What the operating system said; another kind of file, or a larger one.
#[allow(clippy::disallowed_methods, reason = "this is the gate")]
pub fn read_file(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    // Looked at by name first: opening a pipe waits for its writer.
    if !path.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(std::io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}
