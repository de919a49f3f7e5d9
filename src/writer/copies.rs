//! The files beside the weights: small ones read whole, all of them copied. Where links may lead: `links`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use crate::Error;
use crate::files::checkpoint::CONFIG_FILE;
use crate::files::links::{Entry, Home};
use crate::files::our_files::{Digits, OurFile};
use crate::files::weight_files::{is_other_form, is_weights_file};
use crate::progress::{PIECE_BYTES, Progress, check_stopped};
use crate::safetensors::{MAX_HEADER_BYTES, Reader, Witness};
use crate::writer::output::Output;

/// How the list of a sharded model's files ends.
pub(crate) const INDEX_SUFFIX: &str = ".safetensors.index.json";

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

/// Reads a small file of a model's folder, of JSON or text.
///
/// # Errors
/// There is none that may be read, or it is as large as no small file is.
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
/// Something is there that is not read.
pub(crate) fn has(path: &Path) -> Result<bool, Error> {
    let not_read = |found| Err(Error::NotRead { path: path.to_path_buf(), found });
    match Home::of(path.parent().unwrap_or(Path::new("")))?.look(path)? {
        None => Ok(false),
        Some(Entry::File(_)) => Ok(true),
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
pub(crate) fn replaced_files(folder: &Path) -> Result<Vec<SmallFile>, Error> {
    let mut replaced = Vec::new();
    for name in names(folder)? {
        if let Some(name) = name.to_str()
            && (name == CONFIG_FILE || name.ends_with(INDEX_SUFFIX))
            && has(&folder.join(name))?
        {
            replaced.push(SmallFile::read(folder, name)?);
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
    for copy in folders {
        output.folder(&to.join(copy))?;
    }
    let files = files.iter().map(|other| copy_file(other, output, to, progress)).collect::<Result<_, _>>()?;
    Ok(Copied { files, notes })
}

/// What a record will say at most of the files that [`copy_others`] copies.
pub(crate) fn copies_at_most(folder: &Path) -> Result<Vec<OurFile>, Error> {
    let others = Others::of(folder, &|name| Some(name.to_path_buf()))?;
    let ours = |Other { path, relative, .. }: Other| {
        let name = portable(&path, &relative)?;
        Ok(OurFile::Copied { source: Some(name.clone()), name, size: u64::MAX, xxh3: Digits::default() })
    };
    others.files.into_iter().map(ours).collect()
}

/// Finds what [`copy_others`] would fail at, before work begins.
pub(crate) fn check_others(folder: &Path) -> Result<(), Error> {
    Others::of(folder, &|name| Some(name.to_path_buf())).map(drop)
}

/// What copying came to.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// Files copied.
    pub files: Vec<CopiedFile>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What is to be copied of a directory.
#[derive(Default)]
struct Others {
    /// Folders by the names of their copies, each after the one that it is in.
    folders: Vec<PathBuf>,
    files: Vec<Other>,
    notes: Vec<String>,
}

/// A file to be copied.
struct Other {
    /// Where it is.
    path: PathBuf,
    /// The same from the folder that is copied.
    relative: PathBuf,
    /// The name of its copy.
    copy: PathBuf,
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
                    Entry::File(_) => others.files.push(Other { path, relative, copy }),
                    // Weights that are not coded.
                    Entry::LeftOut(_) if is_weights_file(&name) && Reader::open(&path).is_ok() => {
                        others.files.push(Other { path, relative, copy });
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
pub(crate) fn is_housekeeping(name: &Path) -> bool {
    [".git", ".cache"].iter().any(|other| name == Path::new(other))
}

/// Copies a file of the source to below the folder `to` of the output.
fn copy_file(other: &Other, output: &Output, to: &Path, progress: &dyn Progress) -> Result<CopiedFile, Error> {
    let from = other.path.as_path();
    let in_source = portable(from, &other.relative)?;
    let name = portable(from, &other.copy)?;
    let (mut source, witness) = Witness::open(from)?;
    let copy = output.copy_of(&to.join(&name), &source)?;
    let (mut hash, mut size, mut buffer) = (Xxh3Default::new(), 0, vec![0; PIECE_BYTES]);
    loop {
        check_stopped(progress)?;
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
