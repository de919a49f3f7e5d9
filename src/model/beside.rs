//! The files beside the weights: small ones read whole, all of them copied.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::checkpoint::CONFIG_FILE;
use super::output::Output;
use super::weight_files::{is_other_form, is_weights_file};
use crate::Error;
use crate::safetensors::MAX_HEADER_BYTES;

/// Deepest folder that is copied: deeper ones are links that lead in a circle.
const MAX_DEPTH: usize = 16;

/// How the list of a sharded model's files ends.
pub(crate) const INDEX_SUFFIX: &str = ".safetensors.index.json";

/// Reads a file of JSON, which like a header is small.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
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
        {
            replaced.push((name.to_owned(), read_small(&folder.join(name))?));
        }
    }
    Ok(replaced)
}

/// What a file or folder beside the weights is called in a copy; `None` where it is left out.
pub(crate) type Named<'a> = dyn Fn(&Path) -> Option<PathBuf> + 'a;

/// Copies what is beside the weights of a directory to the folder `to` of `output`: everything but weight files, lists of shards, config.json and
/// version control. Links are followed. `named` has the names there.
///
/// The same weights in another form would cost more than was saved: they are left out, with a note.
pub(crate) fn copy_others(folder: &Path, output: &Output, to: &Path, named: &Named<'_>) -> Result<Copied, Error> {
    let mut copied = Copied::default();
    copy_folder(&Copying { root: folder, output, to, named }, Path::new(""), 0, &mut copied)?;
    Ok(copied)
}

/// What copying came to.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// Files copied.
    pub files: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

struct Copying<'a> {
    root: &'a Path,
    output: &'a Output,
    to: &'a Path,
    named: &'a Named<'a>,
}

fn copy_folder(copying: &Copying<'_>, below: &Path, depth: usize, copied: &mut Copied) -> Result<(), Error> {
    let &Copying { root, output, to, named } = copying;
    let folder = root.join(below);
    if depth > MAX_DEPTH {
        let reason = format!("is more than {MAX_DEPTH} folders deep; a link that leads in a circle? remove it");
        return Err(Error::NotAModel { path: folder, reason });
    }
    for name in names(&folder)? {
        let relative = below.join(&name);
        let path = root.join(&relative);
        let kind = fs::metadata(&path).map_err(Error::io("open", &path))?;
        if kind.is_dir() {
            if !is_housekeeping(&name)
                && let Some(copy) = named(&relative)
            {
                output.folder(&to.join(copy))?;
                copy_folder(copying, &relative, depth + 1, copied)?;
            }
        } else if kind.is_file() && is_other_form(&name) {
            copied
                .notes
                .push(format!("{} holds the same weights in another form and was left out", relative.display()));
        } else if kind.is_file()
            && (depth > 0 || !is_ours(&name))
            && let Some(copy) = named(&relative)
        {
            copy_file(&path, output, &to.join(copy))?;
            copied.files += 1;
        }
    }
    Ok(())
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

fn copy_file(from: &Path, output: &Output, to: &Path) -> Result<(), Error> {
    let mut source = File::open(from).map_err(Error::io("open", from))?;
    let mut copy = output.copy_of(to, &source)?;
    copy.copy(&mut source)?;
    copy.finish()
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("open", folder))?;
    let names: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.file_name().into())).collect();
    let mut names = names.map_err(Error::io("open", folder))?;
    names.sort();
    Ok(names)
}
