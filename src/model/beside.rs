//! The files beside the weights: small ones read whole, all of them copied. Where links may lead: `links`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::checkpoint::CONFIG_FILE;
use super::links::{Entry, Home};
use super::output::Output;
use super::progress::{PIECE_BYTES, Progress, check_stopped};
use super::weight_files::{is_other_form, is_weights_file};
use crate::safetensors::{MAX_HEADER_BYTES, Reader};
use crate::{Error, open};

/// How the list of a sharded model's files ends.
pub(crate) const INDEX_SUFFIX: &str = ".safetensors.index.json";

/// Reads a small file of a model's folder, of JSON or text.
///
/// # Errors
/// There is none that may be read, or it is as large as no small file is.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, Error> {
    let real = find(path)?;
    read_whole(open::regular(real.as_deref().unwrap_or(path))?, path)
}

/// Whether a model's folder has the small file at `path`.
///
/// # Errors
/// Something is there that is not read.
pub(crate) fn has(path: &Path) -> Result<bool, Error> {
    find(path).map(|real| real.is_some())
}

/// Where the small file at `path` of a model's folder really lies.
fn find(path: &Path) -> Result<Option<PathBuf>, Error> {
    let not_read = |found| Err(Error::NotRead { path: path.to_path_buf(), found });
    match Home::of(path.parent().unwrap_or(Path::new("")))?.look(path)? {
        None => Ok(None),
        Some(Entry::File(real)) => Ok(Some(real)),
        Some(Entry::Folder(_)) => not_read("a folder"),
        Some(Entry::LeftOut(found)) => not_read(found),
    }
}

/// Reads what was opened at `path`, which like a header is small.
pub(crate) fn read_whole(file: fs::File, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(MAX_HEADER_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > MAX_HEADER_BYTES {
        let reason = format!("is larger than {MAX_HEADER_BYTES} bytes, too much for a JSON file of a model");
        return Err(Error::Json { path: path.to_path_buf(), reason });
    }
    Ok(bytes)
}

/// The files of a source directory that DFloat11's own replace, config.json and the lists of shards: kept in the record, to be restored.
pub(crate) fn replaced_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut replaced = Vec::new();
    for name in names(folder)? {
        if let Some(name) = name.to_str()
            && (name == CONFIG_FILE || name.ends_with(INDEX_SUFFIX))
            && has(&folder.join(name))?
        {
            replaced.push((name.to_owned(), read_small(&folder.join(name))?));
        }
    }
    Ok(replaced)
}

/// What a file or folder beside the weights is called in a copy; `None` where it is left out.
pub(crate) type Named<'a> = dyn Fn(&Path) -> Option<PathBuf> + 'a;

/// Copies what is beside the weights of a directory to the folder `to` of `output`: everything but weight files, lists of shards, config.json and
/// version control. `named` has the names there.
///
/// The same weights in another form would cost more than was saved: they are left out, with a note. So is what is not read.
pub(crate) fn copy_others(
    folder: &Path,
    output: &Output,
    to: &Path,
    named: &Named<'_>,
    progress: &dyn Progress,
) -> Result<Copied, Error> {
    let Others { folders, files, notes } = Others::of(folder, named)?;
    let copied = Copied { files: files.len(), notes };
    for copy in folders {
        output.folder(&to.join(copy))?;
    }
    for (real, copy) in files {
        copy_file(&real, output, &to.join(copy), progress)?;
    }
    Ok(copied)
}

/// Finds what [`copy_others`] would fail at, before work begins.
pub(crate) fn check_others(folder: &Path) -> Result<(), Error> {
    Others::of(folder, &|name| Some(name.to_path_buf())).map(drop)
}

/// What copying came to.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// Files copied.
    pub files: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What is to be copied of a directory.
#[derive(Default)]
struct Others {
    /// Folders by the names of their copies, each after the one that it is in.
    folders: Vec<PathBuf>,
    /// Files: where they lie, and the names of their copies.
    files: Vec<(PathBuf, PathBuf)>,
    notes: Vec<String>,
}

impl Others {
    /// Enters every folder once, whatever links lead to it.
    fn of(root: &Path, named: &Named<'_>) -> Result<Others, Error> {
        let home = Home::of(root)?;
        let mut others = Others::default();
        let mut to_enter = vec![PathBuf::new()];
        let mut entered = BTreeSet::new();
        while let Some(below) = to_enter.pop() {
            for name in names(&root.join(&below))? {
                let (relative, path) = (below.join(&name), root.join(&below).join(&name));
                if below == Path::new("") && is_ours(&name) && !path.is_dir() {
                    let _ = is_weights_file(&name) || has(&path)?;
                    continue;
                }
                if is_other_form(&name) && !path.is_dir() {
                    let note =
                        format!("{} holds the same weights in another form and was left out", relative.display());
                    others.notes.push(note);
                    continue;
                }
                let (Some(entry), Some(copy)) = (home.look(&path)?, named(&relative)) else { continue };
                match entry {
                    _ if is_housekeeping(&name) && path.is_dir() => {}
                    Entry::Folder(real) if !entered.insert(real.clone()) => {
                        others.notes.push(format!("{} is a folder seen before and was left out", relative.display()));
                    }
                    Entry::Folder(_) => {
                        others.folders.push(copy);
                        to_enter.push(relative);
                    }
                    Entry::File(real) => others.files.push((real, copy)),
                    // Weights that are not coded.
                    Entry::LeftOut(_) if is_weights_file(&name) && Reader::open(&path).is_ok() => {
                        others.files.push((path, copy));
                    }
                    Entry::LeftOut(found) => {
                        others.notes.push(format!("{} is {found} and was left out", relative.display()));
                    }
                }
            }
        }
        Ok(others)
    }
}

/// The names of what is beside the weights at the top of a directory: what [`copy_others`] would copy.
pub(crate) fn others(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut names = names(folder)?;
    names.retain(|name| !is_ours(name) && !is_housekeeping(name));
    Ok(names)
}

/// Files at the top of a model directory that are written anew, not copied.
fn is_ours(name: &Path) -> bool {
    is_weights_file(name) || name == Path::new(CONFIG_FILE) || name.to_string_lossy().ends_with(INDEX_SUFFIX)
}

/// Folders of version control and of download tools.
fn is_housekeeping(name: &Path) -> bool {
    [".git", ".cache"].iter().any(|other| name == Path::new(other))
}

fn copy_file(from: &Path, output: &Output, to: &Path, progress: &dyn Progress) -> Result<(), Error> {
    let mut source = open::regular(from)?;
    let copy = output.copy_of(to, &source)?;
    let mut buffer = vec![0; PIECE_BYTES];
    let mut position = 0;
    loop {
        check_stopped(progress)?;
        let length = source.read(&mut buffer).map_err(Error::io("read", from))?;
        if length == 0 {
            return copy.finish();
        }
        copy.write(&buffer[..length], position)?;
        position += length as u64;
    }
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("open", folder))?;
    let names: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.file_name().into())).collect();
    let mut names = names.map_err(Error::io("open", folder))?;
    names.sort();
    Ok(names)
}
