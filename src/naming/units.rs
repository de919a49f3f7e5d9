//! A unit before it is coded: what it is called, what it is made of. The matrices of a Llama-like block come in the published order.

use std::collections::BTreeSet;

use super::names::{WEIGHT_SUFFIX, natural_order, parent_and_last, prefixes};
use super::owners::MAX_COMPONENTS;
use super::pattern::PatternDict;
use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::shown::shown;

/// Fewest weights of a matrix outside blocks that is worth six tensors and a file: below, tables and paddings eat what coding saves.
pub(crate) const MIN_LONE_WEIGHTS: u64 = 16_384;

/// The matrices of a Llama-like block in the order of the published tool.
pub(crate) const LLAMA_ATTRIBUTES: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

/// What is coded as one stream.
///
/// A unit of the extension is one tensor of any shape and name, and is called by that tensor's whole name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnitSpec {
    /// The module path.
    pub name: String,
    /// The matrices' paths below the module; empty where the one matrix is the module's own `.weight`.
    pub attributes: Vec<String>,
    /// The matrices' tensors in the order of the stream.
    pub tensors: Vec<String>,
    /// Weights of all of them.
    pub weights: u64,
}

impl UnitSpec {
    /// Whether the unit is of the extension, which the published loader cannot read.
    pub fn is_extension(&self) -> bool {
        self.tensors.first() == Some(&self.name)
    }

    /// The tensors that a unit of that name and those attributes is made of.
    pub fn tensor_names(name: &str, attributes: &[String]) -> Vec<String> {
        if attributes.is_empty() {
            return vec![format!("{name}{WEIGHT_SUFFIX}")];
        }
        attributes.iter().map(|attribute| format!("{name}.{attribute}{WEIGHT_SUFFIX}")).collect()
    }
}

/// Weights of a tensor; `None` past 2^64.
pub(crate) fn weights(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size))
}

/// The units of a model by the patterns that a user gave.
///
/// # Errors
/// A pattern matches a module without the matrices that it lists, or two units share a matrix.
pub(crate) fn units_by_pattern(source: &Checkpoint, patterns: &PatternDict) -> Result<Vec<UnitSpec>, Error> {
    let modules: BTreeSet<&str> =
        source.tensors.keys().flat_map(|tensor| prefixes(parent_and_last(tensor).0).take(MAX_COMPONENTS)).collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut units = Vec::new();
    for module in modules {
        let Some(attributes) = patterns.attributes(module) else { continue };
        let tensors = UnitSpec::tensor_names(module, attributes);
        let mut all = 0;
        for tensor in &tensors {
            let Some(place) = source.tensors.get(tensor) else {
                let promised_by = format!("a pattern that matches module `{}`", shown(module));
                return Err(Error::TensorMissing { path: source.path.clone(), tensor: tensor.clone(), promised_by });
            };
            let unfit = |expected: &str| Error::TensorUnfit {
                path: source.reader(place).path().to_path_buf(),
                tensor: tensor.clone(),
                found: format!("{} {:?}", place.info.dtype, place.info.shape),
                expected: format!("{expected}; change the pattern that matches module `{}`", shown(module)),
            };
            let holds_bf16 = place.info.dtype.is_bf16() || source.disguised.contains_key(tensor);
            let count = weights(&place.info.shape).filter(|&count| count > 0 && holds_bf16);
            all += count.ok_or_else(|| unfit("a BF16 tensor with weights"))?;
            if !taken.insert(tensor.clone()) {
                return Err(unfit("a tensor of one unit only"));
            }
        }
        units.push(UnitSpec { name: module.to_owned(), attributes: attributes.to_vec(), tensors, weights: all });
    }
    units.sort_by(|a, b| natural_order(&a.name, &b.name));
    Ok(units)
}

/// Puts the matrices of a unit in order: q, k, v, o, gate, up, down where those are all it has, else by name.
pub(crate) fn sort_attributes(attributes: &mut [String]) {
    // By the last component, so that the halves of a split block keep the order.
    let last = |attribute: &str| parent_and_last(attribute).1.to_owned();
    let place = |attribute: &String| LLAMA_ATTRIBUTES.iter().position(|known| last(known) == last(attribute));
    let places: BTreeSet<_> = attributes.iter().filter_map(place).collect();
    if places.len() == attributes.len() {
        attributes.sort_by_key(place);
    } else {
        attributes.sort();
    }
}
