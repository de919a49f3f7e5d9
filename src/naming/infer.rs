//! Decides which tensors are coded together, from headers alone, for any architecture.
//!
//! 1. A *matrix* is a tensor that a Linear or an Embedding owns ([`Tree::matrix`]).
//! 2. A *block* is the shortest module path that ends in a number, is not only a list, and either
//!    has a numbered sibling or holds more than one matrix. All its matrices except embeddings form
//!    one unit. A block over [`MAX_BLOCK_UNIT_WEIGHTS`] is split by sub-module. A sub-module is
//!    split again if it is still too large or is only a list.
//! 3. Any other matrix of at least [`MIN_LONE_WEIGHTS`] weights is a unit of its own.
//!
//! A unit has the name of its module path. Why a list is never a unit: the published loader decodes
//! a unit when its module is called, and nothing calls a list. Why nothing inside a block is a unit
//! of its own: all units are decoded into the same memory, so the inner unit would overwrite the
//! outer one while that is still in use.

use std::collections::{BTreeMap, BTreeSet};

use df11_core::limits::MAX_WEIGHTS;

use super::owners::{RawReason, Tree};
use super::units::{MIN_LONE_WEIGHTS, UnitSpec, sort_attributes};
use crate::files::dotted::{is_decimal, natural_order, parent_and_last, prefixes};
use crate::files::shapes::weights;
use crate::safetensors::TensorInfo;

/// Most weights of a unit made of several matrices: 2 GiB of BF16. This bounds the memory of a job,
/// and stays far below the limits of the format.
pub(crate) const MAX_BLOCK_UNIT_WEIGHTS: u64 = 1 << 30;

/// Which tensors are coded, and which are not.
#[derive(Debug, Default)]
pub(crate) struct Inferred {
    /// The units in natural order.
    pub units: Vec<UnitSpec>,
    /// The tensors that are in no unit, each with the reason.
    pub raw: BTreeMap<String, RawReason>,
}

/// What decides which tensors are coded, beside their headers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// Each sufficiently large BF16 tensor that the published loader cannot inject also becomes a
    /// unit, named by the tensor's whole name.
    pub all: bool,
    /// Without an output layer of its own, the model uses its input embedding there. The published
    /// loader injects an embedding into one module only, so the output layer would never be filled.
    pub tied: bool,
}

/// Finds the units of a model from the headers of its tensors.
pub(crate) fn infer_units<'a>(tensors: impl Iterator<Item = (&'a str, &'a TensorInfo)>, wishes: Wishes) -> Inferred {
    let tree = Tree::new(tensors.collect());
    let mut inferred = Inferred::default();
    let mut matrices: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, info) in tree.tensors() {
        match tree.matrix(name, info) {
            Ok((module, size)) => drop(matrices.insert(module, size)),
            Err(reason) => drop(inferred.raw.insert(name.to_owned(), reason)),
        }
    }
    let mut matrices_below: BTreeMap<&str, usize> = BTreeMap::new();
    for module in matrices.keys() {
        for path in prefixes(module) {
            *matrices_below.entry(path).or_default() += 1;
        }
    }
    let block_of = |module| {
        prefixes(module).find(|path| {
            let (parent, last) = parent_and_last(path);
            is_decimal(last) && !tree.is_list(path) && (tree.numbered_children(parent) > 1 || matrices_below[path] > 1)
        })
    };
    let mut blocks: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for (&module, &size) in &matrices {
        let reason = match block_of(module) {
            Some(block) if block != module && tree.is_embedding(module) => RawReason::EmbeddingInBlock,
            Some(block) => {
                blocks.entry(block).or_default().push((module, size));
                continue;
            }
            None if size < MIN_LONE_WEIGHTS => RawReason::Small,
            None if wishes.tied && tree.is_tied(module) => RawReason::Tied,
            None if tree.is_not_called(module) => RawReason::NotCalled,
            None => {
                inferred.units.push(unit(module, &[(module, size)]));
                continue;
            }
        };
        inferred.raw.extend(UnitSpec::tensor_names(module, &[]).into_iter().map(|tensor| (tensor, reason.clone())));
    }
    for (block, matrices) in blocks {
        split(&tree, block, &matrices, &mut inferred.units);
    }
    if wishes.all {
        inferred.code_the_rest(&tree);
    }
    inferred.units.sort_by(|a, b| natural_order(&a.name, &b.name));
    inferred
}

impl Inferred {
    fn code_the_rest(&mut self, tree: &Tree<'_>) {
        let taken: BTreeSet<String> = self.units.iter().map(|unit| unit.name.clone()).collect();
        for (name, info) in tree.tensors() {
            let size = weights(&info.shape);
            // Tables, experts and so on are not too small or of the wrong kind for the extension.
            if size.is_none_or(|size| size > MAX_WEIGHTS)
                && info.dtype.is_bf16()
                && let Some(reason) = self.raw.get_mut(name)
            {
                *reason = RawReason::TooLarge;
            }
            if let Some(weights) = size.filter(|size| (MIN_LONE_WEIGHTS..=MAX_WEIGHTS).contains(size))
                && info.dtype.is_bf16()
                && !taken.contains(name)
                && self.raw.remove(name).is_some()
            {
                let (name, tensors) = (name.to_owned(), vec![name.to_owned()]);
                self.units.push(UnitSpec { name, attributes: Vec::new(), tensors, weights });
            }
        }
    }
}

/// Makes one unit of the matrices below `module`. If they are too many, or nothing calls the
/// module, makes units of its sub-modules instead.
fn split(tree: &Tree<'_>, module: &str, matrices: &[(&str, u64)], units: &mut Vec<UnitSpec>) {
    let all: u64 = matrices.iter().map(|(_, weights)| weights).sum();
    let is_leaf = matrices[0].0 == module;
    if is_leaf || (!tree.is_list(module) && (matrices.len() == 1 || all <= MAX_BLOCK_UNIT_WEIGHTS)) {
        units.push(unit(module, matrices));
        return;
    }
    let mut children: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for &(path, weights) in matrices {
        let below = module.len() + 1;
        let end = path[below..].find('.').map_or(path.len(), |dot| below + dot);
        children.entry(&path[..end]).or_default().push((path, weights));
    }
    for (child, matrices) in children {
        split(tree, child, &matrices, units);
    }
}

fn unit(module: &str, matrices: &[(&str, u64)]) -> UnitSpec {
    let below = |(path, _): &(&str, u64)| Some(path.strip_prefix(module)?.strip_prefix('.')?.to_owned());
    let mut attributes: Vec<String> = matrices.iter().filter_map(below).collect();
    sort_attributes(&mut attributes);
    let tensors = UnitSpec::tensor_names(module, &attributes);
    let weights = matrices.iter().map(|(_, weights)| weights).sum();
    UnitSpec { name: module.to_owned(), attributes, tensors, weights }
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
        infer_units(tensors.iter().map(|(name, info)| (name.as_str(), info)), Wishes::default()).units
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
        assert_eq!(units.len(), 1 + 8);
        assert_eq!(shown(&units)[0], "model.layers.0.moe.experts.0: w1 w2 w3");
        assert_eq!(shown(&units)[8], "model.layers.0.self_attn: q_proj k_proj v_proj o_proj");
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
    fn a_list_is_never_a_unit_however_small_because_nothing_calls_it() {
        let half = 1 << 14;
        let units = infer(&[
            ("m.0.0.weight", "BF16", &[4, 4]),
            ("m.0.1.weight", "BF16", &[4, 4]),
            ("m.1.0.a.weight", "BF16", &[4, 4]),
            ("m.1.0.b.0.weight", "BF16", &[4, 4]),
            ("l.0.experts.0.weight", "BF16", &[half, half]),
            ("l.0.experts.1.weight", "BF16", &[half, half]),
            ("l.0.experts.2.weight", "BF16", &[half, half]),
            ("l.0.experts.3.weight", "BF16", &[half, half]),
            ("l.0.attn.out.0.weight", "BF16", &[8, 8]),
            ("l.0.q.weight", "BF16", &[8, 8]),
        ]);
        let experts = ["l.0.attn: out.0", "l.0.experts.0: ", "l.0.experts.1: ", "l.0.experts.2: ", "l.0.experts.3: "];
        let lists = ["l.0.q: ", "m.0.0: ", "m.0.1: ", "m.1.0: a b.0"];
        assert_eq!(shown(&units), [&experts[..], &lists].concat());
    }

    #[test]
    fn what_no_linear_and_no_embedding_owns_stays_raw() {
        let tensors: [(&str, &[u64]); 18] = [
            ("own.0.weight", &[256, 256]),
            ("own.0.x.weight", &[256, 256]),
            ("own.1.x.weight", &[256, 256]),
            ("gate.weight", &[256, 256]),
            ("gate.correction", &[256]),
            ("scaled.weight", &[256, 256]),
            ("scaled.scale", &[1]),
            ("moe.router.weight", &[256, 256]),
            ("moe.chooser.weight", &[64, 256]),
            ("moe.experts.up", &[64, 256, 256]),
            ("attn.in_proj_weight", &[768, 256]),
            ("attn.out_proj.weight", &[256, 256]),
            ("h.0.c_attn.weight", &[256, 768]),
            ("h.0.c_attn.bias", &[768]),
            ("h.0.wpe_embedding.weight", &[256, 256]),
            ("h.0.lin.weight", &[768, 256]),
            ("h.0.lin.bias", &[768]),
            ("t.relative_attention_bias.weight", &[256, 256]),
        ];
        let tensors: Vec<_> = tensors.iter().map(|(name, shape)| (*name, "BF16", *shape)).collect();
        assert_eq!(shown(&infer(&tensors)), ["h.0: lin", "own.0: x", "own.1: x", "scaled: "]);
    }

    #[test]
    fn everything_means_every_tensor_of_some_size_by_its_whole_name() {
        let info =
            |dtype, shape: &[u64]| TensorInfo { dtype: Dtype::named(dtype), shape: shape.to_vec(), begin: 0, end: 0 };
        let tensors = [
            ("a.weight", info("BF16", &[128, 128])),
            ("conv.weight", info("BF16", &[128, 128, 3])),
            ("a.bias", info("BF16", &[128])),
            ("experts", info("BF16", &[4, 64, 64])),
            ("f.weight", info("F32", &[512, 512])),
        ];
        let inferred = infer_units(tensors.iter().map(|(name, info)| (*name, info)), Wishes { all: true, tied: false });
        assert_eq!(
            inferred.units.iter().map(|unit| &unit.tensors[0]).collect::<Vec<_>>(),
            ["a.weight", "conv.weight", "experts"]
        );
        assert_eq!(inferred.units.iter().map(|unit| &unit.name).collect::<Vec<_>>(), ["a", "conv.weight", "experts"]);
        assert_eq!(inferred.raw.keys().collect::<Vec<_>>(), ["a.bias", "f.weight"]);
    }

    #[test]
    fn a_name_of_a_million_components_costs_little() {
        let deep = "0.".repeat(1_000_000);
        let names = [format!("{deep}a.weight"), format!("{deep}b.weight")];
        assert_eq!(shown(&infer(&[(&names[0], "BF16", &[512, 512]), (&names[1], "BF16", &[512, 512])])), [""; 0]);
    }
}
