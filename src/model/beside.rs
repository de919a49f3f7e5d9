//! The files beside the weights: small ones read whole, all of them copied.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use super::checkpoint::CONFIG_FILE;
use super::our_files::{Digits, OurFile};
use super::output::{Output, WORK_FOLDER};
use super::weight_files::{is_other_form, is_weights_file};
use crate::Error;
use crate::safetensors::{MAX_HEADER_BYTES, Witness};

/// Deepest folder that is copied: deeper ones are links that lead in a circle.
const MAX_DEPTH: usize = 16;

/// How the list of a sharded model's files ends.
const INDEX_SUFFIX: &str = ".safetensors.index.json";

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// A small file that was read whole.
#[derive(Debug)]
pub(crate) struct SmallFile {
    /// Its name without a folder.
    pub name: String,
    /// What it held.
    pub bytes: Vec<u8>,
    /// What it was.
    pub witness: Witness,
}

impl SmallFile {
    /// Reads the file `name` of a folder.
    pub fn read(folder: &Path, name: &str) -> Result<SmallFile, Error> {
        let (bytes, witness) = read_witnessed(&folder.join(name))?;
        Ok(SmallFile { name: name.to_owned(), bytes, witness })
    }
}

/// Reads a file of JSON, which like a header is small.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, Error> {
    read_witnessed(path).map(|(bytes, _)| bytes)
}

fn read_witnessed(path: &Path) -> Result<(Vec<u8>, Witness), Error> {
    let (file, witness) = Witness::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_HEADER_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > MAX_HEADER_BYTES {
        let reason = format!("is larger than {MAX_HEADER_BYTES} bytes, too much for a JSON file of a model");
        return Err(Error::Json { path: path.to_path_buf(), reason });
    }
    Ok((bytes, witness))
}

/// The files of a source directory that DFloat11's own replace, config.json and the lists of shards: kept in the record, to be restored.
pub(crate) fn replaced_files(folder: &Path) -> Result<Vec<SmallFile>, Error> {
    let mut replaced = Vec::new();
    for name in names(folder)? {
        if let Some(name) = name.to_str()
            && (name == CONFIG_FILE || name.ends_with(INDEX_SUFFIX))
        {
            replaced.push(SmallFile::read(folder, name)?);
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
    pub files: Vec<CopiedFile>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Copied {
    /// The files as a record lists them, below the folder `to` of the output that they were copied to.
    pub fn ours(&self) -> impl Iterator<Item = OurFile> {
        self.files.iter().map(|file| file.ours.clone())
    }

    /// Are the sources still what was copied?
    pub fn check_unchanged(&self) -> Result<(), Error> {
        self.files.iter().try_for_each(|file| file.witness.check())
    }
}

/// A file that was copied.
#[derive(Debug)]
pub(crate) struct CopiedFile {
    /// What it is now; names are relative to the folders that were copied from and to.
    pub ours: OurFile,
    /// What the source was.
    witness: Witness,
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
            copied.files.push(copy_file(&path, &relative, output, to, &copy)?);
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

/// Folders of version control, of download tools, and of our own runs.
pub(crate) fn is_housekeeping(name: &Path) -> bool {
    [".git", ".cache", WORK_FOLDER].iter().any(|other| name == Path::new(other))
}

/// Copies one file of the source, called `relative` there, to `name` below the folder `to` of the output.
fn copy_file(from: &Path, relative: &Path, output: &Output, to: &Path, name: &Path) -> Result<CopiedFile, Error> {
    let in_source = portable(from, relative)?;
    let name = portable(from, name)?;
    let (mut source, witness) = Witness::open(from)?;
    let copy = output.file(&to.join(&name))?;
    let (mut hash, mut size, mut buffer) = (Xxh3Default::new(), 0, vec![0; COPY_BYTES]);
    loop {
        let bytes = source.read(&mut buffer).map_err(Error::io("read", from))?;
        if bytes == 0 {
            break;
        }
        copy.write(&buffer[..bytes], size)?;
        hash.update(&buffer[..bytes]);
        size += bytes as u64;
    }
    witness.check()?;
    copy.finish()?;
    let source = (in_source != name).then_some(in_source);
    Ok(CopiedFile { ours: OurFile::Copied { name, size, xxh3: Digits(hash.digest()), source }, witness })
}

/// A relative path as a record spells it: `/` between folders.
pub(crate) fn portable(path: &Path, relative: &Path) -> Result<String, Error> {
    let components: Option<Vec<&str>> = relative.iter().map(|component| component.to_str()).collect();
    components.map(|components| components.join("/")).ok_or_else(|| Error::NameNotPortable {
        path: path.to_path_buf(),
        name: relative.to_string_lossy().into_owned(),
        reason: "it is not UTF-8".into(),
    })
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("open", folder))?;
    let names: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.file_name().into())).collect();
    let mut names = names.map_err(Error::io("open", folder))?;
    names.sort();
    Ok(names)
}
