//! Whether a model is complete, so far as its own files tell.
//!
//! ```text
//! a record of the source             tells exactly: every tensor, every file
//! names of a Llama-like model        tell: every tensor of every block
//! gaps in the numbers of blocks      tell what is missing
//! num_hidden_layers                  tells what is missing
//! nothing of this                    unknown
//! ```
//!
//! A gap counts only between blocks that are alike: a list of modules may hold some without
//! tensors, such as activations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::files::dotted::{is_decimal, parent_and_last, prefixes};
use crate::naming::units::{LLAMA_ATTRIBUTES, MAX_COMPONENTS};
use crate::record::coded::CodedModel;
use crate::record::config::{ConfigFile, is_llama_like};
use crate::record::matrices::Naming;

/// Most names of a missing block, or of missing tensors, that are listed.
const MOST_MISSING: usize = 10_000;
/// Most blocks that config.json may promise. Real models have some hundreds.
const MOST_BLOCKS: u64 = 4096;
/// How the path of the list of a model's blocks ends.
const LISTS: [&str; 5] = ["layers", "layer", "h", "blocks", "block"];

/// Whether a model is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completeness {
    /// Everything is there.
    Complete,
    /// These files, tensors or modules are missing.
    Missing(Vec<String>),
    /// Nothing tells what the model should hold.
    #[default]
    Unknown,
}

impl Completeness {
    /// The word for it, as reports use it.
    pub fn word(&self) -> &'static str {
        match self {
            Completeness::Complete => "complete",
            Completeness::Missing(_) => "not complete",
            Completeness::Unknown => "completeness unknown",
        }
    }

    /// What is missing.
    pub fn missing(&self) -> &[String] {
        match self {
            Completeness::Missing(missing) => missing,
            _ => &[],
        }
    }

    /// What holds for two parts together.
    pub(crate) fn and(self, other: Completeness) -> Completeness {
        match (self, other) {
            (Completeness::Missing(mut missing), other) => {
                missing.extend_from_slice(other.missing());
                Completeness::Missing(missing)
            }
            (_, missing @ Completeness::Missing(_)) => missing,
            (Completeness::Complete, Completeness::Complete) => Completeness::Complete,
            _ => Completeness::Unknown,
        }
    }

    /// Of a model with a record, in which these faults were found.
    pub(crate) fn by_record(faults: &[Error]) -> Completeness {
        let missing: Vec<String> = faults.iter().filter_map(missing_in).collect();
        match (faults.is_empty(), missing.is_empty()) {
            (true, _) => Completeness::Complete,
            (false, true) => Completeness::Unknown,
            (false, false) => Completeness::Missing(missing),
        }
    }

    /// The error for it, if something is missing of the model at `path`.
    pub(crate) fn error(&self, path: &Path) -> Option<Error> {
        let (path, missing) = (path.to_path_buf(), self.missing().to_vec());
        (!missing.is_empty()).then_some(Error::NotComplete { path, missing })
    }
}

/// Serialises to `{"state": "complete", "missing": []}`.
impl Serialize for Completeness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Completeness", 2)?;
        object.serialize_field("state", self.word())?;
        object.serialize_field("missing", self.missing())?;
        object.end()
    }
}

/// What an error says is missing.
fn missing_in(error: &Error) -> Option<String> {
    match error {
        Error::FileMissing { path } => Some(path.file_name()?.to_string_lossy().into_owned()),
        Error::TensorMissing { tensor, .. } => Some(tensor.clone()),
        _ => None,
    }
}

/// Whether a DFloat11 model without a record is complete. Matrices without names do not tell.
pub(crate) fn of_coded(model: &CodedModel, mut naming: Naming<'_>) -> Completeness {
    by_names(&naming.names(model), model.config.as_ref(), model.checkpoint.is_dir)
}

/// Whether a BF16 model is complete. Its index, if there is one, was checked when it was opened.
pub(crate) fn of_source(source: &Checkpoint) -> Result<Completeness, Error> {
    let names: BTreeSet<String> = source.infos().map(|(name, _)| name.to_owned()).collect();
    let found = by_names(&names, ConfigFile::of(source)?.as_ref(), source.is_dir);
    Ok(match found {
        Completeness::Unknown if source.has_index => Completeness::Complete,
        found => found,
    })
}

/// Judges by the names of all tensors. One file may be meant as a part of a model, so nothing is
/// missing in it.
fn by_names(names: &BTreeSet<String>, config: Option<&ConfigFile>, is_dir: bool) -> Completeness {
    let lists = block_lists(names);
    let gaps = lists.iter().flat_map(|(list, blocks)| gaps(list, blocks)).take(MOST_MISSING);
    let mut missing: BTreeSet<String> = gaps.collect();
    let promised = config.filter(|_| is_dir).and_then(|config| promised_blocks(config, &lists));
    missing.extend(promised.iter().flatten().cloned());
    let llama = config.filter(|config| is_llama_like(config)).and_then(|config| llama_tensors(config, names));
    for tensor in llama.iter().flatten().filter(|tensor| !names.contains(*tensor)) {
        let is_told = prefixes(tensor).any(|path| missing.contains(path));
        if !is_told && missing.len() < MOST_MISSING {
            missing.insert(tensor.clone());
        }
    }
    match (missing.is_empty(), llama) {
        (true, Some(_)) => Completeness::Complete,
        (false, _) if is_dir => Completeness::Missing(missing.into_iter().collect()),
        _ => Completeness::Unknown,
    }
}

/// The tensors below each block of a list, by the number of the block.
type Blocks<'a> = BTreeMap<u64, BTreeSet<&'a str>>;

/// The lists of blocks: every numbered child has modules of its own.
fn block_lists(names: &BTreeSet<String>) -> BTreeMap<&str, Blocks<'_>> {
    let mut lists: BTreeMap<&str, Blocks<'_>> = BTreeMap::new();
    let mut not_blocks: BTreeSet<&str> = BTreeSet::new();
    for name in names {
        for path in prefixes(name).take(MAX_COMPONENTS) {
            let (list, last) = parent_and_last(path);
            let (Some(number), Some(below)) =
                (last.parse().ok().filter(|_| is_decimal(last)), name.get(path.len() + 1..))
            else {
                continue;
            };
            if !below.contains('.') {
                not_blocks.insert(list);
            }
            lists.entry(list).or_default().entry(number).or_default().insert(below);
        }
    }
    lists.retain(|list, _| !list.is_empty() && !not_blocks.contains(list));
    lists
}

/// The blocks that a list lacks between two blocks that are alike, or before them.
fn gaps(list: &str, blocks: &Blocks<'_>) -> Vec<String> {
    let numbered: Vec<(&u64, &BTreeSet<&str>)> = blocks.iter().collect();
    let mut missing = Vec::new();
    let first_two = numbered.first().zip(numbered.get(1)).filter(|((first, one), (_, two))| **first > 0 && one == two);
    if let Some(((first, _), _)) = first_two {
        missing.extend((0..**first).take(MOST_MISSING));
    }
    for pair in numbered.windows(2) {
        if let [(before, one), (after, two)] = pair
            && one == two
        {
            missing.extend((**before + 1..**after).take(MOST_MISSING));
        }
    }
    missing.into_iter().take(MOST_MISSING).map(|number| format!("{list}.{number}")).collect()
}

/// The blocks that config.json promises and that are not there. `None` if it is not clear which
/// list it speaks of.
fn promised_blocks(config: &ConfigFile, lists: &BTreeMap<&str, Blocks<'_>>) -> Option<Vec<String>> {
    let count = blocks_of(config)?;
    let candidates: Vec<&&str> = lists.keys().filter(|list| is_decoder_list(list)).collect();
    let last = |list: &str| lists[list].keys().next_back().map_or(0, |last| last + 1);
    match candidates.as_slice() {
        [] if lists.is_empty() && count > 0 => Some(vec![format!("all {count} blocks")]),
        [list] if last(list) < count => Some(
            (0..count)
                .filter(|number| !lists[**list].contains_key(number))
                .map(|number| format!("{list}.{number}"))
                .collect(),
        ),
        _ => None,
    }
}

fn blocks_of(config: &ConfigFile) -> Option<u64> {
    let count = ["num_hidden_layers", "n_layer"].into_iter().find_map(|field| config.of_text(field)?.as_u64());
    count.filter(|count| *count <= MOST_BLOCKS)
}

/// Whether a list is that of the blocks that config.json counts.
pub(super) fn is_decoder_list(list: &str) -> bool {
    LISTS.contains(&parent_and_last(list).1) && !is_of_pictures_or_sound(list)
}

fn is_of_pictures_or_sound(list: &str) -> bool {
    list.split('.').any(|part| ["vision", "visual", "audio", "image", "encoder"].iter().any(|word| part.contains(word)))
}

/// The tensors that every Llama-like model has. `None` if config.json does not tell how many blocks
/// it has, or the names are others.
fn llama_tensors(config: &ConfigFile, names: &BTreeSet<String>) -> Option<Vec<String>> {
    let count = blocks_of(config)?;
    let is_own = |base: &&str| names.iter().any(|name| name.starts_with(&format!("{base}layers.")));
    let base = ["model.", ""].into_iter().find(is_own)?;
    let mut tensors = vec![format!("{base}embed_tokens.weight"), format!("{base}norm.weight")];
    let classes = config.get("architectures").unwrap_or_default();
    let class = classes.get(0).and_then(|class| class.as_str()).unwrap_or("ForCausalLM");
    if class.ends_with("ForCausalLM") && !config.ties_embedding() {
        tensors.push("lm_head.weight".to_owned());
    }
    for block in 0..count {
        let matrices = LLAMA_ATTRIBUTES.iter().chain(&["input_layernorm", "post_attention_layernorm"]);
        tensors.extend(matrices.map(|module| format!("{base}layers.{block}.{module}.weight")));
    }
    Some(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(names: &[&str], config: Option<&str>) -> Completeness {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let config = config.map(|text| ConfigFile::parse(text.as_bytes(), Path::new("config.json")).expect("valid"));
        by_names(&names, config.as_ref(), true)
    }

    fn missing(names: &[&str]) -> Completeness {
        Completeness::Missing(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_gap_between_blocks_that_are_alike_is_missing() {
        let blocks = ["l.1.a.w", "l.1.n.w", "l.4.a.w", "l.4.n.w"];
        assert_eq!(judged(&blocks, None), missing(&["l.0", "l.2", "l.3"]));
        // An activation has no tensors, and blocks that differ may have neighbours without any.
        for names in [["net.0.proj.w", "net.2.w"], ["seq.0.w", "seq.2.w"], ["l.0.a.w", "l.2.b.w"]] {
            assert_eq!(judged(&names, None), Completeness::Unknown);
        }
    }

    #[test]
    fn config_json_tells_of_blocks_at_the_end() {
        let names = ["m.layers.0.a.w", "vision.layers.0.a.w"];
        assert_eq!(judged(&names, Some(r#"{"num_hidden_layers": 3}"#)), missing(&["m.layers.1", "m.layers.2"]));
        let nested = r#"{"text_config": {"num_hidden_layers": 2}}"#;
        assert_eq!(judged(&names, Some(nested)), missing(&["m.layers.1"]));
        assert_eq!(judged(&names, Some(r#"{"num_hidden_layers": 1}"#)), Completeness::Unknown);
    }
}
