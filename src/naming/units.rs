//! A unit before it is coded: its name and the tensors that it consists of. The matrices of a
//! Llama-like block are in the published order.

use std::collections::BTreeSet;

use crate::files::dotted::{WEIGHT_SUFFIX, parent_and_last};

/// Most components of a module's path. Real paths have a dozen. A deeper one was built to be slow,
/// and stays raw.
pub(crate) const MAX_COMPONENTS: usize = 32;

/// Fewest weights of a matrix outside blocks that is worth six tensors and a file. For smaller
/// ones, tables and padding take what coding saves.
pub(crate) const MIN_LONE_WEIGHTS: u64 = 16_384;

/// The matrices of a Llama-like block, in the order of the published tool.
pub(crate) const LLAMA_ATTRIBUTES: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

/// A group of tensors that is coded as one stream.
///
/// A unit of the extension is one tensor of any shape and name. Its name is the whole name of that
/// tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnitSpec {
    /// The module path.
    pub name: String,
    /// The paths of the matrices below the module. Empty if the only matrix is the module's own
    /// `.weight`.
    pub attributes: Vec<String>,
    /// The tensors of the matrices, in the order of the stream.
    pub tensors: Vec<String>,
    /// Number of weights of all matrices together.
    pub weights: u64,
}

impl UnitSpec {
    /// Whether the unit is of the extension, which the published loader cannot read.
    pub fn is_extension(&self) -> bool {
        self.tensors.first() == Some(&self.name)
    }

    /// The tensors of a unit with this name and these attributes.
    pub fn tensor_names(name: &str, attributes: &[String]) -> Vec<String> {
        if attributes.is_empty() {
            return vec![format!("{name}{WEIGHT_SUFFIX}")];
        }
        attributes.iter().map(|attribute| format!("{name}.{attribute}{WEIGHT_SUFFIX}")).collect()
    }
}

/// Sorts the matrices of a unit: q, k, v, o, gate, up, down if it has only these, else by name.
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
