//! A directory without weight files of its own: the parts of a pipeline folder, or what it holds
//! instead of weights.

use std::path::{Path, PathBuf};

use super::file_names::UNFINISHED_MARK;
use super::folder::{has, names, weights_files};
use super::hub;
use super::pipeline::PIPELINE_FILE;
use crate::Error;
use crate::error::ModelReason;

/// Why a directory without safetensors files is refused. The reason depends on what it holds
/// instead.
pub(crate) fn no_weights(path: &Path) -> Result<ModelReason, Error> {
    let parts = parts(path)?;
    if !parts.is_empty() {
        return Ok(ModelReason::Pipeline { parts });
    }
    let snapshots = hub::snapshots(path)?;
    if !snapshots.is_empty() {
        return Ok(ModelReason::HubCache { snapshots });
    }
    let names = names(path)?;
    if names.iter().any(|name| name == Path::new(UNFINISHED_MARK)) {
        return Ok(ModelReason::Unfinished);
    }
    let of_kind = |endings: &[&str]| {
        names.iter().find(|name| name.extension().is_some_and(|e| endings.iter().any(|end| e == *end))).cloned()
    };
    Ok(match (of_kind(&["gguf"]), of_kind(&["bin", "pt", "pth", "ckpt"])) {
        (Some(file), _) => ModelReason::Gguf { file },
        (_, Some(file)) => ModelReason::Pickled { file },
        _ => ModelReason::NoWeights,
    })
}

/// The sub-folders with weights of a pipeline folder, by name. Empty for any other input.
pub(crate) fn parts(input: &Path) -> Result<Vec<PathBuf>, Error> {
    hub::check_exists(input)?;
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
