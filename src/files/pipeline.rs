//! A pipeline folder of diffusers: `model_index.json`, and a sub-folder for each part. The parts
//! with weights are models of their own.
//!
//! Each of them is compressed and decompressed as if it were given alone. A part without units is
//! copied like every other file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use serde::de::IgnoredAny;

use super::python;
use crate::open;

/// The file that makes a folder a pipeline.
pub(crate) const PIPELINE_FILE: &str = "model_index.json";

/// Most bytes of that file that are read to find the names of parts. A file that names some dozens
/// of parts has a few thousand bytes.
const PIPELINE_FILE_BYTES: u64 = 1 << 20;

/// Whether the folder `pipeline` is a pipeline that names `part`.
pub(crate) fn names_part(pipeline: &Path, part: &OsStr) -> bool {
    let Ok(file) = open::regular(&pipeline.join(PIPELINE_FILE)) else { return false };
    let mut bytes = Vec::new();
    let is_read = file.take(PIPELINE_FILE_BYTES).read_to_end(&mut bytes).is_ok();
    let fields: BTreeMap<String, IgnoredAny> = serde_json::from_slice(&python::to_json(&bytes)).unwrap_or_default();
    is_read && part.to_str().is_some_and(|part| fields.contains_key(part))
}
