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
    let failed = |reason: String| Error::File { path: path.into(), reason };
    let bytes = read(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(format!("it is not JSON: {error}")))
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

#[allow(clippy::disallowed_methods, reason = "this is the gate")]
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    // Looked at by name first: opening a pipe waits for its writer.
    if !path.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::other(format!("it is larger than {MOST_BYTES} bytes")));
    }
    Ok(bytes)
}
