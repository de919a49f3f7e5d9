//! The record of the source: what the published layout does not hold, in `__metadata__` under `df11.`. FORMAT.md, "Model files".

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::{deflate, inflate};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3Default;

use super::config::canonical;
use super::values;
use crate::Error;
use crate::safetensors::MAX_HEADER_BYTES;

/// What every key of ours begins with.
pub(crate) const PREFIX: &str = "df11.";
const VERSION: &str = "1";
const VERSION_KEY: &str = "df11.version";
pub(crate) const UNITS_KEY: &str = "df11.units";
pub(crate) const TENSORS_KEY: &str = "df11.tensors";
pub(crate) const SOURCES_KEY: &str = "df11.sources";
const CONFIG_KEY: &str = "df11.config";
const CHECKSUM_KEY: &str = "df11.checksum";

/// Most bytes that the source's headers and small files inflate to, all together: as much again as the longest header, for its index and config.
const MAX_SOURCES_BYTES: usize = 2 * MAX_HEADER_BYTES as usize;

/// Bytes that a byte of `df11.sources` may stand for: real headers are 8 for one, real indexes 27. What deflates better is stored as it is.
const MAX_INFLATION: usize = 64;

/// Bytes that may be inflated whatever their text is.
const FREE_INFLATION: usize = 4 << 20;

/// Level of deflate: smaller headers matter more here than milliseconds.
const DEFLATE_LEVEL: u8 = 9;

/// What is known of the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// The tensors of each unit in the order of its stream.
    pub units: BTreeMap<String, Vec<String>>,
    /// Every tensor of the source, coded or not.
    pub tensors: BTreeMap<String, TensorRecord>,
    /// The source's files but for its tensors' data.
    pub sources: Vec<SourceFile>,
}

/// What is known of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TensorRecord {
    /// Its dtype in the source.
    pub dtype: String,
    /// Its shape in the source.
    pub shape: Vec<u64>,
    /// See [`TensorHash`].
    pub xxh3: u64,
}

/// A file of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// Its name without a folder.
    pub name: String,
    /// What of it is kept.
    pub kind: SourceKind,
    /// What is kept.
    pub bytes: Vec<u8>,
}

/// What of a file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SourceKind {
    /// The header of a safetensors file: length, JSON and padding. The tensors' data is elsewhere.
    Safetensors,
    /// All of it.
    Verbatim,
}

/// Checksum of one tensor: xxh3-64 over what it is called, what it is, and its data.
pub(crate) struct TensorHash(Xxh3Default);

impl TensorHash {
    /// Over name, 0, dtype, 0, rank and sizes as u64; the data is to follow.
    pub fn new(name: &str, dtype: &str, shape: &[u64]) -> TensorHash {
        let mut hash = Xxh3Default::new();
        for text in [name, dtype] {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        }
        hash.update(&(shape.len() as u64).to_le_bytes());
        for size in shape {
            hash.update(&size.to_le_bytes());
        }
        TensorHash(hash)
    }

    /// Goes on with the data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The checksum.
    pub fn finish(&self) -> u64 {
        self.0.digest()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTensor {
    dtype: String,
    shape: Vec<u64>,
    xxh3: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSource {
    name: String,
    kind: SourceKind,
    bytes: String,
}

impl Record {
    /// The record as metadata, with `dfloat11_config` in it where no config.json is to hold that.
    pub fn to_metadata(&self, dfloat11_config: &Value, config_inside: bool) -> BTreeMap<String, String> {
        let tensors: BTreeMap<_, _> = self
            .tensors
            .iter()
            .map(|(name, TensorRecord { dtype, shape, xxh3 })| {
                (name, WrittenTensor { dtype: dtype.clone(), shape: shape.clone(), xxh3: hex(*xxh3) })
            })
            .collect();
        let sources: Vec<_> = self
            .sources
            .iter()
            .map(|file| WrittenSource { name: file.name.clone(), kind: file.kind, bytes: packed(&file.bytes) })
            .collect();
        let json = |value: serde_json::Result<Value>| value.unwrap_or_default().to_string();
        let mut metadata = BTreeMap::from([
            (VERSION_KEY.to_owned(), VERSION.to_owned()),
            (UNITS_KEY.to_owned(), json(serde_json::to_value(&self.units))),
            (TENSORS_KEY.to_owned(), json(serde_json::to_value(&tensors))),
            (SOURCES_KEY.to_owned(), json(serde_json::to_value(&sources))),
        ]);
        if config_inside {
            metadata.insert(CONFIG_KEY.to_owned(), canonical(dfloat11_config));
        }
        metadata.insert(CHECKSUM_KEY.to_owned(), hex(checksum(&metadata, dfloat11_config)));
        metadata
    }

    /// Reads and checks the record in the metadata of the file at `path`; `None` where there is none.
    pub fn from_metadata(
        metadata: &BTreeMap<String, String>,
        dfloat11_config: Option<&Value>,
        path: &Path,
    ) -> Result<Option<Record>, Error> {
        let damaged =
            |key: &str, reason: String| Error::Record { path: path.to_path_buf(), key: key.to_owned(), reason };
        let Some(version) = metadata.get(VERSION_KEY) else {
            return match metadata.keys().find(|key| key.starts_with(PREFIX)) {
                Some(key) => Err(damaged(key, format!("{VERSION_KEY} is missing"))),
                None => Ok(None),
            };
        };
        if version != VERSION {
            return Err(damaged(
                VERSION_KEY,
                format!("found `{version}`, expected `{VERSION}`: a newer df11 reads it"),
            ));
        }
        let value = |key: &str| metadata.get(key).ok_or_else(|| damaged(key, "it is missing".into()));
        let config = dfloat11_config.unwrap_or(&Value::Null);
        let (found, expected) = (hex(checksum(metadata, config)), value(CHECKSUM_KEY)?);
        if found != *expected {
            let reason = format!("the record and dfloat11_config have checksum {found}, expected {expected}");
            return Err(damaged(CHECKSUM_KEY, reason));
        }
        let not_json = |key: &'static str| move |error: serde_json::Error| damaged(key, error.to_string());
        let units = serde_json::from_str(value(UNITS_KEY)?).map_err(not_json(UNITS_KEY))?;
        let tensors: BTreeMap<String, WrittenTensor> =
            serde_json::from_str(value(TENSORS_KEY)?).map_err(not_json(TENSORS_KEY))?;
        let tensors: Option<_> = tensors
            .into_iter()
            .map(|(name, WrittenTensor { dtype, shape, xxh3 })| {
                Some((name, TensorRecord { dtype, shape, xxh3: u64::from_str_radix(&xxh3, 16).ok()? }))
            })
            .collect();
        let tensors = tensors.ok_or_else(|| damaged(TENSORS_KEY, "expected 16 hexadecimal digits for xxh3".into()))?;
        let sources_text = value(SOURCES_KEY)?;
        let written: Vec<WrittenSource> = serde_json::from_str(sources_text).map_err(not_json(SOURCES_KEY))?;
        let mut room = MAX_SOURCES_BYTES.min(FREE_INFLATION + MAX_INFLATION * sources_text.len());
        let sources = written
            .into_iter()
            .map(|WrittenSource { name, kind, bytes }| {
                let packed =
                    STANDARD.decode(bytes).map_err(|error| damaged(SOURCES_KEY, format!("`{name}`: {error}")))?;
                let bytes = inflate::decompress_to_vec_with_limit(&packed, room)
                    .map_err(|error| damaged(SOURCES_KEY, format!("`{name}`: {error}")))?;
                room -= bytes.len();
                Ok(SourceFile { name, kind, bytes })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Some(Record { units, tensors, sources }))
    }
}

/// A source file as text that stands for no more than it may.
fn packed(bytes: &[u8]) -> String {
    let text = STANDARD.encode(deflate::compress_to_vec(bytes, DEFLATE_LEVEL));
    if bytes.len() / MAX_INFLATION <= text.len() { text } else { STANDARD.encode(deflate::compress_to_vec(bytes, 0)) }
}

/// The `dfloat11_config` that a single file carries itself.
pub(crate) fn config_inside(metadata: &BTreeMap<String, String>, path: &Path) -> Result<Option<Value>, Error> {
    let Some(text) = metadata.get(CONFIG_KEY) else { return Ok(None) };
    values::parse(text.as_bytes()).map(Some).map_err(|error| Error::Record {
        path: path.to_path_buf(),
        key: CONFIG_KEY.into(),
        reason: error.to_string(),
    })
}

/// Over key, 0, value, 0 of every key of ours but its own, in order of key, then over `dfloat11_config` as canonical JSON.
fn checksum(metadata: &BTreeMap<String, String>, dfloat11_config: &Value) -> u64 {
    let mut hash = Xxh3Default::new();
    for (key, value) in metadata.iter().filter(|(key, _)| key.starts_with(PREFIX) && *key != CHECKSUM_KEY) {
        for text in [key, value] {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        }
    }
    hash.update(canonical(dfloat11_config).as_bytes());
    hash.digest()
}

fn hex(value: u64) -> String {
    format!("{value:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            units: BTreeMap::from([("m.0".into(), vec!["m.0.b.weight".into(), "m.0.a.weight".into()])]),
            tensors: BTreeMap::from([(
                "m.0.a.weight".into(),
                TensorRecord { dtype: "BF16".into(), shape: vec![2, 3], xxh3: 0x0123_4567_89ab_cdef },
            )]),
            sources: vec![
                SourceFile {
                    name: "model.safetensors".into(),
                    kind: SourceKind::Safetensors,
                    bytes: b"header".to_vec(),
                },
                SourceFile { name: "config.json".into(), kind: SourceKind::Verbatim, bytes: vec![b' '; 5000] },
            ],
        }
    }

    #[test]
    fn a_record_comes_back_from_its_metadata() {
        let (path, config) = (Path::new("m"), serde_json::json!({"b": 1, "a": 2}));
        for inside in [false, true] {
            let metadata = record().to_metadata(&config, inside);
            assert_eq!(Record::from_metadata(&metadata, Some(&config), path).expect("sound"), Some(record()));
            assert_eq!(config_inside(&metadata, path).expect("sound").as_ref() == Some(&config), inside);
        }
        assert_eq!(Record::from_metadata(&BTreeMap::new(), None, path).expect("none"), None);
    }

    #[test]
    fn any_change_of_the_record_or_the_configuration_is_noticed() {
        let (path, config) = (Path::new("m"), serde_json::json!({"b": 1}));
        let metadata = record().to_metadata(&config, true);
        for key in metadata.keys() {
            let mut changed = metadata.clone();
            changed.insert(key.clone(), metadata[key].replacen(['0', '1', '['], "2", 1) + " ");
            assert!(matches!(Record::from_metadata(&changed, Some(&config), path), Err(Error::Record { .. })), "{key}");
            let mut missing = metadata.clone();
            missing.remove(key);
            assert!(matches!(Record::from_metadata(&missing, Some(&config), path), Err(Error::Record { .. })), "{key}");
        }
        let other = serde_json::json!({"b": 2});
        assert!(matches!(Record::from_metadata(&metadata, Some(&other), path), Err(Error::Record { .. })));
        assert!(matches!(Record::from_metadata(&metadata, None, path), Err(Error::Record { .. })));
    }

    #[test]
    fn a_checksum_tells_name_dtype_shape_and_data_apart() {
        let hash = |name, dtype, shape: &[u64], data: &[u8]| {
            let mut hash = TensorHash::new(name, dtype, shape);
            hash.update(data);
            hash.finish()
        };
        let all = [
            hash("ab", "BF16", &[2, 3], b"xy"),
            hash("a", "bBF16", &[2, 3], b"xy"),
            hash("ab", "BF16", &[3, 2], b"xy"),
            hash("ab", "BF16", &[6], b"xy"),
            hash("ab", "BF16", &[2, 3], b"xz"),
        ];
        assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
        assert_eq!(hash("", "", &[], b""), xxhash_rust::xxh3::xxh3_64(&[0; 10]));
    }
}
