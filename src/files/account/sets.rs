//! Which weight files of a folder are one BF16 model. The first of these sets that is whole:
//!
//! ```text
//! model.safetensors.index.json, or diffusers' name     the files that it names
//! model.safetensors, or diffusers' name                that file
//! STEM.safetensors.index.json                          the files that it names
//! STEM.safetensors.index.VARIANT.json                  the files that it names
//! STEM-00001-of-0000N ... STEM-0000N-of-0000N          those: the index is missing
//! one other weight file                                that file
//! consolidated*, if nothing else is there              by the last two rules
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::folder::{Folder, is_marked};
use crate::Error;
use crate::error::{JsonReason, ModelReason};
use crate::files::file_names::{MAIN_FILES, has_variant, is_consolidated, is_index, plain_name, shard_of};
use crate::files::folder::{SmallFile, not_json};
use crate::files::python;
use crate::files::weight_files::no_weights;

/// Which file holds each tensor.
type WeightMap = BTreeMap<String, String>;

/// The weight files of a BF16 model.
pub(super) struct Set {
    pub files: Vec<String>,
    /// The name that the main file of the coded model has.
    pub main_file: &'static str,
    /// The index that names them.
    pub index: Option<(String, WeightMap)>,
}

/// Finds the set of files that is the model.
///
/// # Errors
/// There is none, or a file of it is missing, or it is not clear which it is.
pub(super) fn find_set(folder: &Folder, small: &[SmallFile]) -> Result<Set, Error> {
    let refused = |reason| Err(Error::NotAModel { path: folder.path.clone(), reason });
    let mut broken = None;
    for main_file in MAIN_FILES {
        if let Some(index) = small.iter().find(|file| file.name == format!("{main_file}.index.json")) {
            match of_index(folder, index)? {
                Ok(set) => return Ok(set),
                Err(reason) => broken = broken.or(Some(reason)),
            }
        }
        if folder.has(main_file)? {
            return Ok(Set { files: vec![main_file.to_owned()], main_file, index: None });
        }
    }
    if let Some(reason) = broken {
        return refused(reason);
    }
    for has_a_variant in [false, true] {
        let (mut whole, mut broken) = (Vec::new(), None);
        for index in small.iter().filter(|file| is_index(&file.name) && has_variant(&file.name) == has_a_variant) {
            match of_index(folder, index)? {
                Ok(set) => whole.push(set),
                Err(reason) => broken = Some(reason),
            }
        }
        match (whole.len(), broken) {
            (0, None) => {}
            (0, Some(reason)) => return refused(reason),
            (1, _) => return Ok(whole.remove(0)),
            _ => {
                let indexes = whole.into_iter().filter_map(|set| Some(set.index?.0)).collect();
                return refused(ModelReason::SeveralIndexes { indexes });
            }
        }
    }
    let (consolidated, own): (Vec<&str>, Vec<&str>) = folder.names().partition(|name| is_consolidated(name));
    let names = if own.is_empty() { consolidated } else { own };
    let files = || names.iter().map(|name| (*name).to_owned()).collect();
    match names.as_slice() {
        [] => refused(no_weights(&folder.path)?),
        [one] => Ok(Set { files: files(), main_file: main_file_of(one), index: None }),
        several if is_whole_set(several) => {
            Ok(Set { files: files(), main_file: main_file_of(several[0]), index: None })
        }
        many => refused(ModelReason::SeveralFiles { files: many.len(), main_files: MAIN_FILES.join(", ") }),
    }
}

/// Whether the folder holds a set of BF16 files that an index or a name makes a model.
pub(super) fn has_set(folder: &Folder) -> bool {
    folder.read_small().is_ok_and(|small| {
        find_set(folder, &small).is_ok_and(|set| {
            let is_bf16 = |name: &String| folder.opened(name).is_some_and(|reader| !is_marked(reader));
            let is_named = set.index.is_some() || set.files.len() > 1 || MAIN_FILES.contains(&set.files[0].as_str());
            is_named && set.files.iter().all(is_bf16)
        })
    })
}

/// The set that an index names, or which of its files are missing.
fn of_index(folder: &Folder, index: &SmallFile) -> Result<Result<Set, ModelReason>, Error> {
    let path = index.witness.path();
    let weight_map = weight_map(&index.bytes, path)?;
    let names: BTreeSet<&String> = weight_map.values().collect();
    let mut missing = Vec::new();
    for name in &names {
        plain_name(name, path)?;
        if !folder.has(name)? {
            missing.push((*name).clone());
        }
    }
    if !missing.is_empty() {
        let (index, files) = (index.name.clone(), names.len());
        return Ok(Err(ModelReason::ShardsMissing { index, missing, files }));
    }
    let files: Vec<String> = names.into_iter().cloned().collect();
    Ok(Ok(Set { files, main_file: main_file_of(&index.name), index: Some((index.name.clone(), weight_map)) }))
}

/// The main file of the family that a weight file or an index belongs to.
fn main_file_of(name: &str) -> &'static str {
    let stem = |main: &&'static str| main.strip_suffix(".safetensors").is_some_and(|stem| name.starts_with(stem));
    MAIN_FILES.into_iter().find(stem).unwrap_or(MAIN_FILES[0])
}

/// Whether the files are the shards 1 to N of N. An index would say the same.
fn is_whole_set(names: &[&str]) -> bool {
    let shards: Option<Vec<_>> = names.iter().map(|name| shard_of(name)).collect();
    shards.is_some_and(|shards| {
        let (stem, _, of) = &shards[0];
        let is_next = |(index, shard): (usize, &(String, usize, usize))| *shard == (stem.clone(), index + 1, *of);
        *of == names.len() && shards.iter().enumerate().all(is_next)
    })
}

/// Reads from the bytes of an index which file holds each tensor. The index must name at least one:
/// an empty one would leave nothing of the model.
pub(crate) fn weight_map(bytes: &[u8], index: &Path) -> Result<WeightMap, Error> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: WeightMap,
    }
    let refused = |reason| Error::Json { path: index.to_path_buf(), reason };
    let not_an_index =
        |error: serde_json::Error| refused(not_json(bytes, JsonReason::NotAnIndex { message: error.to_string() }));
    let parsed: Index = serde_json::from_slice(&python::to_json(bytes)).map_err(not_an_index)?;
    if parsed.weight_map.is_empty() {
        return Err(refused(JsonReason::EmptyIndex));
    }
    Ok(parsed.weight_map)
}
