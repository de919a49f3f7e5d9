//! The files beside the weights: small ones read whole, all of them copied.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::checkpoint::CONFIG_FILE;
use super::output::Output;
use super::weight_files::is_weights_file;
use crate::Error;
use crate::safetensors::MAX_HEADER_BYTES;

/// Deepest folder that is copied: deeper ones are links that lead in a circle.
const MAX_DEPTH: usize = 16;

/// How the list of a sharded model's files ends.
const INDEX_SUFFIX: &str = ".safetensors.index.json";

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

/// Copies what is beside the weights of a directory: everything but weight files, lists of shards, config.json and version control. Links are
/// followed. What is called like one of `made` is there already.
///
/// Returns the number of files.
pub(crate) fn copy_others(folder: &Path, output: &Output, made: &[PathBuf]) -> Result<usize, Error> {
    copy_folder(folder, Path::new(""), output, made, 0)
}

fn copy_folder(root: &Path, below: &Path, output: &Output, made: &[PathBuf], depth: usize) -> Result<usize, Error> {
    let folder = root.join(below);
    if depth > MAX_DEPTH {
        let reason = format!("is more than {MAX_DEPTH} folders deep; a link that leads in a circle? remove it");
        return Err(Error::NotAModel { path: folder, reason });
    }
    let mut files = 0;
    for name in names(&folder)? {
        let relative = below.join(&name);
        let path = root.join(&relative);
        let kind = fs::metadata(&path).map_err(Error::io("open", &path))?;
        if kind.is_dir() {
            if is_housekeeping(&name) || made.contains(&relative) {
                continue;
            }
            let copy = output.path(&relative);
            fs::create_dir(&copy).map_err(Error::io("create", &copy))?;
            files += copy_folder(root, &relative, output, made, depth + 1)?;
        } else if kind.is_file() && (depth > 0 || !is_ours(&name)) {
            copy_file(&path, &output.path(&relative))?;
            files += 1;
        }
    }
    Ok(files)
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
    name == Path::new(".git") || name == Path::new(".cache")
}

fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    let mut source = File::open(from).map_err(Error::io("open", from))?;
    let mut copy = File::create_new(to).map_err(Error::io("create", to))?;
    std::io::copy(&mut source, &mut copy).map_err(Error::io("write", to))?;
    copy.sync_all().map_err(Error::io("write", to))
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("open", folder))?;
    let names: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.file_name().into())).collect();
    let mut names = names.map_err(Error::io("open", folder))?;
    names.sort();
    Ok(names)
}
