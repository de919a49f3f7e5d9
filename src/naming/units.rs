//! A unit before it is coded: what it is called, what it is made of. The matrices of a Llama-like block come in the published order.

use std::collections::BTreeSet;

use crate::files::dotted::{WEIGHT_SUFFIX, parent_and_last};

/// Most components of a module's path. Real ones have a dozen; what is deeper was made to be slow, and stays raw.
pub(crate) const MAX_COMPONENTS: usize = 32;

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
