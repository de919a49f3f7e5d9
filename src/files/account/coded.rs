//! The files of a DFloat11 directory: those that its record names. Without a record, all of them,
//! since readers look tensors up by name.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::folder::Folder;
use crate::Error;
use crate::error::{FileReason, ModelReason};
use crate::files::checkpoint::Checkpoint;
use crate::files::file_names::MAIN_FILES;
use crate::files::our_files::Digits;
use crate::files::own::{Own, has_record};
use crate::files::weight_files::no_weights;
use crate::safetensors::Reader;

/// A file by name: opened, or the reason why it cannot be.
type Opened = (String, Result<Reader, Error>);

/// Opens a DFloat11 directory.
pub(super) fn open(folder: Folder) -> Result<Checkpoint, Error> {
    let path = folder.path.clone();
    let not_a_model = |reason| Error::NotAModel { path: path.clone(), reason };
    let opened: Vec<Opened> = folder.rest().collect();
    if opened.is_empty() {
        return Err(not_a_model(no_weights(&path)?));
    }
    let main_file = MAIN_FILES.into_iter().find(|main| opened.iter().any(|(name, _)| name == main));
    let mut checkpoint = Checkpoint::empty(&path, true, main_file.unwrap_or(MAIN_FILES[0]));
    checkpoint.coded = true;
    let record = record_among(&opened, checkpoint.main_file).map_err(not_a_model)?;
    let own = record.and_then(|(_, reader)| Own::of(&reader.header().metadata));
    let record = record.map(|(name, _)| name.to_owned());
    match own {
        Some(own) => add_own(&mut checkpoint, opened, &own, record.as_deref(), &path)?,
        None => {
            for (name, reader) in opened {
                add(&mut checkpoint, name, reader?, record.as_deref())?;
            }
        }
    }
    Ok(checkpoint)
}

/// Adds the files that the record names, and those to which its tensors were moved.
fn add_own(
    checkpoint: &mut Checkpoint,
    opened: Vec<Opened>,
    own: &Own,
    record: Option<&str>,
    path: &Path,
) -> Result<(), Error> {
    let mut others = Vec::new();
    for (name, reader) in opened.into_iter().filter(|(name, _)| !own.copied.contains(name)) {
        let header = own.files.get(&name);
        match reader {
            Ok(reader) if record == Some(&name) => add(checkpoint, name, reader, record)?,
            Ok(reader) if is_header(&reader, header) => add(checkpoint, name, reader, None)?,
            Ok(reader) => others.push((name, reader)),
            Err(_) if header.is_none() => checkpoint.strangers.push(name),
            Err(error @ Error::Unreadable { .. }) => checkpoint.unreadable.push((name, error)),
            Err(error) => return Err(error),
        }
    }
    for (name, reader) in others {
        let is_named = own.files.contains_key(&name);
        let holds_none_of =
            |tensors: &[(String, _)]| tensors.iter().all(|(name, _)| !checkpoint.tensors.contains_key(name));
        if own.holds(reader.header()) && holds_none_of(&reader.header().tensors) {
            // These are the model's tensors, but in another file than the one that was written.
            checkpoint.relaid |= !is_named;
            add(checkpoint, name, reader, None)?;
        } else if is_named {
            let path = path.join(&name);
            checkpoint.unreadable.push((name, Error::FileDiffers { path, reason: FileReason::OtherTensors }));
        } else {
            checkpoint.strangers.push(name);
        }
    }
    Ok(())
}

/// Adds a file. `record` names the file that holds the record.
fn add(checkpoint: &mut Checkpoint, name: String, reader: Reader, record: Option<&str>) -> Result<(), Error> {
    if record == Some(&name) {
        checkpoint.record_file = Some(checkpoint.files.len());
    }
    checkpoint.add(name, reader, str::to_owned)
}

/// The file with the record: the main file, or another one if the user renamed it.
fn record_among<'a>(opened: &'a [Opened], main_file: &str) -> Result<Option<(&'a str, &'a Reader)>, ModelReason> {
    let holders: Vec<(&str, &Reader)> = opened
        .iter()
        .filter_map(|(name, reader)| Some((name.as_str(), reader.as_ref().ok()?)))
        .filter(|(_, reader)| has_record(&reader.header().metadata))
        .collect();
    match (holders.iter().find(|(name, _)| *name == main_file), holders.as_slice()) {
        (Some(main), _) | (None, [main]) => Ok(Some(*main)),
        (None, []) => Ok(None),
        (None, many) => Err(ModelReason::SeveralModels { models: many.len() }),
    }
}

/// Whether the header of a file is the one that was written.
fn is_header(reader: &Reader, expected: Option<&Digits>) -> bool {
    Some(&Digits(xxh3_64(reader.header_bytes()))) == expected
}
