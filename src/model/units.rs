//! Which tensors are coded together, from headers alone.
//!
//! 1. A *matrix* is a 2-D BF16 tensor called `<module>.weight`.
//! 2. A *block* is the shortest module path that ends in a number and either has a numbered sibling or holds more than one matrix. All its matrices
//!    are one unit; a block over [`MAX_BLOCK_UNIT_WEIGHTS`] is split by sub-module, and again where that is not enough.
//! 3. Any other matrix of at least [`MIN_LONE_WEIGHTS`] weights is a unit of its own.
//!
//! The unit is called by its module path. Its matrices come in the order q, k, v, o, gate, up, down where those are all it has, else by name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use df11_core::limits::MAX_WEIGHTS;

use super::checkpoint::Checkpoint;
use super::names::{WEIGHT_SUFFIX, is_decimal, module_of, natural_order, parent_and_last, prefixes};
use super::pattern::PatternDict;
use crate::Error;
use crate::safetensors::TensorInfo;

/// Fewest weights of a matrix outside blocks that is worth six tensors and a file: below, tables and paddings eat what coding saves.
pub(crate) const MIN_LONE_WEIGHTS: u64 = 16_384;

/// Most weights of a unit made of several matrices, 2 GiB of BF16: bounds the memory of a job, and stays far below the limits of the format.
pub(crate) const MAX_BLOCK_UNIT_WEIGHTS: u64 = 1 << 30;

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

/// The units of a model, in natural order, from the headers of its tensors.
pub(crate) fn infer_units<'a>(tensors: impl Iterator<Item = (&'a str, &'a TensorInfo)>) -> Vec<UnitSpec> {
    let mut matrices: BTreeMap<&str, u64> = BTreeMap::new();
    let mut modules: BTreeSet<&str> = BTreeSet::new();
    for (name, info) in tensors {
        modules.extend(prefixes(parent_and_last(name).0));
        if let Some(module) = module_of(name)
            && let Some(weights) = matrix_weights(info)
        {
            matrices.insert(module, weights);
        }
    }
    let blocks = Blocks::new(&modules, matrices.keys().copied());
    let mut members: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    let mut units = Vec::new();
    for (&module, &weights) in &matrices {
        match blocks.of(module) {
            Some(block) => members.entry(block).or_default().push((module, weights)),
            None if weights >= MIN_LONE_WEIGHTS => split(module, &[(module, weights)], &mut units),
            None => {}
        }
    }
    for (block, matrices) in members {
        split(block, &matrices, &mut units);
    }
    units.sort_by(|a, b| natural_order(&a.name, &b.name));
    units
}

/// The units of a model by the patterns that a user gave.
///
/// # Errors
/// A pattern matches a module without the matrices that it lists, or two units share a matrix.
pub(crate) fn units_by_pattern(source: &Checkpoint, patterns: &PatternDict) -> Result<Vec<UnitSpec>, Error> {
    let modules: BTreeSet<&str> =
        source.tensors.keys().flat_map(|tensor| prefixes(parent_and_last(tensor).0)).collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut units = Vec::new();
    for module in modules {
        let Some(attributes) = patterns.attributes(module) else { continue };
        let tensors = UnitSpec::tensor_names(module, attributes);
        let mut all = 0;
        for tensor in &tensors {
            let Some(place) = source.tensors.get(tensor) else {
                let promised_by = format!("a pattern that matches module `{module}`");
                return Err(Error::TensorMissing { path: source.path.clone(), tensor: tensor.clone(), promised_by });
            };
            let unfit = |expected: &str| Error::TensorUnfit {
                path: source.reader(place).path().to_path_buf(),
                tensor: tensor.clone(),
                found: format!("{} {:?}", place.info.dtype, place.info.shape),
                expected: format!("{expected}; change the pattern that matches module `{module}`"),
            };
            let count = weights(&place.info.shape).filter(|&count| count > 0 && place.info.dtype.is_bf16());
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

/// Weights of a tensor that can be part of a unit.
fn matrix_weights(info: &TensorInfo) -> Option<u64> {
    let weights = weights(&info.shape)?;
    (info.dtype.is_bf16() && info.shape.len() == 2 && (1..=MAX_WEIGHTS).contains(&weights)).then_some(weights)
}

/// The numbered modules of a model that qualify as blocks.
struct Blocks<'a> {
    /// How many numbered modules lie directly below a module.
    numbered_children: HashMap<&'a str, usize>,
    /// How many matrices lie below a numbered module, its own included.
    matrices_below: HashMap<&'a str, usize>,
}

impl<'a> Blocks<'a> {
    fn new(modules: &BTreeSet<&'a str>, matrices: impl Iterator<Item = &'a str>) -> Self {
        let mut blocks = Blocks { numbered_children: HashMap::new(), matrices_below: HashMap::new() };
        for module in modules {
            let (parent, last) = parent_and_last(module);
            if is_decimal(last) {
                *blocks.numbered_children.entry(parent).or_default() += 1;
            }
        }
        for module in matrices {
            for prefix in prefixes(module) {
                *blocks.matrices_below.entry(prefix).or_default() += 1;
            }
        }
        blocks
    }

    /// The block that a matrix belongs to.
    fn of<'m>(&self, module: &'m str) -> Option<&'m str> {
        prefixes(module).find(|path| {
            let (parent, last) = parent_and_last(path);
            let count = |counts: &HashMap<&str, usize>, key| counts.get(key).copied().unwrap_or(0);
            is_decimal(last) && (count(&self.numbered_children, parent) > 1 || count(&self.matrices_below, path) > 1)
        })
    }
}

/// Makes the matrices below `module` one unit, or, where they are too many or one of them is the module's own, a unit for each sub-module.
fn split(module: &str, matrices: &[(&str, u64)], units: &mut Vec<UnitSpec>) {
    let all: u64 = matrices.iter().map(|(_, weights)| weights).sum();
    let own = matrices.iter().find(|(path, _)| *path == module);
    if matrices.len() == 1 || (own.is_none() && all <= MAX_BLOCK_UNIT_WEIGHTS) {
        let mut attributes: Vec<String> = matrices
            .iter()
            .filter_map(|(path, _)| Some(path.strip_prefix(module)?.strip_prefix('.')?.to_owned()))
            .collect();
        sort_attributes(&mut attributes);
        let tensors = UnitSpec::tensor_names(module, &attributes);
        units.push(UnitSpec { name: module.to_owned(), attributes, tensors, weights: all });
        return;
    }
    let mut children: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for &(path, weights) in matrices {
        let child = match path[module.len()..].strip_prefix('.') {
            Some(below) => &path[..module.len() + 1 + below.find('.').unwrap_or(below.len())],
            None => path,
        };
        children.entry(child).or_default().push((path, weights));
    }
    for (child, matrices) in children {
        if child == module {
            units.push(UnitSpec {
                name: module.to_owned(),
                attributes: Vec::new(),
                tensors: UnitSpec::tensor_names(module, &[]),
                weights: matrices.iter().map(|(_, weights)| weights).sum(),
            });
        } else {
            split(child, &matrices, units);
        }
    }
}

fn sort_attributes(attributes: &mut [String]) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safetensors::Dtype;

    fn infer(tensors: &[(&str, &str, &[u64])]) -> Vec<UnitSpec> {
        let tensors: Vec<(String, TensorInfo)> = tensors
            .iter()
            .map(|(name, dtype, shape)| {
                let info = TensorInfo { dtype: Dtype::named(dtype), shape: shape.to_vec(), begin: 0, end: 0 };
                ((*name).to_owned(), info)
            })
            .collect();
        infer_units(tensors.iter().map(|(name, info)| (name.as_str(), info)))
    }

    fn shown(units: &[UnitSpec]) -> Vec<String> {
        units.iter().map(|unit| format!("{}: {}", unit.name, unit.attributes.join(" "))).collect()
    }

    #[test]
    fn a_llama_is_its_embedding_its_blocks_in_the_published_order_and_its_head() {
        let mut tensors: Vec<(String, &str, Vec<u64>)> = vec![
            ("model.embed_tokens.weight".into(), "BF16", vec![512, 64]),
            ("lm_head.weight".into(), "BF16", vec![512, 64]),
            ("model.norm.weight".into(), "BF16", vec![64]),
        ];
        for layer in 0..11 {
            for name in ["mlp.down_proj", "mlp.gate_proj", "mlp.up_proj", "self_attn.k_proj", "self_attn.o_proj"] {
                tensors.push((format!("model.layers.{layer}.{name}.weight"), "BF16", vec![16, 16]));
            }
            tensors.push((format!("model.layers.{layer}.self_attn.q_proj.weight"), "BF16", vec![16, 16]));
            tensors.push((format!("model.layers.{layer}.self_attn.v_proj.weight"), "BF16", vec![16, 16]));
            tensors.push((format!("model.layers.{layer}.self_attn.v_proj.bias"), "BF16", vec![16]));
        }
        let borrowed: Vec<_> =
            tensors.iter().map(|(name, dtype, shape)| (name.as_str(), *dtype, shape.as_slice())).collect();
        let units = infer(&borrowed);
        assert_eq!(units.len(), 13);
        assert_eq!(units[0].name, "lm_head");
        assert_eq!(units[1].tensors, ["model.embed_tokens.weight"]);
        assert_eq!((units[4].name.as_str(), units[12].name.as_str()), ("model.layers.2", "model.layers.10"));
        assert_eq!(
            units[2].attributes.join(" "),
            "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj mlp.gate_proj mlp.up_proj mlp.down_proj"
        );
        assert_eq!(units[2].weights, 7 * 256);
    }

    #[test]
    fn small_one_dimensional_and_foreign_tensors_outside_blocks_stay_raw() {
        let units = infer(&[
            ("a.weight", "BF16", &[128, 128]),
            ("b.weight", "BF16", &[128, 127]),
            ("c.weight", "F32", &[512, 512]),
            ("d.weight", "BF16", &[65_536]),
            ("e.scale", "BF16", &[512, 512]),
            ("weight", "BF16", &[512, 512]),
            ("f.weight", "BF16", &[0, 512]),
        ]);
        assert_eq!(shown(&units), ["a: "]);
    }

    #[test]
    fn a_number_makes_a_block_only_with_a_sibling_or_two_matrices() {
        let units = infer(&[
            ("seq.0.weight", "BF16", &[4, 4]),
            ("seq.2.weight", "BF16", &[4, 4]),
            ("lone.0.weight", "BF16", &[4, 4]),
            ("pair.0.b.weight", "BF16", &[4, 4]),
            ("pair.0.a.weight", "BF16", &[4, 4]),
            ("outer.0.inner.3.weight", "BF16", &[4, 4]),
            ("outer.0.inner.4.weight", "BF16", &[4, 4]),
            ("deep.0.inner.3.x.weight", "BF16", &[4, 4]),
            ("deep.0.inner.4.bias", "BF16", &[4]),
        ]);
        assert_eq!(
            shown(&units),
            ["deep.0.inner.3: x", "outer.0: inner.3 inner.4", "pair.0: a b", "seq.0: ", "seq.2: "]
        );
    }

    #[test]
    fn a_block_over_two_gibibytes_is_split_by_sub_module_from_headers_alone() {
        let mut tensors: Vec<(String, Vec<u64>)> = Vec::new();
        for (name, shape) in
            [("q_proj", [6144, 6144]), ("k_proj", [1024, 6144]), ("v_proj", [1024, 6144]), ("o_proj", [6144, 6144])]
        {
            tensors.push((format!("model.layers.0.self_attn.{name}.weight"), shape.to_vec()));
        }
        tensors.push(("model.layers.0.moe.gate.weight".into(), vec![8, 6144]));
        for expert in 0..8 {
            for (name, shape) in [("w1", [16_384, 6144]), ("w2", [6144, 16_384]), ("w3", [16_384, 6144])] {
                tensors.push((format!("model.layers.0.moe.experts.{expert}.{name}.weight"), shape.to_vec()));
            }
        }
        tensors.push(("model.layers.0.norm.weight".into(), vec![6144]));
        let borrowed: Vec<_> = tensors.iter().map(|(name, shape)| (name.as_str(), "BF16", shape.as_slice())).collect();
        let units = infer(&borrowed);
        assert_eq!(units.len(), 1 + 1 + 8);
        assert_eq!(shown(&units)[0], "model.layers.0.moe.experts.0: w1 w2 w3");
        assert_eq!(
            shown(&units)[8..],
            ["model.layers.0.moe.gate: ", "model.layers.0.self_attn: q_proj k_proj v_proj o_proj"]
        );
        assert!(units.iter().all(|unit| unit.weights <= MAX_BLOCK_UNIT_WEIGHTS));
    }

    #[test]
    fn a_matrix_that_no_unit_can_hold_stays_raw() {
        assert_eq!(
            shown(&infer(&[("a.weight", "BF16", &[1 << 16, 1 << 16]), ("b.weight", "BF16", &[1 << 16, 1 << 15])])),
            ["b: "]
        );
    }

    #[test]
    fn a_block_that_is_a_matrix_itself_is_split_from_what_is_below_it() {
        let units = infer(&[
            ("b.0.weight", "BF16", &[4, 4]),
            ("b.0.x.weight", "BF16", &[4, 4]),
            ("b.0.y.weight", "BF16", &[4, 4]),
        ]);
        assert_eq!(shown(&units), ["b.0: ", "b.0.x: ", "b.0.y: "]);
    }
}
