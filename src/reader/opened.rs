//! The files of an opened model, and where each tensor lies in them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::shapes::Shapes;
use crate::Error;
use crate::error::Promise;
use crate::files::checkpoint::{Checkpoint, Place};
use crate::files::shapes::weights;
use crate::files::superseded::is_superseded;
use crate::naming::pattern::PatternDict;
use crate::record::coded::{CodedModel, CodedUnit};
use crate::record::matrices::Naming;
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
    pub fn open(path: &Path, like: Option<&Path>, patterns: Option<&PatternDict>) -> Result<Opened, Error> {
        let checkpoint = Checkpoint::open(path)?;
        if !checkpoint.coded {
            return Ok(Opened::plain(checkpoint));
        }
        let like = like.map(Checkpoint::open).transpose()?;
        Opened::coded(with_sound_record(CodedModel::of(checkpoint)?)?, like.as_ref(), patterns)
    }

    fn plain(checkpoint: Checkpoint) -> Opened {
        let own = checkpoint.tensors.iter().filter(|(name, _)| !is_superseded(name));
        let tensors = own.map(|(name, place)| (name.clone(), Found::Raw(place.clone())));
        let tensors = tensors.collect();
        Opened { checkpoint, units: Vec::new(), matrices: Vec::new(), tensors, unnamed: None }
    }

    fn coded(model: CodedModel, like: Option<&Checkpoint>, patterns: Option<&PatternDict>) -> Result<Opened, Error> {
        let (naming, shapes) = (Naming::of(&model, patterns)?, Shapes::new(&model, like));
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
            for matrix in found {
                let count = matrix.weights.end - matrix.weights.start;
                let recorded = record.and_then(|record| record.tensors.get(&matrix.tensor));
                let (dtype, shape) = match recorded {
                    Some(recorded) if weights(&recorded.shape) != Some(count) => {
                        return Err(Error::TensorUnfit {
                            path: model.unit_path(unit),
                            tensor: matrix.tensor,
                            found: format!("{count} weights"),
                            expected: format!("{:?}, by the record of the source", recorded.shape),
                        });
                    }
                    Some(recorded) => (Dtype::named(&recorded.dtype), Some(recorded.shape.clone())),
                    None => (Dtype::named("BF16"), shapes.of(&matrix.tensor, count)),
                };
                names.push(matrix.tensor.clone());
                let found = Found::Coded { unit: index, weights: matrix.weights, dtype, shape };
                if tensors.insert(matrix.tensor.clone(), found).is_some() {
                    return Err(twice(&model, &matrix.tensor));
                }
            }
            matrices.push(names);
        }
        for name in model.raw.iter().filter(|name| !is_superseded(name)) {
            let place = model.checkpoint.tensors[name].clone();
            if tensors.insert(name.clone(), Found::Raw(place)).is_some() {
                return Err(twice(&model, name));
            }
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

/// The model, unless its record is damaged or a file of its own cannot be read: names and shapes from
/// elsewhere would be guesses, and a part of a model is not the model.
fn with_sound_record(mut model: CodedModel) -> Result<CodedModel, Error> {
    if let Some((_, error)) = model.checkpoint.unreadable.pop() {
        return Err(error);
    }
    Ok(CodedModel { record: Ok(model.record?), ..model })
}

fn twice(model: &CodedModel, tensor: &str) -> Error {
    let path = model.checkpoint.main_path();
    Error::TensorTwice { tensor: tensor.to_owned(), first: path.clone(), second: path }
}
