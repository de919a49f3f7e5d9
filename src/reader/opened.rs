//! The files of an opened model, and where each tensor lies in them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::shapes::Shapes;
use crate::Error;
use crate::error::{Promise, RecordReason};
use crate::files::checkpoint::{Checkpoint, Place};
use crate::files::own::TENSORS_KEY;
use crate::files::shapes::weights;
use crate::files::spelling::Spelling;
use crate::files::superseded::is_superseded;
use crate::naming::pattern::PatternDict;
use crate::record::coded::{CodedModel, CodedUnit};
use crate::record::matrices::{Matrix, Naming};
use crate::record::source::{Record, TensorRecord};
use crate::safetensors::Dtype;

/// The part that `Model` and everything obtained from it share.
#[derive(Debug)]
pub(super) struct Opened {
    /// The weight files.
    pub checkpoint: Checkpoint,
    /// The units. Empty for a BF16 model.
    pub units: Vec<CodedUnit>,
    /// The names of each unit's matrices, in the order of its stream.
    pub matrices: Vec<Vec<String>>,
    /// Every tensor, by its name before the model was compressed.
    pub tensors: BTreeMap<String, Found>,
    /// Why matrices have no names, for the first unit without them.
    pub unnamed: Option<Error>,
}

/// Where a tensor lies.
#[derive(Debug)]
pub(super) enum Found {
    /// In a unit.
    Coded { unit: usize, weights: Range<u64>, dtype: Dtype, shape: Option<Vec<u64>> },
    /// In a file, unchanged.
    Raw(Place),
}

impl Opened {
    pub fn of(checkpoint: Checkpoint, like: Option<&Path>, patterns: Option<&PatternDict>) -> Result<Opened, Error> {
        if !checkpoint.coded {
            return Ok(Opened::plain(checkpoint));
        }
        let model = with_sound_record(CodedModel::of(checkpoint)?)?;
        let mut like = like.map(Checkpoint::open_bf16).transpose()?;
        if let Some(like) = &mut like {
            like.match_prefix(&Naming::of(&model, patterns)?.names(&model));
        }
        Opened::coded(model, like.as_ref(), patterns)
    }

    fn plain(checkpoint: Checkpoint) -> Opened {
        let own = checkpoint.tensors.iter().filter(|(name, _)| !is_superseded(name));
        let tensors = own.map(|(name, place)| (name.clone(), Found::Raw(place.clone())));
        let tensors = tensors.collect();
        Opened { checkpoint, units: Vec::new(), matrices: Vec::new(), tensors, unnamed: None }
    }

    fn coded(model: CodedModel, like: Option<&Checkpoint>, patterns: Option<&PatternDict>) -> Result<Opened, Error> {
        let (mut naming, shapes) = (Naming::of(&model, patterns)?, Shapes::new(&model, like));
        let record = model.record.as_ref().ok().and_then(Option::as_ref);
        let (mut matrices, mut tensors, mut unnamed) = (Vec::new(), BTreeMap::new(), None);
        for (index, unit) in model.units.iter().enumerate() {
            let found = match naming.matrices(&model, unit) {
                Err(error @ Error::MatricesUnknown { .. }) => {
                    unnamed.get_or_insert(error);
                    Vec::new()
                }
                found => found?,
            };
            let mut names = Vec::with_capacity(found.len());
            for Matrix { tensor, weights } in found {
                let count = weights.end - weights.start;
                let (dtype, shape) = match record {
                    Some(record) => recorded(record, &model, unit, &tensor, count)?,
                    None => (Dtype::named("BF16"), shapes.of(&tensor, count)),
                };
                names.push(tensor.clone());
                insert(&mut tensors, &model, tensor, Found::Coded { unit: index, weights, dtype, shape })?;
            }
            matrices.push(names);
        }
        for name in model.raw.iter().filter(|name| !is_superseded(name)) {
            let place = &model.checkpoint.tensors[name];
            record.map_or(Ok(()), |record| check_raw(record, &model, name, place))?;
            insert(&mut tensors, &model, name.clone(), Found::Raw(place.clone()))?;
        }
        if let Some(missing) = record
            .and_then(|record| record.tensors.keys().find(|name| !tensors.contains_key(*name) && !is_superseded(name)))
        {
            let (path, promised_by) = (model.checkpoint.main_path(), Promise::Record);
            return Err(Error::TensorMissing { path, tensor: missing.clone(), promised_by });
        }
        let CodedModel { checkpoint, units, .. } = model;
        Ok(Opened { checkpoint, units, matrices, tensors, unnamed })
    }
}

/// Dtype and shape of a coded tensor of `count` weights, as the record states them.
///
/// # Errors
/// The record does not name the tensor, or states what such a tensor cannot have been.
fn recorded(
    record: &Record,
    model: &CodedModel,
    unit: &CodedUnit,
    tensor: &str,
    count: u64,
) -> Result<(Dtype, Option<Vec<u64>>), Error> {
    let known = known(record, model, tensor)?;
    if Spelling::of(&known.dtype).is_none() || weights(&known.shape) != Some(count) {
        return Err(unfit(model.unit_path(unit), tensor, format!("{count} coded weights"), known));
    }
    Ok((Dtype::named(&known.dtype), Some(known.shape.clone())))
}

/// Checks that a raw tensor has the dtype and the shape that the record states.
fn check_raw(record: &Record, model: &CodedModel, tensor: &str, place: &Place) -> Result<(), Error> {
    let (known, info) = (known(record, model, tensor)?, &place.info);
    if known.dtype == info.dtype.name() && known.shape == info.shape {
        return Ok(());
    }
    let path = model.checkpoint.reader(place).path().to_path_buf();
    Err(unfit(path, tensor, format!("{} {:?}", info.dtype, info.shape), known))
}

fn known<'a>(record: &'a Record, model: &CodedModel, tensor: &str) -> Result<&'a TensorRecord, Error> {
    record.tensors.get(tensor).ok_or_else(|| {
        let reason = RecordReason::TensorUnknown { tensor: tensor.to_owned() };
        Error::Record { path: model.checkpoint.main_path(), key: TENSORS_KEY.to_owned(), reason }
    })
}

fn unfit(path: PathBuf, tensor: &str, found: String, known: &TensorRecord) -> Error {
    let expected = format!("{} {:?}, by the record of the source", known.dtype, known.shape);
    Error::TensorUnfit { path, tensor: tensor.to_owned(), found, expected }
}

/// Adds a tensor, unless another one has its name.
fn insert(tensors: &mut BTreeMap<String, Found>, model: &CodedModel, name: String, found: Found) -> Result<(), Error> {
    let path = |found: &Found| match found {
        Found::Coded { unit, .. } => model.unit_path(&model.units[*unit]),
        Found::Raw(place) => model.checkpoint.reader(place).path().to_path_buf(),
    };
    match tensors.entry(name) {
        Entry::Vacant(entry) => drop(entry.insert(found)),
        Entry::Occupied(other) => {
            let (tensor, first, second) = (other.key().clone(), path(other.get()), path(&found));
            return Err(Error::TensorTwice { tensor, first, second });
        }
    }
    Ok(())
}

/// The model, unless its record is damaged or a file of its own cannot be read: names and shapes from
/// elsewhere would be guesses, and a part of a model is not the model.
fn with_sound_record(mut model: CodedModel) -> Result<CodedModel, Error> {
    if let Some((_, error)) = model.checkpoint.unreadable.pop() {
        return Err(error);
    }
    Ok(CodedModel { record: Ok(model.record?), ..model })
}
