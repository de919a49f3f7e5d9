//! Copies the files beside the weights. `files::links` says where links may lead.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use crate::error::NameReason;
use crate::files::file_names::{CONFIG_FILE, is_index, is_of_another_tool, is_other_form, is_weights_file};
use crate::files::folder::{has, names, weights_files};
use crate::files::links::{Entry, Home};
use crate::files::our_files::{Digits, OurFile};
use crate::progress::{PIECE_BYTES, Progress, check_stopped, report_reading};
use crate::safetensors::{Reader, Witness};
use crate::writer::output::Output;
use crate::{Error, Note};

/// Gives the name of a file or folder in the copy; `None` leaves it out.
pub(crate) type Named<'a> = dyn Fn(&Path) -> Option<PathBuf> + 'a;

/// Copies what lies beside the weights of a directory into the folder `to` of `output`. Weight
/// files other than those `carried` along, lists of shards, config.json and version control are not
/// copied. `named` gives the names there.
///
/// The same weights in another form would cost more bytes than compression saved. They are left
/// out, with a note. So is everything that is not read.
pub(crate) fn copy_others(
    folder: &Path,
    output: &Output,
    to: &Path,
    named: &Named<'_>,
    carried: &BTreeSet<String>,
    progress: &dyn Progress,
) -> Result<Copied, Error> {
    let Others { folders, files, notes } = Others::of(folder, named, carried)?;
    for copy in folders {
        output.folder(&to.join(copy))?;
    }
    let files = files.iter().map(|other| copy_file(other, output, to, progress)).collect::<Result<_, _>>()?;
    Ok(Copied { files, notes })
}

/// Copies what lies beside `parts`. `named` gives the name of each file or folder. Weights beside
/// the parts are the same model in another form, so they are left out.
pub(crate) fn copy_beside(
    input: &Path,
    output: &Output,
    parts: &[PathBuf],
    named: &Named<'_>,
    progress: &dyn Progress,
) -> Result<Copied, Error> {
    let left_out = weights_files(input)?;
    let named = |name: &Path| named(name).filter(|_| !parts.iter().any(|part| part == name));
    let mut copied = copy_others(input, output, Path::new(""), &named, &BTreeSet::new(), progress)?;
    copied.notes.extend(left_out.into_iter().map(|file| Note::NotOfPipeline { file }));
    Ok(copied)
}

/// An upper bound on what a record will say about the files that [`copy_others`] copies, and the
/// notes that it will give.
pub(crate) fn copies_at_most(folder: &Path, carried: &BTreeSet<String>) -> Result<(Vec<OurFile>, Vec<Note>), Error> {
    let others = Others::of(folder, &|name| Some(name.to_path_buf()), carried)?;
    let ours = |Other { path, relative, .. }: Other| {
        let name = portable(&path, &relative)?;
        Ok(OurFile::Copied { source: Some(name.clone()), name, size: u64::MAX, xxh3: Digits::default() })
    };
    Ok((others.files.into_iter().map(ours).collect::<Result<_, _>>()?, others.notes))
}

/// Finds every reason for which [`copy_others`] would fail, before work begins: each file is opened
/// once.
pub(crate) fn check_others(folder: &Path, carried: &BTreeSet<String>) -> Result<(), Error> {
    let others = Others::of(folder, &|name| Some(name.to_path_buf()), carried)?;
    others.files.iter().try_for_each(|other| Witness::open(&other.path).map(drop))
}

/// The result of copying.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// Files copied.
    pub files: Vec<CopiedFile>,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// What to copy from a directory.
#[derive(Default)]
struct Others {
    /// The names of the folders in the copy. A folder comes after the one that it lies in.
    folders: Vec<PathBuf>,
    files: Vec<Other>,
    notes: Vec<Note>,
}

/// A file to be copied.
struct Other {
    /// Where it is.
    path: PathBuf,
    /// The same path, relative to the folder that is copied.
    relative: PathBuf,
    /// The name of its copy.
    copy: PathBuf,
}

impl Copied {
    /// The files as a record lists them, with names below the folder `to` of the output.
    pub fn ours(&self) -> impl Iterator<Item = OurFile> {
        self.files.iter().map(|file| file.ours.clone())
    }

    /// Fails if a source is no longer what was copied.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        self.files.iter().try_for_each(|file| file.witness.check())
    }
}

/// A file that was copied.
#[derive(Debug)]
pub(crate) struct CopiedFile {
    /// What the copy is; its names are relative to the folders of source and copy.
    pub ours: OurFile,
    /// What the source was when it was copied.
    witness: Witness,
}

impl Others {
    /// Lists the files and folders below `root`. Each folder is entered once, whatever links lead
    /// to it.
    fn of(root: &Path, named: &Named<'_>, carried: &BTreeSet<String>) -> Result<Others, Error> {
        let home = Home::of(root)?;
        let mut others = Others::default();
        let mut to_enter = vec![PathBuf::new()];
        let mut entered = BTreeSet::new();
        while let Some(below) = to_enter.pop() {
            for name in names(&root.join(&below))? {
                let (relative, path) = (below.join(&name), root.join(&below).join(&name));
                let is_carried = below == Path::new("") && name.to_str().is_some_and(|name| carried.contains(name));
                if below == Path::new("") && is_ours(&name) && !is_carried && !path.is_dir() {
                    let _ = is_weights_file(&name) || has(&path)?;
                    continue;
                }
                if is_other_form(&name) && !path.is_dir() {
                    others.notes.push(Note::OtherForm { file: text_of(&relative) });
                    continue;
                }
                let (Some(entry), Some(copy)) = (home.look(&path)?, named(&relative)) else { continue };
                match entry {
                    _ if is_housekeeping(&name) && path.is_dir() => {}
                    Entry::Folder(real) if !entered.insert(real.clone()) => {
                        others.notes.push(Note::SeenBefore { folder: text_of(&relative) });
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
                        others.notes.push(Note::NotRead { file: text_of(&relative), found: found.to_owned() });
                    }
                }
            }
        }
        others.notes.extend(others.not_the_models());
        Ok(others)
    }

    /// One note of the files that hold weights of some kind, or belong to another tool.
    fn not_the_models(&self) -> Option<Note> {
        let found = self.files.iter().filter(|other| is_of_another_tool(&other.relative));
        let bytes = found.clone().filter_map(|other| fs::metadata(&other.path).ok()).map(|file| file.len()).sum();
        let files: Vec<String> = found.map(|other| text_of(&other.relative)).collect();
        (!files.is_empty()).then_some(Note::CopiedBeside { files, bytes })
    }
}

/// The names at the top of a directory that [`copy_others`] would copy.
pub(crate) fn others(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut names = names(folder)?;
    names.retain(|name| !is_ours(name) && !is_housekeeping(name));
    Ok(names)
}

/// Whether a file at the top of a model directory is written by us, not copied.
fn is_ours(name: &Path) -> bool {
    is_weights_file(name) || name == Path::new(CONFIG_FILE) || is_index(&name.to_string_lossy())
}

/// Folders of version control and of download tools.
pub(crate) fn is_housekeeping(name: &Path) -> bool {
    [".git", ".cache"].iter().any(|other| name == Path::new(other))
}

/// Copies one file of the source into the folder `to` of the output.
fn copy_file(other: &Other, output: &Output, to: &Path, progress: &dyn Progress) -> Result<CopiedFile, Error> {
    let from = other.path.as_path();
    let in_source = portable(from, &other.relative)?;
    let name = portable(from, &other.copy)?;
    let (mut source, witness) = Witness::open(from)?;
    let copy = output.copy_of(&to.join(&name), &source)?;
    let (mut hash, mut size, mut buffer) = (Xxh3Default::new(), 0, vec![0; PIECE_BYTES]);
    loop {
        check_stopped(progress)?;
        report_reading(progress, &name, size, witness.bytes());
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

/// The text of a path, for a note.
fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A relative path as a record spells it, with `/` between folders.
pub(crate) fn portable(path: &Path, relative: &Path) -> Result<String, Error> {
    let components: Option<Vec<&str>> = relative.iter().map(|component| component.to_str()).collect();
    components.map(|components| components.join("/")).ok_or_else(|| Error::NameNotPortable {
        path: path.to_path_buf(),
        name: relative.to_string_lossy().into_owned(),
        reason: NameReason::NotUtf8,
    })
}
