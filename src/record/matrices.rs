//! Names the matrices of a coded unit. The layout holds neither their names nor their shapes.
//!
//! The record of the source names them. Without a record, the given patterns do, then the model's
//! own `pattern_dict`. Without any of these, the matrix of a unit of one matrix is its module's
//! `.weight`, and a numbered block of seven matrices is a Llama block.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use df11_core::bf16;

use super::coded::{CodedModel, CodedUnit};
use super::config::PATTERN_DICT;
use super::source::Record;
use crate::Error;
use crate::error::{MatricesReason, PatternReason, RecordReason};
use crate::files::dotted::{is_decimal, parent_and_last};
use crate::files::own::UNITS_KEY;
use crate::naming::pattern::PatternDict;
use crate::naming::units::{LLAMA_ATTRIBUTES, UnitSpec};
use crate::safetensors::MAX_HEADER_BYTES;

/// Bytes that an entry of a header has besides the tensor's name, about.
const ENTRY_BYTES: usize = 64;

/// Names the matrices of a model's units, one unit after the other.
pub(crate) struct Naming<'a> {
    by: By<'a>,
    /// Bytes that names by patterns may still take.
    room: u64,
}

/// Where the names come from.
enum By<'a> {
    Record(&'a Record),
    /// Patterns, and for the units that one matches its number.
    Patterns(PatternDict, BTreeMap<String, usize>),
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
        let by = match (&model.record, given, &model.dfloat11_config) {
            (Ok(Some(record)), ..) => By::Record(record),
            (_, Some(given), _) => By::patterns(given.clone(), model)?,
            (.., Some((config, path))) if !config[PATTERN_DICT].is_null() => {
                By::patterns(PatternDict::from_json(&config[PATTERN_DICT], path)?, model)?
            }
            _ => By::Guess,
        };
        Ok(Naming { by, room: MAX_HEADER_BYTES })
    }

    /// Whether the names come from the record of the source.
    pub fn is_by_record(&self) -> bool {
        matches!(self.by, By::Record(_))
    }

    /// The names of all tensors of a model. A unit whose matrices have no names stands for itself.
    pub fn names(&mut self, model: &CodedModel) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = model.raw.iter().cloned().collect();
        for unit in &model.units {
            match self.matrices(model, unit) {
                Ok(matrices) => names.extend(matrices.into_iter().map(|matrix| matrix.tensor)),
                Err(_) => drop(names.insert(format!("{}.?.?", unit.name))),
            }
        }
        names
    }

    /// The matrices of a unit, in the order of its stream.
    ///
    /// # Errors
    /// Nothing names them, or the number of names differs.
    pub fn matrices(&mut self, model: &CodedModel, unit: &CodedUnit) -> Result<Vec<Matrix>, Error> {
        let tensors = match &self.by {
            By::Record(record) => by_record(record, model, unit)?,
            By::Patterns(patterns, found) => {
                let attributes = found.get(&unit.name).map(|&pattern| patterns.attributes(pattern));
                by_attributes(attributes, model, unit, &mut self.room)?
            }
            By::Guess => guessed(model, unit)?,
        };
        let ranges = model.splits(unit)?;
        Ok(tensors.into_iter().zip(ranges).map(|(tensor, weights)| Matrix { tensor, weights }).collect())
    }
}

fn by_record(record: &Record, model: &CodedModel, unit: &CodedUnit) -> Result<Vec<String>, Error> {
    let reason = match record.units.get(&unit.name) {
        None => RecordReason::UnitUnknown { unit: unit.name.clone() },
        Some(tensors) if tensors.len() == unit.matrices => return Ok(tensors.clone()),
        Some(tensors) => {
            RecordReason::Matrices { unit: unit.name.clone(), found: unit.matrices, expected: tensors.clone() }
        }
    };
    Err(Error::Record { path: model.checkpoint.main_path(), key: UNITS_KEY.to_owned(), reason })
}

impl By<'_> {
    fn patterns(patterns: PatternDict, model: &CodedModel) -> Result<Self, Error> {
        let units = model.units.iter().map(|unit| unit.name.as_str()).collect();
        let found = patterns.first_matches(&units)?.into_iter();
        let found = found.map(|(unit, pattern)| (unit.to_owned(), pattern)).collect();
        Ok(By::Patterns(patterns, found))
    }
}

/// One pattern of a few bytes gives names to any number of units. So the numbers of matrices are
/// compared before names are made, and all names together may take as many bytes as in a header:
/// the source had them in its own.
fn by_attributes(
    attributes: Option<&[String]>,
    model: &CodedModel,
    unit: &CodedUnit,
    room: &mut u64,
) -> Result<Vec<String>, Error> {
    let Some(attributes) = attributes else {
        return Err(unknown(model, unit, MatricesReason::NoPattern));
    };
    // Without attributes, the module's own `.weight` is the only matrix.
    let (found, expected) = (unit.matrices, attributes.len().max(1));
    if found != expected {
        return Err(unknown(model, unit, MatricesReason::Number { found, expected }));
    }
    let attribute_bytes: usize = attributes.iter().map(String::len).sum();
    let bytes = expected.saturating_mul(unit.name.len() + ENTRY_BYTES).saturating_add(attribute_bytes);
    *room = room
        .checked_sub(bytes as u64)
        .ok_or(Error::Pattern { pattern: None, reason: PatternReason::TooManyNames { most: MAX_HEADER_BYTES } })?;
    Ok(UnitSpec::tensor_names(&unit.name, attributes))
}

fn guessed(model: &CodedModel, unit: &CodedUnit) -> Result<Vec<String>, Error> {
    match unit.matrices {
        1 => Ok(UnitSpec::tensor_names(&unit.name, &[])),
        matrices if matrices == LLAMA_ATTRIBUTES.len() && is_decimal(parent_and_last(&unit.name).1) => {
            Ok(UnitSpec::tensor_names(&unit.name, &LLAMA_ATTRIBUTES.map(str::to_owned)))
        }
        matrices => Err(unknown(model, unit, MatricesReason::NoNames { matrices })),
    }
}

fn unknown(model: &CodedModel, unit: &CodedUnit, reason: MatricesReason) -> Error {
    Error::MatricesUnknown { path: model.unit_path(unit), unit: unit.name.clone(), reason }
}

/// The matrices that overlap a tile beginning at weight `first`. Yields (matrix index, offset
/// within that matrix, weights). Their ranges ascend, so the first one is searched for.
pub(crate) fn matrices_of_tile<'a>(
    matrices: &'a [Matrix],
    first: u64,
    tile: &'a [bf16],
) -> impl Iterator<Item = (usize, u64, &'a [bf16])> {
    let end = first + tile.len() as u64;
    let before = matrices.partition_point(|matrix| matrix.weights.end <= first);
    let overlapping = matrices[before..].iter().take_while(move |matrix| matrix.weights.start < end);
    overlapping.enumerate().filter_map(move |(index, matrix)| {
        let (from, to) = (matrix.weights.start.max(first), matrix.weights.end.min(end));
        let weights = tile.get((from - first) as usize..(to - first) as usize)?;
        (!weights.is_empty()).then_some((before + index, from - matrix.weights.start, weights))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::sampling::scatter;

    #[test]
    fn a_tile_finds_the_matrices_that_trying_each_finds() {
        for seed in 0..2000 {
            let number = |at: u64, most: u64| scatter(100 * seed + at) % most;
            let mut ends: Vec<u64> = (0..number(0, 12)).map(|at| number(1 + at, 40)).collect();
            ends.sort_unstable();
            let matrices: Vec<Matrix> = std::iter::once(0)
                .chain(ends.iter().copied())
                .zip(ends.iter().copied().chain([40]))
                .map(|(start, end)| Matrix { tensor: String::new(), weights: start..end })
                .collect();
            let (first, tile) = (number(20, 40), vec![bf16::ZERO; number(21, 41) as usize]);
            let tile = &tile[..tile.len().min(40 - first as usize)];
            let expected: Vec<_> = (0..matrices.len())
                .filter_map(|index| {
                    let weights = &matrices[index].weights;
                    let (from, to) = (weights.start.max(first), weights.end.min(first + tile.len() as u64));
                    (from < to).then(|| (index, from - weights.start, (to - from) as usize))
                })
                .collect();
            let found: Vec<_> = matrices_of_tile(&matrices, first, tile)
                .map(|(index, offset, weights)| (index, offset, weights.len()))
                .collect();
            assert_eq!(found, expected, "{matrices:?}, {} from {first} on", tile.len());
        }
    }
}
