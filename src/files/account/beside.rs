//! The weight files of a folder that are not the model.
//!
//! ```text
//! a set with every tensor of the model       another split or precision: left out
//! the same weights under other names         left out (Mistral's form beside that of transformers)
//! no tensor of the model                     carried along as it is: tools may load it too
//! some tensors of the model                  carried along in the model, as superseded tensors
//! a DFloat11 model, or not safetensors       left out
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::folder::{Folder, is_marked};
use crate::files::checkpoint::Checkpoint;
use crate::files::file_names::{is_consolidated, shard_of};
use crate::files::superseded::{self, is_superseded};
use crate::safetensors::Reader;
use crate::{Error, Note};

/// Adds what lies beside the model in `set`.
pub(super) fn add(checkpoint: &mut Checkpoint, folder: Folder, set: &[String]) -> Result<(), Error> {
    let mut readers = Vec::new();
    for (file, reader) in folder.rest() {
        match reader {
            Ok(reader) if is_marked(&reader) => checkpoint.notes.push(Note::NotOfModel { file }),
            Ok(_) if is_consolidated(&file) && !set.iter().all(|name| is_consolidated(name)) => {
                checkpoint.notes.push(Note::OtherForm { file });
            }
            Ok(reader) => readers.push((file, reader)),
            Err(Error::Unreadable { fault, .. }) => {
                let found = format!("not a readable safetensors file ({fault})");
                checkpoint.notes.push(Note::NotRead { file, found });
            }
            Err(error) => return Err(error),
        }
    }
    let sets = other_sets(checkpoint, &readers);
    for (file, reader) in readers {
        if sets.contains(&set_of(&file)) {
            checkpoint.notes.push(Note::OtherSet { file });
        } else if file != checkpoint.main_file && tensors(&reader).all(|name| !checkpoint.tensors.contains_key(name)) {
            checkpoint.carried.insert(file);
        } else {
            let in_model = |tensor: &str| superseded::name(tensor, &file);
            checkpoint.add(file.clone(), reader, in_model)?;
        }
    }
    Ok(())
}

/// The sets among these files that hold every tensor of the model in the same shapes, and no other.
fn other_sets(checkpoint: &Checkpoint, readers: &[(String, Reader)]) -> BTreeSet<String> {
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut others: BTreeSet<String> = BTreeSet::new();
    for (file, reader) in readers {
        let names = found.entry(set_of(file)).or_default();
        for (name, info) in &reader.header().tensors {
            match checkpoint.tensors.get(name) {
                Some(place) if place.info.shape == info.shape => drop(names.insert(name)),
                _ => drop(others.insert(set_of(file))),
            }
        }
    }
    let all = checkpoint.tensors.keys().filter(|name| !is_superseded(name)).count();
    found.into_iter().filter(|(set, names)| names.len() == all && !others.contains(set)).map(|(set, _)| set).collect()
}

/// What the shards of one set have in common; a file alone is its own set.
fn set_of(file: &str) -> String {
    shard_of(file).map_or_else(|| file.to_owned(), |(stem, _, of)| format!("{stem} of {of}"))
}

fn tensors(reader: &Reader) -> impl Iterator<Item = &str> {
    reader.header().tensors.iter().map(|(name, _)| name.as_str())
}
