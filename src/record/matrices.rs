//! Names the matrices of a coded unit. The layout holds neither their names nor their shapes.
//!
//! The record of the source names them. Without a record, the given patterns do, then the model's
//! own `pattern_dict`. Without any of these, the matrix of a unit of one matrix is its module's
//! `.weight`, and a numbered block of seven matrices is a Llama block.

use std::ops::Range;

use df11_core::bf16;

use super::coded::{CodedModel, CodedUnit};
use super::source::Record;
use crate::Error;
use crate::error::{MatricesReason, RecordReason};
use crate::files::dotted::{is_decimal, parent_and_last};
use crate::files::own::UNITS_KEY;
use crate::naming::pattern::PatternDict;
use crate::naming::units::{LLAMA_ATTRIBUTES, UnitSpec};

/// Where the names come from.
pub(crate) enum Naming<'a> {
    Record(&'a Record),
    Patterns(PatternDict),
    Guess,
}

/// One matrix of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    /// The name of its tensor in the source.
    pub tensor: String,
    /// Its range of weights in the unit.
    pub weights: Range<u64>,
}

impl<'a> Naming<'a> {
    /// The best source of names that a model offers.
    ///
    /// # Errors
    /// `pattern_dict` is needed and cannot be used.
    pub fn of(model: &'a CodedModel, given: Option<&PatternDict>) -> Result<Self, Error> {
        Ok(match (&model.record, given, &model.dfloat11_config) {
            (Ok(Some(record)), ..) => Naming::Record(record),
            (_, Some(given), _) => Naming::Patterns(given.clone()),
            (.., Some(config)) => {
                Naming::Patterns(PatternDict::from_json(&config["pattern_dict"], &model.checkpoint.main_path())?)
            }
            _ => Naming::Guess,
        })
    }

    /// The matrices of a unit, in the order of its stream.
    ///
    /// # Errors
    /// Nothing names them, or the number of names differs.
    pub fn matrices(&self, model: &CodedModel, unit: &CodedUnit) -> Result<Vec<Matrix>, Error> {
        let ranges = model.splits(unit)?;
        let unknown =
            |reason| Err(Error::MatricesUnknown { path: model.unit_path(unit), unit: unit.name.clone(), reason });
        let contradicted = |reason| {
            let (path, key) = (model.checkpoint.main_path(), UNITS_KEY.to_owned());
            Err(Error::Record { path, key, reason })
        };
        let tensors = match self {
            Naming::Record(record) => match record.units.get(&unit.name) {
                Some(tensors) => tensors.clone(),
                None => return contradicted(RecordReason::UnitUnknown { unit: unit.name.clone() }),
            },
            Naming::Patterns(patterns) => match patterns.attributes(&unit.name) {
                Some(attributes) => UnitSpec::tensor_names(&unit.name, attributes),
                None => return unknown(MatricesReason::NoPattern),
            },
            Naming::Guess if ranges.len() == 1 => UnitSpec::tensor_names(&unit.name, &[]),
            Naming::Guess if ranges.len() == LLAMA_ATTRIBUTES.len() && is_decimal(parent_and_last(&unit.name).1) => {
                UnitSpec::tensor_names(&unit.name, &LLAMA_ATTRIBUTES.map(str::to_owned))
            }
            Naming::Guess => return unknown(MatricesReason::NoNames { matrices: ranges.len() }),
        };
        if tensors.len() != ranges.len() {
            let (found, expected) = (ranges.len(), tensors);
            return match self {
                Naming::Record(_) => contradicted(RecordReason::Matrices { unit: unit.name.clone(), found, expected }),
                _ => unknown(MatricesReason::Number { found, expected }),
            };
        }
        Ok(tensors.into_iter().zip(ranges).map(|(tensor, weights)| Matrix { tensor, weights }).collect())
    }
}

/// The matrices that overlap a tile beginning at weight `first`. Yields (matrix index, offset
/// within that matrix, weights).
pub(crate) fn matrices_of_tile<'a>(
    matrices: &'a [Matrix],
    first: u64,
    tile: &'a [bf16],
) -> impl Iterator<Item = (usize, u64, &'a [bf16])> {
    matrices.iter().enumerate().filter_map(move |(index, matrix)| {
        let begin = matrix.weights.start.max(first);
        let end = matrix.weights.end.min(first + tile.len() as u64);
        let weights = tile.get((begin - first) as usize..end.checked_sub(first)? as usize)?;
        (!weights.is_empty()).then_some((index, begin - matrix.weights.start, weights))
    })
}
