//! Finds the units of a model by the patterns that the user gave.

use std::collections::BTreeSet;

use super::pattern::PatternDict;
use super::units::{MAX_COMPONENTS, UnitSpec};
use crate::Error;
use crate::error::{PatternReason, Promise};
use crate::files::checkpoint::Checkpoint;
use crate::files::dotted::{natural_order, parent_and_last, prefixes};
use crate::files::shapes::weights;
use crate::shown::shown;

/// Finds the units of a model by the patterns that the user gave.
///
/// # Errors
/// A pattern matches a module that lacks a matrix which the pattern lists, or two units share a
/// matrix, or matching takes too long.
pub(crate) fn units_by_pattern(source: &Checkpoint, patterns: &PatternDict) -> Result<Vec<UnitSpec>, Error> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut units = Vec::new();
    for (module, pattern) in patterns.first_matches(&modules(source))? {
        let attributes = patterns.attributes(pattern);
        let tensors = UnitSpec::tensor_names(module, attributes);
        let mut all = 0_u64;
        for tensor in &tensors {
            let Some(place) = source.tensors.get(tensor) else {
                let promised_by = Promise::Pattern { module: module.to_owned() };
                return Err(Error::TensorMissing { path: source.path.clone(), tensor: tensor.clone(), promised_by });
            };
            let unfit = |expected: &str| Error::TensorUnfit {
                path: source.path_of(place),
                tensor: tensor.clone(),
                found: format!("{} {:?}", place.info.dtype, place.info.shape),
                expected: format!("{expected}; change the pattern that matches module `{}`", shown(module)),
            };
            let holds_bf16 = place.info.dtype.is_bf16() || source.disguised.contains_key(tensor);
            let count = weights(&place.info.shape).filter(|&count| count > 0 && holds_bf16);
            all = all.saturating_add(count.ok_or_else(|| unfit("a BF16 tensor with weights"))?);
            if !taken.insert(tensor.clone()) {
                return Err(unfit("a tensor of one unit only"));
            }
        }
        units.push(UnitSpec { name: module.to_owned(), attributes: attributes.to_vec(), tensors, weights: all });
    }
    units.sort_by(|a, b| natural_order(&a.name, &b.name));
    Ok(units)
}

/// The patterns that match no module of these models.
///
/// # Errors
/// No pattern matches one, or matching takes too long.
pub(crate) fn unmatched<'a>(
    models: impl Iterator<Item = &'a Checkpoint>,
    patterns: &PatternDict,
) -> Result<Vec<String>, Error> {
    let unmatched = patterns.unmatched(&models.flat_map(modules).collect())?;
    match unmatched.len() == patterns.len() {
        true => Err(Error::Pattern { pattern: None, reason: PatternReason::NothingMatched }),
        false => Ok(unmatched),
    }
}

/// The modules that may be units.
fn modules(source: &Checkpoint) -> BTreeSet<&str> {
    source.infos().flat_map(|(tensor, _)| prefixes(parent_and_last(tensor).0).take(MAX_COMPONENTS)).collect()
}
