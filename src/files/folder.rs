//! A model's folder: the names in it, whether a file of it may be read, and its small files, each
//! read as a whole.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::file_names::{CONFIG_FILE, is_index, is_weights_file};
use super::links::{Entry, Home, is_weights};
use crate::Error;
use crate::error::JsonReason;
use crate::safetensors::{FIRST_BYTES, Foreign, MAX_HEADER_BYTES, Witness};

/// A small file, read as a whole.
#[derive(Debug)]
pub(crate) struct SmallFile {
    /// Its name without a folder.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
    /// What the file was when it was read.
    pub witness: Witness,
}

impl SmallFile {
    /// Reads the file `name` of a folder.
    pub fn read(folder: &Path, name: &str) -> Result<SmallFile, Error> {
        let (bytes, witness) = read_witnessed(&folder.join(name))?;
        Ok(SmallFile { name: name.to_owned(), bytes, witness })
    }
}

/// Reads a small file of a model's folder: JSON or text.
///
/// # Errors
/// There is no file that may be read, or it is larger than a small file can be.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, Error> {
    read_witnessed(path).map(|(bytes, _)| bytes)
}

fn read_witnessed(path: &Path) -> Result<(Vec<u8>, Witness), Error> {
    has(path)?;
    let (file, witness) = Witness::open(path)?;
    Ok((read_whole(file, path)?, witness))
}

/// Whether a model's folder has the small file at `path`.
///
/// # Errors
/// Something with this name exists, but may not be read.
pub(crate) fn has(path: &Path) -> Result<bool, Error> {
    let not_read = |found| Err(Error::NotRead { path: path.to_path_buf(), found });
    match Home::of(path.parent().unwrap_or(Path::new("")))?.look(path)? {
        None => Ok(false),
        Some(Entry::File(_)) => Ok(true),
        Some(Entry::Folder(_)) => not_read("a folder"),
        Some(Entry::LeftOut(found)) => not_read(found),
    }
}

/// Reads all of the file opened at `path`. Like a header, it must be small.
pub(crate) fn read_whole(file: fs::File, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(MAX_HEADER_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > MAX_HEADER_BYTES {
        let reason = JsonReason::TooLarge { most: MAX_HEADER_BYTES };
        return Err(Error::Json { path: path.to_path_buf(), reason });
    }
    Ok(bytes)
}

/// Why these bytes of a small file are not the JSON that was expected: what it is instead, or
/// else this reason.
pub(crate) fn not_json(bytes: &[u8], otherwise: JsonReason) -> JsonReason {
    if bytes.trim_ascii().is_empty() {
        return JsonReason::Empty;
    }
    match Foreign::of(&bytes[..bytes.len().min(FIRST_BYTES)]) {
        None | Some(Foreign::Json) => otherwise,
        Some(kind) => JsonReason::Foreign { kind },
    }
}

/// The files of a source directory that DFloat11's own files replace: config.json and the lists of
/// shards. They are kept in the record, to be restored.
pub(crate) fn replaced_files(folder: &Path) -> Result<Vec<SmallFile>, Error> {
    let mut replaced = Vec::new();
    for name in names(folder)? {
        if let Some(name) = name.to_str()
            && (name == CONFIG_FILE || is_index(name))
            && has(&folder.join(name))?
        {
            replaced.push(SmallFile::read(folder, name)?);
        }
    }
    Ok(replaced)
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("open", folder))?;
    let names: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.file_name().into())).collect();
    let mut names = names.map_err(Error::io("open", folder))?;
    names.sort();
    Ok(names)
}

/// The `.safetensors` files of a directory, by name.
pub(crate) fn weights_files(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("open", path))? {
        let name = PathBuf::from(entry.map_err(Error::io("open", path))?.file_name());
        if is_weights_file(&name) && is_weights(&path.join(&name))? {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
