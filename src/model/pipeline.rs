//! A pipeline folder of diffusers: `model_index.json`, and a sub-folder for each part, of which those with weights are models of their own.
//!
//! Each is compressed and decompressed as if it were given alone; one without units is copied like every other file.

use std::path::{Path, PathBuf};

use super::beside::{Copied, Named, copy_others, names};
use super::output::Output;
use super::progress::Progress;
use super::weight_files::weights_files;
use crate::Error;

/// What makes a folder a pipeline.
const PIPELINE_FILE: &str = "model_index.json";

/// The sub-folders with weights of a pipeline folder, by name; none of any other input.
pub(crate) fn parts(input: &Path) -> Result<Vec<PathBuf>, Error> {
    if !input.join(PIPELINE_FILE).is_file() {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    for name in names(input)? {
        let folder = input.join(&name);
        if folder.is_dir() && !weights_files(&folder)?.is_empty() {
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
) -> Result<Copied, Error> {
    let left_out = weights_files(input)?;
    let named = |name: &Path| named(name).filter(|_| !parts.iter().any(|part| part == name));
    let mut copied = copy_others(input, output, Path::new(""), &named)?;
    copied.notes.extend(left_out.iter().map(|name| format!("{name} is not part of the pipeline and was left out")));
    Ok(copied)
}

/// The progress of one part: the whole was announced before.
pub(crate) struct PartProgress<'a>(pub &'a dyn Progress);

impl Progress for PartProgress<'_> {
    fn unit(&self, name: &str) {
        self.0.unit(name);
    }

    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn is_stopped(&self) -> bool {
        self.0.is_stopped()
    }
}
