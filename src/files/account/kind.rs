//! Whether a folder is a DFloat11 model.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::folder::{Folder, is_marked};
use super::sets::has_set;
use crate::files::file_names::CONFIG_FILE;
use crate::files::folder::read_small;
use crate::files::own::CONFIG_KEY;
use crate::files::python;
use crate::safetensors::Reader;

/// The fields by which config.json says that a folder is a DFloat11 model, of any version.
const CODED_FIELDS: [&str; 2] = ["dfloat11_config", "dfloat11_version"];

/// Whether the folder is a DFloat11 model, whole or damaged: config.json says so, or a weight file
/// does. A model in one file may lie beside a BF16 model, and says nothing about that.
pub(super) fn is_coded(folder: &Folder) -> bool {
    let says_so = |bytes: Vec<u8>| {
        let fields: BTreeMap<String, IgnoredAny> = serde_json::from_slice(&python::to_json(&bytes)).unwrap_or_default();
        CODED_FIELDS.iter().any(|field| fields.contains_key(*field))
    };
    let config = folder.path.join(CONFIG_FILE);
    if config.is_file() && read_small(&config).is_ok_and(says_so) {
        return true;
    }
    let is_alone = |reader: &Reader| reader.header().metadata.contains_key(CONFIG_KEY);
    let (mut marked, mut all_alone) = (false, true);
    for reader in folder.readers().filter(|reader| is_marked(reader)) {
        (marked, all_alone) = (true, all_alone && is_alone(reader));
    }
    marked && (!all_alone || !has_set(folder))
}
