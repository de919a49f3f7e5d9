//! A pipeline folder of diffusers: `model_index.json`, and a sub-folder for each part, of which those with weights are models of their own.
//!
//! Each is compressed and decompressed as if it were given alone; one without units is copied like every other file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::weight_files::weights_files;
use crate::progress::Progress;
use crate::writer::copies::{Copied, Named, copy_others, has, names};
use crate::writer::output::Output;
use crate::{Error, open};

/// What makes a folder a pipeline.
const PIPELINE_FILE: &str = "model_index.json";

/// Most bytes of that file that are looked at for the names of parts: some dozens of them are named in a few thousand.
const PIPELINE_FILE_BYTES: u64 = 1 << 20;

/// Whether the folder `pipeline` is a pipeline that names `part`.
pub(crate) fn names_part(pipeline: &Path, part: &OsStr) -> bool {
    let Ok(file) = open::regular(&pipeline.join(PIPELINE_FILE)) else { return false };
    let mut bytes = Vec::new();
    let is_read = file.take(PIPELINE_FILE_BYTES).read_to_end(&mut bytes).is_ok();
    let fields: BTreeMap<String, IgnoredAny> = serde_json::from_slice(&bytes).unwrap_or_default();
    is_read && part.to_str().is_some_and(|part| fields.contains_key(part))
}

/// The sub-folders with weights of a pipeline folder, by name; none of any other input.
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

/// Copies what is beside `parts`, the name of a file or folder as `named` tells. Weights beside the parts are the same model in another form, and are
/// left out.
pub(crate) fn copy_beside(
    input: &Path,
    output: &Output,
    parts: &[PathBuf],
    named: &Named<'_>,
    progress: &dyn Progress,
) -> Result<Copied, Error> {
    let left_out = weights_files(input)?;
    let named = |name: &Path| named(name).filter(|_| !parts.iter().any(|part| part == name));
    let mut copied = copy_others(input, output, Path::new(""), &named, progress)?;
    copied.notes.extend(left_out.iter().map(|name| format!("{name} is not part of the pipeline and was left out")));
    Ok(copied)
}
