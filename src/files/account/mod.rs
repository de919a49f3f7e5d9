//! The one account of a model: which files and tensors of INPUT are the model, what is missing,
//! what is carried along, and what is left out and why. Every verb and the reader open a model
//! through [`Checkpoint::open`], so all of them give the same answer.
//!
//! ```text
//! folder    every weight file of the folder, opened once
//!   -> kind              coded or BF16: by config.json, our metadata, or units among the tensors
//!        coded    the files that the record names; without a record, all of them
//!        sets     of a BF16 folder: the set of weight files that is the model
//!        beside   the other weight files: carried along, or left out with a note
//! ```
//!
//! Nothing is modified. Links are followed. Headers are parsed once.

mod beside;
mod coded;
mod folder;
mod kind;
mod sets;

use std::collections::BTreeMap;
use std::path::Path;

use super::checkpoint::{Checkpoint, Place, is_directory};
use super::file_names::{MAIN_FILES, shard_of};
use super::own::has_record;
use super::shapes::read_shapes;
use super::superseded;
use crate::error::{ModelReason, Promise};
use crate::safetensors::Reader;
use crate::{Error, Note};
use folder::Folder;
use kind::is_coded;
pub(crate) use sets::weight_map;
use sets::{Set, find_set};

impl Checkpoint {
    /// Opens the model at `path`, coded or not: a file, or a directory.
    ///
    /// # Errors
    /// It holds no model, or more than one; or a file of it is missing or cannot be read.
    pub fn open(path: &Path) -> Result<Checkpoint, Error> {
        if !is_directory(path)? {
            return open_file(path);
        }
        let folder = Folder::open(path)?;
        if is_coded(&folder) { coded::open(folder) } else { open_source(folder) }
    }

    /// Opens the BF16 model at `path`, which a DFloat11 model is compared with, or which gives
    /// shapes.
    ///
    /// # Errors
    /// As `open`; or it is a DFloat11 model.
    pub fn open_bf16(path: &Path) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint::open(path)?;
        if checkpoint.coded {
            return Err(Error::NotAModel { path: path.to_path_buf(), reason: ModelReason::NotTheSource });
        }
        Ok(checkpoint)
    }

    /// A directory with the shapes of a file of shapes, and no files to read.
    pub fn of_shapes(path: &Path) -> Result<Checkpoint, Error> {
        let mut checkpoint = Checkpoint::empty(path, true, MAIN_FILES[0]);
        checkpoint.add_shapes(read_shapes(path)?);
        Ok(checkpoint)
    }
}

fn open_file(path: &Path) -> Result<Checkpoint, Error> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut checkpoint = Checkpoint::empty(path, false, MAIN_FILES[0]);
    let reader = Reader::open(path)?;
    if let Some((_, _, of)) = shard_of(&name).filter(|(_, _, of)| *of > 1) {
        checkpoint.notes.push(Note::OneShard { file: name.clone(), of });
    }
    checkpoint.record_file = has_record(&reader.header().metadata).then_some(0);
    checkpoint.coded = folder::is_marked(&reader);
    checkpoint.add(name, reader, str::to_owned)?;
    if !checkpoint.coded {
        checkpoint.check_names()?;
    }
    Ok(checkpoint)
}

/// Opens a directory that holds a BF16 model.
fn open_source(mut folder: Folder) -> Result<Checkpoint, Error> {
    let small = folder.read_small()?;
    let Set { files, main_file, index, .. } = find_set(&folder, &small)?;
    let mut checkpoint = Checkpoint { small, ..Checkpoint::empty(&folder.path, true, main_file) };
    let (index, weight_map) = match index {
        Some((index, weight_map)) => (Some(index), weight_map),
        None => (None, BTreeMap::new()),
    };
    for name in &files {
        let reader = folder.take(name)?;
        // The index is the authority: a copy in a file that it does not name is superseded.
        let in_model = |tensor: &str| match weight_map.get(tensor) {
            Some(file) if file != name => superseded::name(tensor, name),
            _ => tensor.to_owned(),
        };
        checkpoint.add(name.clone(), reader, in_model)?;
    }
    let has_index = index.is_some();
    for (tensor, file) in weight_map {
        let is_elsewhere = |place: &Place| checkpoint.files[place.file].name != file;
        if checkpoint.tensors.get(&tensor).is_none_or(is_elsewhere) {
            let index = folder.path.join(index.unwrap_or_default());
            return Err(Error::TensorMissing {
                path: folder.path.join(file),
                tensor,
                promised_by: Promise::Index { index },
            });
        }
    }
    checkpoint.has_index = has_index;
    beside::add(&mut checkpoint, folder, &files)?;
    checkpoint.check_names()?;
    if checkpoint.superseded().next().is_some() {
        let tensors = checkpoint.superseded().count();
        checkpoint.notes.push(Note::Superseded { tensors });
    }
    Ok(checkpoint)
}
