//! Tells what kind of module owns a tensor, from names and shapes alone. The published loader
//! injects weights into Linear and Embedding only.
//!
//! ```text
//! <module>.weight, BF16, 2-D, with nothing else of size in <module>, belongs to a Linear or an
//! Embedding, unless it is
//!
//!   below a component `router`, or as      a router: often a parameter that another class
//!     many rows as experts beside it         multiplies by
//!   called `relative...` or `rel_...`      a table of relative positions: its owner reads it,
//!                                            and nothing calls it
//!   with a bias as long as its rows are    transposed: GPT-2's Conv1D, which has no in_features
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use df11_core::limits::MAX_WEIGHTS;
use serde::{Serialize, Serializer};

use super::units::{MAX_COMPONENTS, MIN_LONE_WEIGHTS};
use crate::error::messages::messages;
use crate::files::dotted::{is_decimal, module_of, parent_and_last, prefixes};
use crate::files::shapes::weights;
use crate::safetensors::TensorInfo;
use crate::shown::shown;

messages! {
/// Why a tensor is not coded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawReason {
    /// Its dtype is not BF16.
    #[error("{}, not BF16", shown(dtype))]
    NotBf16 {
        /// The dtype.
        dtype: String,
    },
    /// It is not the `.weight` of a module.
    #[error("not the .weight of a module")]
    NotWeight,
    /// It does not have two dimensions: a convolution, experts in one tensor, a norm.
    #[error("of {dimensions} dimensions, not 2")]
    NotMatrix {
        /// How many dimensions it has.
        dimensions: usize,
    },
    /// It has no weights.
    #[error("empty")]
    Empty,
    /// It has more weights than a unit can hold.
    #[error("larger than the {MAX_WEIGHTS} weights that a unit can hold")]
    TooLarge,
    /// It lies outside blocks and is too small for a unit.
    #[error("smaller than {MIN_LONE_WEIGHTS} weights")]
    Small,
    /// Its module holds more than a weight and a bias.
    #[error("in a module that holds more than a weight and a bias")]
    OtherOwner,
    /// It chooses experts.
    #[error("a router")]
    Router,
    /// It is a table of relative positions.
    #[error("a table of relative positions")]
    RelativePositions,
    /// It is stored input by output, as in a Conv1D.
    #[error("stored transposed (Conv1D)")]
    Transposed,
    /// It is an Embedding inside a block. The list of a block takes only modules with
    /// `out_features` and `in_features`.
    #[error("an embedding inside a block")]
    EmbeddingInBlock,
    /// It is the input embedding and the output layer at once. The published loader fills only one
    /// of them.
    #[error("an embedding that is also the output layer (tied)")]
    Tied,
    /// The index takes the tensor from another file, or the file only lies beside the model.
    #[error("an older copy, or beside the model")]
    Superseded,
    /// PyTorch's attention uses it without calling it.
    #[error("the output projection of an attention that is not called by itself")]
    NotCalled,
    /// Coding its unit saves nothing.
    #[error("not smaller when it is coded")]
    NotSmaller,
    /// None of the given patterns matches it.
    #[error("in no module that a pattern matches")]
    NoPattern,
}
}

impl Serialize for RawReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What output layers are called.
const OUTPUTS: [&str; 4] = ["embed_out", "lm_head", "output", "proj_out"];

/// The tree of modules, built from the names of a model's tensors.
pub(crate) struct Tree<'a> {
    tensors: BTreeMap<&'a str, &'a TensorInfo>,
    /// How many experts a module called `experts` holds, by the path of its parent.
    experts: HashMap<&'a str, u64>,
    /// Paths that have a child, a module or tensor, whose name is not a number.
    named_children: BTreeSet<&'a str>,
    /// How many numbered modules lie directly below a path.
    numbered_children: HashMap<&'a str, u64>,
    transposed: BTreeSet<&'a str>,
    /// Whether an output layer has weights of its own.
    has_output: bool,
}

impl<'a> Tree<'a> {
    pub fn new(tensors: BTreeMap<&'a str, &'a TensorInfo>) -> Tree<'a> {
        let mut tree = Tree {
            tensors,
            experts: HashMap::new(),
            named_children: BTreeSet::new(),
            numbered_children: HashMap::new(),
            transposed: BTreeSet::new(),
            has_output: false,
        };
        let modules = tree.tensors.keys().filter_map(|name| module_of(name));
        tree.has_output = modules.map(|module| parent_and_last(module).1).any(|last| OUTPUTS.contains(&last));
        let paths: BTreeSet<&str> = tree.tensors.keys().flat_map(|name| prefixes(name).take(MAX_COMPONENTS)).collect();
        for path in paths {
            let (parent, last) = parent_and_last(path);
            if is_decimal(last) {
                *tree.numbered_children.entry(parent).or_default() += 1;
            } else {
                tree.named_children.insert(parent);
            }
        }
        tree.find_experts();
        tree.find_transposed();
        tree
    }

    /// Every tensor, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&'a str, &'a TensorInfo)> {
        self.tensors.iter().map(|(name, info)| (*name, *info))
    }

    /// How many numbered modules lie directly below `path`.
    pub fn numbered_children(&self, path: &str) -> u64 {
        self.numbered_children.get(path).copied().unwrap_or(0)
    }

    /// Whether all children of `path` are numbered. Then it is a list of modules, which nothing
    /// calls.
    pub fn is_list(&self, path: &str) -> bool {
        !self.named_children.contains(path)
    }

    /// Whether `module` is part of PyTorch's own attention, which reads its weight without calling
    /// it.
    pub fn is_not_called(&self, module: &str) -> bool {
        let (parent, last) = parent_and_last(module);
        last == "out_proj" && self.tensors.contains_key(format!("{parent}.in_proj_weight").as_str())
    }

    /// Whether `module`, inside a block, is an Embedding: its name says so, and it has no bias.
    pub fn is_embedding(&self, module: &str) -> bool {
        let last_word = module.rsplit(['.', '_']).next().unwrap_or(module);
        matches!(last_word, "emb" | "embd" | "embed" | "embeds" | "embedding" | "embeddings")
            && self.bias(module).is_none()
    }

    /// Whether `module` is an input embedding, and no output layer has weights of its own.
    pub fn is_tied(&self, module: &str) -> bool {
        const INPUTS: [&str; 7] =
            ["embed_in", "embed_tokens", "embeddings", "shared", "tok_embeddings", "word_embeddings", "wte"];
        INPUTS.contains(&parent_and_last(module).1) && !self.has_output
    }

    /// The module whose matrix the tensor is, with its number of weights. Otherwise the reason why
    /// the published loader could not inject it.
    pub fn matrix(&self, name: &'a str, info: &TensorInfo) -> Result<(&'a str, u64), RawReason> {
        if !info.dtype.is_bf16() {
            return Err(RawReason::NotBf16 { dtype: info.dtype.name().to_owned() });
        }
        let is_path = |module: &&str| module.split('.').count() < MAX_COMPONENTS;
        let module = module_of(name).filter(is_path).ok_or(RawReason::NotWeight)?;
        let &[rows, _] = info.shape.as_slice() else {
            return Err(RawReason::NotMatrix { dimensions: info.shape.len() });
        };
        let size = match weights(&info.shape) {
            Some(0) => return Err(RawReason::Empty),
            Some(size) if size <= MAX_WEIGHTS => size,
            _ => return Err(RawReason::TooLarge),
        };
        let last = parent_and_last(module).1;
        if self.is_router(module, rows) {
            return Err(RawReason::Router);
        }
        if last.contains("relative") || last.split('_').any(|word| word == "rel") {
            return Err(RawReason::RelativePositions);
        }
        if self.holds_more(module) {
            return Err(RawReason::OtherOwner);
        }
        if self.is_transposed(module, &info.shape) {
            return Err(RawReason::Transposed);
        }
        Ok((module, size))
    }

    fn bias(&self, module: &str) -> Option<u64> {
        weights(&self.tensors.get(format!("{module}.bias").as_str())?.shape)
    }

    fn below(&self, module: &str) -> Vec<(&'a str, &'a TensorInfo)> {
        let first = format!("{module}.");
        let from = (Bound::Included(first.as_str()), Bound::Unbounded);
        let tensors = self.tensors.range::<str, _>(from).map(|(name, info)| (*name, *info));
        tensors.take_while(|(name, _)| name.starts_with(&first)).collect()
    }

    /// Whether a module has modules of its own, or a parameter that is neither weight nor bias. A
    /// scale of one element does not count, since tools add one to a Linear.
    fn holds_more(&self, module: &str) -> bool {
        self.below(module).iter().any(|(name, info)| {
            let (parent, leaf) = parent_and_last(name);
            parent != module || (leaf != "weight" && leaf != "bias" && weights(&info.shape).is_none_or(|size| size > 1))
        })
    }

    fn is_router(&self, module: &str, rows: u64) -> bool {
        let beside_experts = |path: &str| {
            let inside = module.strip_prefix(path).is_some_and(|rest| rest.starts_with(".experts."));
            self.experts.get(path) == Some(&rows) && !inside
        };
        module.split('.').any(|component| component.contains("router")) || prefixes(module).any(beside_experts)
    }

    fn find_experts(&mut self) {
        let lists: Vec<(&str, &str)> = self
            .named_children
            .iter()
            .chain(self.numbered_children.keys())
            .filter_map(|path| path.strip_suffix(".experts").map(|parent| (*path, parent)))
            .collect();
        for (path, parent) in lists {
            let fused = || {
                self.below(path).iter().filter(|(_, info)| info.shape.len() > 2).map(|(_, info)| info.shape[0]).max()
            };
            let count = Some(self.numbered_children(path)).filter(|&count| count > 0).or_else(fused);
            self.experts.extend(count.map(|count| (parent, count)));
        }
    }

    /// Finds the transposed matrices. A bias has one element for each output: a row of a Linear, a
    /// column of a Conv1D. A square matrix is transposed if matrices of the same name elsewhere
    /// are.
    fn find_transposed(&mut self) {
        let proven = self.tensors.iter().filter_map(|(name, info)| {
            let module = module_of(name)?;
            let &[rows, columns] = info.shape.as_slice() else { return None };
            let bias = self.bias(module)?;
            (rows != columns && bias == columns).then_some(parent_and_last(module).1)
        });
        self.transposed = proven.collect();
    }

    fn is_transposed(&self, module: &str, shape: &[u64]) -> bool {
        match self.bias(module) {
            Some(bias) if shape[0] == shape[1] => {
                bias == shape[0] && self.transposed.contains(parent_and_last(module).1)
            }
            Some(bias) => bias == shape[1],
            None => false,
        }
    }
}
