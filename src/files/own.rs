//! The files and tensors that the record in a file's metadata calls part of the model. They tell
//! which files to open, so they are read before the record's checksum is checked.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::leaves::{LEAVES, is_leaf};
use super::our_files::{Digits, OurFile};
use crate::safetensors::{Header, TensorInfo};

/// How every key of ours begins.
pub(crate) const PREFIX: &str = "df11.";
pub(crate) const VERSION_KEY: &str = "df11.version";
pub(crate) const UNITS_KEY: &str = "df11.units";
pub(crate) const TENSORS_KEY: &str = "df11.tensors";
pub(crate) const FILES_KEY: &str = "df11.files";
/// In a file alone: what config.json holds otherwise.
pub(crate) const CONFIG_KEY: &str = "df11.config";
/// In every other weight file: the name of the file with the record.
pub(crate) const MAIN_KEY: &str = "df11.main";

/// A tensor as the record writes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenTensor {
    pub dtype: String,
    pub shape: Vec<u64>,
    pub xxh3: Digits,
}

/// Whether these metadata hold a record, of any version.
pub(crate) fn has_record(metadata: &BTreeMap<String, String>) -> bool {
    metadata.contains_key(VERSION_KEY)
}

/// The files and tensors that a record of version 2 calls part of the model. They are read before
/// the record's checksum is checked, to know which files to open.
#[derive(Debug)]
pub(crate) struct Own {
    /// The weight files, each with the checksum of its header.
    pub files: BTreeMap<String, Digits>,
    /// The files of the source that were copied, weight files among them.
    pub copied: BTreeSet<String>,
    units: BTreeMap<String, Vec<String>>,
    tensors: BTreeMap<String, WrittenTensor>,
}

impl Own {
    /// `None` if the record does not name them.
    pub fn of(metadata: &BTreeMap<String, String>) -> Option<Own> {
        let files: Vec<OurFile> = serde_json::from_str(metadata.get(FILES_KEY)?).ok()?;
        let copied = files.iter().filter(|file| file.source_name().is_some()).map(|file| file.name().to_owned());
        let copied = copied.collect();
        let weights = files.into_iter().filter_map(|file| match file {
            OurFile::Weights { name, header, .. } => Some((name, header)),
            _ => None,
        });
        Some(Own {
            files: weights.collect(),
            copied,
            units: serde_json::from_str(metadata.get(UNITS_KEY)?).ok()?,
            tensors: serde_json::from_str(metadata.get(TENSORS_KEY)?).ok()?,
        })
    }

    /// Whether a file holds only tensors of the model: whole units, and raw tensors with the dtype
    /// and shape that they have in the source.
    pub fn holds(&self, header: &Header) -> bool {
        let all: BTreeMap<&str, &TensorInfo> =
            header.tensors.iter().map(|(name, info)| (name.as_str(), info)).collect();
        let is_own = |(name, info): (&&str, &&TensorInfo)| match name.rsplit_once('.') {
            Some((unit, leaf)) if self.units.contains_key(unit) && LEAVES.iter().any(|(name, _)| *name == leaf) => {
                LEAVES.iter().all(|(leaf, dtype)| {
                    all.get(format!("{unit}.{leaf}").as_str()).is_some_and(|info| is_leaf(info, leaf, dtype))
                })
            }
            _ => self.tensors.get(*name).is_some_and(|own| own.dtype == info.dtype.name() && own.shape == info.shape),
        };
        !all.is_empty() && all.iter().all(is_own)
    }
}
