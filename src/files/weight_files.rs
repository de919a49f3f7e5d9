//! Which files of a directory are the model's weights.
//!
//! ```text
//! model.safetensors, or diffusers' name for it           that file
//! the same with .index.json appended                     the shards that it names
//! NAME-00001-of-0000N ... NAME-0000N-of-0000N            those: the index is missing
//! one other .safetensors file                            that file
//! consolidated*.safetensors beside any of these          the same weights in another form;
//!   pytorch_model*.bin and the like                      so are these
//! ```
//!
//! Of a pipeline folder: the sub-folders that have such files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::file_names::{MAIN_FILES, is_consolidated, plain_name, shard_of};
use super::folder::{has, names, weights_files};
use super::links::is_weights;
use super::pipeline::PIPELINE_FILE;
use crate::Error;
use crate::error::{JsonReason, ModelReason};

/// How a directory holds a BF16 model.
pub(crate) enum Found {
    /// In these weight files. Also the name that the main file of such a model has.
    Whole(Vec<String>, &'static str),
    /// In the shards of this index. Also the name that the main file of such a model has.
    Sharded(PathBuf, &'static str),
}

/// Which files of a directory hold the model.
///
/// # Errors
/// No files do, or it is not clear which.
pub(crate) fn find_source_files(path: &Path) -> Result<Found, Error> {
    for main in MAIN_FILES {
        let index = path.join(format!("{main}.index.json"));
        if is_weights(&path.join(main))? {
            return Ok(Found::Whole(vec![main.to_owned()], main));
        }
        if has(&index)? {
            return Ok(Found::Sharded(index, main));
        }
    }
    let refused = |reason| Err(Error::NotAModel { path: path.to_path_buf(), reason });
    let own: Vec<String> = weights_files(path)?.into_iter().filter(|name| !is_consolidated(name)).collect();
    if let Some(shards) = whole_set(&own) {
        return Ok(Found::Whole(shards, MAIN_FILES[0]));
    }
    match own.as_slice() {
        [_] => Ok(Found::Whole(own, MAIN_FILES[0])),
        [] => match weights_files(path)?.as_slice() {
            [_] => Ok(Found::Whole(weights_files(path)?, MAIN_FILES[0])),
            _ => refused(no_weights(path)?),
        },
        many => refused(ModelReason::SeveralFiles { files: many.len(), main_files: MAIN_FILES.join(", ") }),
    }
}

/// The files, if they are the shards 1 to N of N. An index would say the same.
fn whole_set(names: &[String]) -> Option<Vec<String>> {
    let shards: Vec<_> = names.iter().map(|name| shard_of(name)).collect::<Option<_>>()?;
    let (stem, _, of) = shards.first()?.clone();
    let expected: Vec<_> = (1..=names.len()).map(|number| (stem.clone(), number, of)).collect();
    (of == names.len() && shards == expected).then(|| names.to_vec())
}

/// Why a directory without safetensors files is refused. The reason depends on what it holds
/// instead.
pub(crate) fn no_weights(path: &Path) -> Result<ModelReason, Error> {
    let parts = parts(path)?;
    if !parts.is_empty() {
        return Ok(ModelReason::Pipeline { parts });
    }
    let names = names(path)?;
    let of_kind = |endings: &[&str]| {
        names.iter().find(|name| name.extension().is_some_and(|e| endings.iter().any(|end| e == *end))).cloned()
    };
    Ok(match (of_kind(&["gguf"]), of_kind(&["bin", "pt", "pth", "ckpt"])) {
        (Some(file), _) => ModelReason::Gguf { file },
        (_, Some(file)) => ModelReason::Pickled { file },
        _ => ModelReason::NoWeights,
    })
}

/// The shards that an index names, each once, in order of name.
pub(crate) fn shard_names(weight_map: &BTreeMap<String, String>, index: &Path) -> Result<Vec<String>, Error> {
    let names: BTreeSet<_> = weight_map.values().cloned().collect();
    for name in &names {
        plain_name(name, index)?;
    }
    Ok(names.into_iter().collect())
}

/// Reads from the bytes of an index which file holds each tensor. The index must name at least one:
/// an empty one would leave nothing of the model.
pub(crate) fn weight_map(bytes: &[u8], index: &Path) -> Result<BTreeMap<String, String>, Error> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let refused = |reason| Error::Json { path: index.to_path_buf(), reason };
    let not_an_index = |error: serde_json::Error| refused(JsonReason::NotAnIndex { message: error.to_string() });
    let parsed: Index = serde_json::from_slice(bytes).map_err(not_an_index)?;
    if parsed.weight_map.is_empty() {
        return Err(refused(JsonReason::EmptyIndex));
    }
    Ok(parsed.weight_map)
}

/// The sub-folders with weights of a pipeline folder, by name. Empty for any other input.
pub(crate) fn parts(input: &Path) -> Result<Vec<PathBuf>, Error> {
    if !has(&input.join(PIPELINE_FILE))? {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    for name in names(input)? {
        let folder = input.join(&name);
        if folder.is_dir() && !weights_files(&folder)?.is_empty() {
            if folder.is_symlink() {
                return Err(Error::NotRead { path: folder, found: "a link to a folder with weights" });
            }
            parts.push(name);
        }
    }
    Ok(parts)
}
