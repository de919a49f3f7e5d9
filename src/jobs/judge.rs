//! Judges the files of a model by its record. `verify` and `decompress` both ask this module, so
//! they agree on what is whole. What the record says about tensors is judged where both plan, in
//! [`restoration`](super::restoration).
//!
//! ```text
//! before the data is read   names, sizes, config.json, the card        judge_files
//! as files are read         the checksums of copied files              read_checked,
//!                                                                      Judgement::copies
//! after the data was read   the headers and data of weight files       judge_data
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::error::{FileReason, RecordReason};
use crate::files::folder::names;
use crate::files::our_files::{Digits, OurFile, check_names};
use crate::files::own::FILES_KEY;
use crate::progress::{Progress, report_reading};
use crate::record::checksum::data_checksum;
use crate::record::coded::CodedModel;
use crate::record::manifest::{MANIFEST_FILE, Part};
use crate::record::source::Written;
use crate::safetensors::Witness;
use crate::writer::copies::is_housekeeping;
use crate::{Error, Note};

const READ_BYTES: usize = 1 << 20;

/// How deep folders are searched for files that are not ours.
const MAX_DEPTH: usize = 16;

/// What was found about a model's files.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// What is missing or changed.
    pub faults: Vec<Error>,
    /// Weight files that are missing.
    pub gone: Vec<Error>,
    /// What the user should know.
    pub notes: Vec<Note>,
}

impl Judgement {
    /// A card that was changed gives only a note: users are meant to complete it.
    fn card(&mut self, path: &Path, xxh3: Digits) -> Result<(), Error> {
        match read_checked(path, find(path)?, xxh3, |_, _| Ok(())) {
            Err(Error::FileDiffers { .. }) => {
                self.notes.push(Note::CardChanged { card: path.to_string_lossy().into_owned() });
                Ok(())
            }
            result => result,
        }
    }

    /// Judges copied files by their bytes.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn copies<'a>(
        &mut self,
        folder: &Path,
        files: impl IntoIterator<Item = &'a OurFile>,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        for file in files {
            if let OurFile::Copied { name, size, xxh3, .. } = file {
                self.note(read_checked(&folder.join(name), *size, *xxh3, |offset, _| {
                    report_reading(progress, name, offset, *size);
                    Ok(())
                }))?;
            }
        }
        Ok(())
    }

    /// Judges copied files by their sizes alone.
    ///
    /// # Errors
    /// A file cannot be looked up.
    pub fn sizes_of_copies<'a>(
        &mut self,
        folder: &Path,
        files: impl IntoIterator<Item = &'a OurFile>,
    ) -> Result<(), Error> {
        for file in files {
            if let OurFile::Copied { name, size, .. } = file {
                let path = folder.join(name);
                self.note(find(&path).and_then(|found| same_size(&path, found, *size)))?;
            }
        }
        Ok(())
    }

    /// Adds a result. An error that is not a fault of the model ends the job.
    pub fn note(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        match result {
            Err(error) if error.is_failed_check() => self.faults.push(error),
            result => return result,
        }
        Ok(())
    }
}

/// Judges the files that a model's record names, except the data of weights and copied files.
///
/// # Errors
/// The record names what our writer never names, or a file cannot be read.
pub(crate) fn judge_files(model: &CodedModel, written: &Written) -> Result<Judgement, Error> {
    let (main, key) = (model.checkpoint.main_path(), FILES_KEY.to_owned());
    let refused = |reason| Error::Record { path: main.clone(), key, reason };
    let mut judgement = Judgement::default();
    if let Err((name, reason)) = check_names(written.files.iter().map(OurFile::name)) {
        return Err(refused(RecordReason::Name { name, reason }));
    }
    if let Some(part) = written.files.iter().find(|file| matches!(file, OurFile::Part { .. })) {
        return Err(refused(RecordReason::PartOfModel { name: part.name().to_owned() }));
    }
    if !model.checkpoint.is_dir {
        return Ok(judgement);
    }
    let folder = model.checkpoint.folder();
    let there: BTreeSet<&str> = model.checkpoint.files.iter().map(|file| file.name.as_str()).collect();
    let unreadable: BTreeMap<&str, &Error> =
        model.checkpoint.unreadable.iter().map(|(name, error)| (name.as_str(), error)).collect();
    for file in &written.files {
        let path = folder.join(file.name());
        let result = match file {
            OurFile::Weights { name, .. } => match there.contains(name.as_str()) {
                true => Ok(()),
                false => match unreadable.get(name.as_str()) {
                    Some(Error::Unreadable { fault, .. }) => {
                        let reason = FileReason::Unreadable { fault: Box::new(fault.clone()) };
                        Err(Error::FileDiffers { path, reason })
                    }
                    Some(Error::FileDiffers { reason, .. }) => Err(Error::FileDiffers { path, reason: reason.clone() }),
                    _ => {
                        judgement.gone.push(Error::FileMissing { path });
                        Ok(())
                    }
                },
            },
            OurFile::Config { size, xxh3, .. } => read_checked(&path, *size, *xxh3, |_, _| Ok(())),
            OurFile::Card { xxh3, .. } => judgement.card(&path, *xxh3),
            OurFile::Copied { .. } | OurFile::Part { .. } => Ok(()),
        };
        judgement.note(result)?;
    }
    let weights = model.checkpoint.files.iter().map(|file| file.name.clone());
    let named = written.files.iter().map(|file| file.name().to_owned()).chain(weights);
    judgement.notes.extend(strangers(folder, &named.collect())?);
    Ok(judgement)
}

/// Judges the top of a pipeline folder by its manifest, except copied files. `parts` are the parts
/// that are there.
///
/// # Errors
/// The manifest names what our writer never names, or a file cannot be read.
pub(crate) fn judge_manifest(folder: &Path, files: &[OurFile], parts: &[Part]) -> Result<Judgement, Error> {
    let mut judgement = Judgement::default();
    let refused = |reason| Error::Record { path: folder.join(MANIFEST_FILE), key: "files".into(), reason };
    let in_source = files.iter().filter_map(OurFile::source_name);
    let folders = files.iter().filter(|file| matches!(file, OurFile::Part { .. })).map(OurFile::name);
    check_names(files.iter().map(OurFile::name).chain([MANIFEST_FILE]))
        .and_then(|()| check_names(in_source.chain(folders)))
        .map_err(|(name, reason)| refused(RecordReason::Name { name, reason }))?;
    let parts: BTreeMap<&str, &Part> = parts.iter().map(|part| (part.folder.as_str(), part)).collect();
    for file in files {
        let path = folder.join(file.name());
        let result = match file {
            OurFile::Card { xxh3, .. } => judgement.card(&path, *xxh3),
            OurFile::Copied { .. } => Ok(()),
            OurFile::Part { name, xxh3 } => match parts.get(name.as_str()) {
                Some(part) => part.is_of(*xxh3),
                None => Err(Error::FileMissing { path }),
            },
            OurFile::Weights { name, .. } | OurFile::Config { name, .. } => {
                return Err(refused(RecordReason::FileOfPart { name: name.clone() }));
            }
        };
        judgement.note(result)?;
    }
    let named = files.iter().map(OurFile::name).chain([MANIFEST_FILE]).map(str::to_owned);
    judgement.notes.extend(strangers(folder, &named.collect())?);
    Ok(judgement)
}

/// Judges headers and data of the weight files, by the checksums of the tensors that were read and
/// found sound. This comes last, since a fault in a unit or a tensor says more.
pub(crate) fn judge_data(model: &CodedModel, written: &Written, checksums: &BTreeMap<String, u64>) -> Vec<Error> {
    let checkpoint = &model.checkpoint;
    let named: BTreeMap<&str, (u64, Digits, Digits)> = written
        .files
        .iter()
        .filter_map(|file| match file {
            OurFile::Weights { name, size, header, xxh3 } => Some((name.as_str(), (*size, *header, *xxh3))),
            _ => None,
        })
        .collect();
    let mut faults = Vec::new();
    for (index, file) in checkpoint.files.iter().enumerate() {
        let reader = &file.reader;
        let tensors = reader.header().tensors.iter().map(|(name, _)| name.as_str());
        // A file with an unsound tensor was already reported.
        let Some(data) = data_checksum(tensors, checksums) else { continue };
        let judged = match named.get(file.name.as_str()) {
            Some(&(size, header, expected)) => same_size(reader.path(), reader.file_bytes(), size)
                .and_then(|()| same_checksum(reader.path(), Digits(xxh3_64(reader.header_bytes())), header))
                .and_then(|()| same_checksum(reader.path(), data, expected)),
            // Nothing tells the former data of a main file whose tensors were laid out anew; each
            // tensor has its own checksum.
            None if checkpoint.record_file == Some(index) && !checkpoint.relaid => {
                same_checksum(reader.path(), data, written.data)
            }
            None => Ok(()),
        };
        faults.extend(judged.err());
    }
    faults
}

/// Reads a file and passes it to `take` in pieces, each with its offset.
///
/// # Errors
/// The file is missing, or is not the file that was written. `take` received at most `size` bytes.
pub(crate) fn read_checked(
    path: &Path,
    size: u64,
    xxh3: Digits,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    same_size(path, find(path)?, size)?;
    let (mut file, witness) = Witness::open(path)?;
    let (mut hash, mut done, mut buffer) = (Xxh3Default::new(), 0, vec![0; READ_BYTES]);
    loop {
        let bytes = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if bytes == 0 {
            break;
        }
        same_size(path, size.max(done + bytes as u64), size)?;
        hash.update(&buffer[..bytes]);
        take(done, &buffer[..bytes])?;
        done += bytes as u64;
    }
    witness.check()?;
    same_size(path, done, size)?;
    same_checksum(path, Digits(hash.digest()), xxh3)
}

/// One note of all files in a folder and below it that are not `ours`. Links are not followed.
pub(crate) fn strangers(folder: &Path, ours: &BTreeSet<String>) -> Result<Option<Note>, Error> {
    let mut found = Vec::new();
    list(folder, Path::new(""), 0, ours, &mut found)?;
    let more = found.len().saturating_sub(1);
    Ok(found.into_iter().next().map(|first| Note::Strangers { first, more }))
}

/// Does not enter the parts of a pipeline: their content is judged with the part.
fn list(
    folder: &Path,
    below: &Path,
    depth: usize,
    ours: &BTreeSet<String>,
    found: &mut Vec<String>,
) -> Result<(), Error> {
    for name in names(&folder.join(below))? {
        let relative = below.join(&name);
        let path = folder.join(&relative);
        let spelled = relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        if !is_folder {
            if !ours.contains(&spelled) {
                found.push(spelled);
            }
        } else if depth < MAX_DEPTH && !is_housekeeping(&name) && !(depth == 0 && ours.contains(&spelled)) {
            list(folder, &relative, depth + 1, ours, found)?;
        }
    }
    Ok(())
}

/// The size of a file of ours.
fn find(path: &Path) -> Result<u64, Error> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
        Ok(_) => Err(Error::FileDiffers { path: path.to_path_buf(), reason: FileReason::NotAFile }),
        Err(error) => match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                Err(Error::FileMissing { path: path.to_path_buf() })
            }
            _ => Err(Error::io("open", path)(error)),
        },
    }
}

fn same_size(path: &Path, found: u64, expected: u64) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::FileDiffers { path: path.to_path_buf(), reason: FileReason::Size { found, expected } })
}

fn same_checksum(path: &Path, found: Digits, expected: Digits) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    let reason = FileReason::Checksum { found: found.0, expected: expected.0 };
    Err(Error::FileDiffers { path: path.to_path_buf(), reason })
}
