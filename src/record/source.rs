//! The record of the source: everything that the published layout does not hold. It is stored in
//! `__metadata__` under keys that begin with `df11.`. FILES.md, "The record of the source".
//!
//! Version 2 also lists the files that we wrote, so that missing and changed files are found.
//! Version 1 is read by its own rules.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::{deflate, inflate};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3Default;

use super::config::canonical;
use crate::Error;
use crate::error::RecordReason;
use crate::files::our_files::{Digits, OurFile};
use crate::files::own::{CONFIG_KEY, FILES_KEY, MAIN_KEY, PREFIX, TENSORS_KEY, UNITS_KEY, VERSION_KEY, WrittenTensor};
use crate::files::values;
use crate::safetensors::MAX_HEADER_BYTES;

const VERSION_1: &str = "1";
const VERSION_2: &str = "2";
pub(crate) const SOURCES_KEY: &str = "df11.sources";
pub(crate) const DATA_KEY: &str = "df11.data";
pub(crate) const PART_KEY: &str = "df11.part";
pub(crate) const LEFT_OUT_KEY: &str = "df11.left_out";
const CHECKSUM_KEY: &str = "df11.checksum";

/// Most bytes that the headers and small files of the source inflate to, in all: the longest
/// header, and as much again for its index and config.
const MAX_SOURCES_BYTES: usize = 2 * MAX_HEADER_BYTES as usize;

/// Most bytes that one byte of `df11.sources` may inflate to. Real headers inflate 8 times, real
/// indexes 27 times. A file that deflates better than this is stored without compression.
const MAX_INFLATION: usize = 64;

/// Bytes that may always be inflated, however short the text is.
const FREE_INFLATION: usize = 4 << 20;

/// Level of deflate. Smaller headers matter more here than milliseconds.
const DEFLATE_LEVEL: u8 = 9;

/// What is known about the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// The tensors of each unit, in the order of its stream.
    pub units: BTreeMap<String, Vec<String>>,
    /// Every tensor of the source, coded or not.
    pub tensors: BTreeMap<String, TensorRecord>,
    /// The source's files without the data of their tensors.
    pub sources: Vec<SourceFile>,
    /// The files that were written beside the record; `None` in version 1, which does not list
    /// them.
    pub written: Option<Written>,
}

/// What version 2 adds: the files that were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// The other files of the model's folder. Empty if the model is a single file.
    pub files: Vec<OurFile>,
    /// The checksum of the data of the file that holds the record:
    /// [`data_checksum`](super::checksum::data_checksum).
    pub data: Digits,
    /// The folder of this model in its pipeline, if it is part of one.
    pub part: Option<String>,
    /// Files of the source's folder that were left out.
    pub left_out: Vec<String>,
}

/// What is known about one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TensorRecord {
    /// Its dtype in the source.
    pub dtype: String,
    /// Its shape in the source.
    pub shape: Vec<u64>,
    /// See [`TensorHash`](super::checksum::TensorHash).
    pub xxh3: u64,
}

/// A file of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// Its name without a folder.
    pub name: String,
    /// Which part of the file is kept.
    pub kind: SourceKind,
    /// The bytes that are kept.
    pub bytes: Vec<u8>,
}

/// Which part of a file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SourceKind {
    /// The header of a safetensors file: length, JSON and padding. The data of the tensors is
    /// elsewhere.
    Safetensors,
    /// The whole file.
    Verbatim,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSource {
    name: String,
    kind: SourceKind,
    bytes: String,
}

impl Record {
    /// The record as metadata of version 2. With `config_inside` it also holds `dfloat11_config`,
    /// for a model that has no config.json.
    ///
    /// Its length does not depend on checksums.
    pub fn to_metadata(&self, dfloat11_config: &Value, config_inside: bool) -> BTreeMap<String, String> {
        let tensors: BTreeMap<_, _> = self
            .tensors
            .iter()
            .map(|(name, TensorRecord { dtype, shape, xxh3 })| {
                (name, WrittenTensor { dtype: dtype.clone(), shape: shape.clone(), xxh3: Digits(*xxh3) })
            })
            .collect();
        let sources: Vec<_> = self
            .sources
            .iter()
            .map(|file| WrittenSource { name: file.name.clone(), kind: file.kind, bytes: packed(&file.bytes) })
            .collect();
        let json = |value: serde_json::Result<Value>| value.unwrap_or_default().to_string();
        let written = self.written.clone().unwrap_or_default();
        let mut metadata = BTreeMap::from([
            (VERSION_KEY.to_owned(), VERSION_2.to_owned()),
            (FILES_KEY.to_owned(), json(serde_json::to_value(&written.files))),
            (DATA_KEY.to_owned(), written.data.to_string()),
            (UNITS_KEY.to_owned(), json(serde_json::to_value(&self.units))),
            (TENSORS_KEY.to_owned(), json(serde_json::to_value(&tensors))),
            (SOURCES_KEY.to_owned(), json(serde_json::to_value(&sources))),
        ]);
        if config_inside {
            metadata.insert(CONFIG_KEY.to_owned(), canonical(dfloat11_config));
        }
        if !written.left_out.is_empty() {
            metadata.insert(LEFT_OUT_KEY.to_owned(), json(serde_json::to_value(&written.left_out)));
        }
        if let Some(part) = written.part {
            metadata.insert(PART_KEY.to_owned(), part);
        }
        metadata.insert(CHECKSUM_KEY.to_owned(), checksum(&metadata, None).to_string());
        metadata
    }

    /// Reads and checks the record in the metadata of the file at `path`; `None` if there is none.
    /// The checksum of version 1 also covers `dfloat11_config`.
    pub fn from_metadata(
        metadata: &BTreeMap<String, String>,
        dfloat11_config: Option<&Value>,
        path: &Path,
    ) -> Result<Option<Record>, Error> {
        let damaged = |key: &str, reason| Error::Record { path: path.to_path_buf(), key: key.to_owned(), reason };
        let Some(version) = metadata.get(VERSION_KEY) else {
            return match metadata.keys().find(|key| key.starts_with(PREFIX) && *key != MAIN_KEY) {
                Some(key) => Err(damaged(key, RecordReason::NoVersion { version_key: VERSION_KEY })),
                None => Ok(None),
            };
        };
        let sealed_config = match version.as_str() {
            VERSION_1 => Some(dfloat11_config.unwrap_or(&Value::Null)),
            VERSION_2 => None,
            other => return Err(other_version(other, path)),
        };
        let value = |key: &str| metadata.get(key).ok_or_else(|| damaged(key, RecordReason::Missing));
        let (found, expected) = (checksum(metadata, sealed_config).to_string(), value(CHECKSUM_KEY)?);
        if found != *expected {
            let sealed = if sealed_config.is_some() {
                "the record and the dfloat11_config of config.json have"
            } else {
                "the record has"
            };
            let reason = RecordReason::Checksum { sealed, found, expected: expected.clone() };
            return Err(damaged(CHECKSUM_KEY, reason));
        }
        let not_json = |key: &'static str| {
            move |error: serde_json::Error| damaged(key, RecordReason::Json { message: error.to_string() })
        };
        let units = serde_json::from_str(value(UNITS_KEY)?).map_err(not_json(UNITS_KEY))?;
        let tensors: BTreeMap<String, WrittenTensor> =
            serde_json::from_str(value(TENSORS_KEY)?).map_err(not_json(TENSORS_KEY))?;
        let tensors = tensors
            .into_iter()
            .map(|(name, WrittenTensor { dtype, shape, xxh3 })| (name, TensorRecord { dtype, shape, xxh3: xxh3.0 }))
            .collect();
        let sources_text = value(SOURCES_KEY)?;
        let written: Vec<WrittenSource> = serde_json::from_str(sources_text).map_err(not_json(SOURCES_KEY))?;
        let mut room = MAX_SOURCES_BYTES.min(FREE_INFLATION + MAX_INFLATION * sources_text.len());
        let sources = written
            .into_iter()
            .map(|WrittenSource { name, kind, bytes }| {
                let not_packed =
                    |message: String| damaged(SOURCES_KEY, RecordReason::Packed { file: name.clone(), message });
                let packed = STANDARD.decode(bytes).map_err(|error| not_packed(error.to_string()))?;
                let bytes = inflate::decompress_to_vec_with_limit(&packed, room)
                    .map_err(|error| not_packed(error.to_string()))?;
                room -= bytes.len();
                Ok(SourceFile { name, kind, bytes })
            })
            .collect::<Result<_, Error>>()?;
        let written = match sealed_config {
            Some(_) => None,
            None => Some(Written {
                files: serde_json::from_str(value(FILES_KEY)?).map_err(not_json(FILES_KEY))?,
                data: Digits::parse(value(DATA_KEY)?).ok_or_else(|| damaged(DATA_KEY, RecordReason::NoDigits))?,
                part: metadata.get(PART_KEY).cloned(),
                left_out: match metadata.get(LEFT_OUT_KEY) {
                    Some(text) => serde_json::from_str(text).map_err(not_json(LEFT_OUT_KEY))?,
                    None => Vec::new(),
                },
            }),
        };
        Ok(Some(Record { units, tensors, sources, written }))
    }
}

/// Whether these metadata are a record of version 1.
pub(crate) fn is_version_1(metadata: &BTreeMap<String, String>) -> bool {
    metadata.get(VERSION_KEY).is_some_and(|version| version == VERSION_1)
}

/// The checksum of the record, as these metadata state it.
pub(crate) fn checksum_of(metadata: &BTreeMap<String, String>) -> Option<Digits> {
    Digits::parse(metadata.get(CHECKSUM_KEY)?)
}

/// The error for a version that cannot be read: that of a newer program, or no version at all.
fn other_version(found: &str, path: &Path) -> Error {
    let is_number = found.starts_with(|first| matches!(first, '1'..='9')) && found.bytes().all(|b| b.is_ascii_digit());
    if is_number {
        return Error::RecordVersion { path: path.to_path_buf(), found: found.to_owned() };
    }
    let reason = RecordReason::Version { found: found.to_owned(), expected: "`1` or `2`" };
    Error::Record { path: path.to_path_buf(), key: VERSION_KEY.into(), reason }
}

/// Compresses a source file to text, unless it would inflate more than is allowed.
fn packed(bytes: &[u8]) -> String {
    let text = STANDARD.encode(deflate::compress_to_vec(bytes, DEFLATE_LEVEL));
    if bytes.len() / MAX_INFLATION <= text.len() { text } else { STANDARD.encode(deflate::compress_to_vec(bytes, 0)) }
}

/// The `dfloat11_config` that a single file carries in its metadata.
pub(crate) fn config_inside(metadata: &BTreeMap<String, String>, path: &Path) -> Result<Option<Value>, Error> {
    let Some(text) = metadata.get(CONFIG_KEY) else { return Ok(None) };
    values::parse(text.as_bytes()).map(Some).map_err(|error| Error::Record {
        path: path.to_path_buf(),
        key: CONFIG_KEY.into(),
        reason: RecordReason::Json { message: error.to_string() },
    })
}

/// Hashes key, 0, value, 0 for each of our keys, in order of key. The checksum's own key and the
/// key that names the main file are left out. Version 1 then also hashes `dfloat11_config` as
/// canonical JSON.
fn checksum(metadata: &BTreeMap<String, String>, dfloat11_config: Option<&Value>) -> Digits {
    let mut hash = Xxh3Default::new();
    let sealed = |key: &str| key.starts_with(PREFIX) && key != CHECKSUM_KEY && key != MAIN_KEY;
    for (key, value) in metadata.iter().filter(|(key, _)| sealed(key)) {
        for text in [key, value] {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        }
    }
    if let Some(config) = dfloat11_config {
        hash.update(canonical(config).as_bytes());
    }
    Digits(hash.digest())
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
            written: Some(Written {
                files: vec![OurFile::Card { name: "README.md".into(), xxh3: Digits(3) }],
                data: Digits(2),
                part: Some("transformer".into()),
                left_out: vec!["other.safetensors".into()],
            }),
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
    }

    #[test]
    fn an_older_record_is_sealed_with_its_configuration_and_says_nothing_of_files() {
        let (path, config) = (Path::new("m"), serde_json::json!({"b": 1}));
        let mut metadata = record().to_metadata(&config, false);
        metadata.retain(|key, _| ![FILES_KEY, DATA_KEY, PART_KEY, CHECKSUM_KEY].contains(&key.as_str()));
        metadata.insert(VERSION_KEY.into(), "1".into());
        metadata.insert(CHECKSUM_KEY.into(), checksum(&metadata, Some(&config)).to_string());
        let found = Record::from_metadata(&metadata, Some(&config), path).expect("sound").expect("a record");
        assert_eq!(found, Record { written: None, ..record() });
        let other = serde_json::json!({"b": 2});
        for config in [Some(&other), None] {
            assert!(matches!(Record::from_metadata(&metadata, config, path), Err(Error::Record { .. })));
        }
    }

    #[test]
    fn a_version_is_read_or_newer_or_none_at_all() {
        let path = Path::new("m");
        let read = |version: &str| {
            let mut metadata = record().to_metadata(&Value::Null, false);
            metadata.insert(VERSION_KEY.into(), version.into());
            metadata.insert(CHECKSUM_KEY.into(), checksum(&metadata, None).to_string());
            Record::from_metadata(&metadata, None, path)
        };
        read("2").expect("ours");
        for newer in ["3", "17", "123456789012345678901234567890"] {
            let error = read(newer).expect_err("newer");
            assert!(matches!(&error, Error::RecordVersion { .. }) && !error.is_failed_check(), "{error}");
            assert!(error.to_string().contains(newer) && error.to_string().contains("newer df11"), "{error}");
        }
        for nonsense in ["", "0", "00", "01", "02", "-1", "2.0", " 2", "2 ", "+2", "two", "²"] {
            let error = read(nonsense).expect_err("nonsense");
            assert!(matches!(&error, Error::Record { .. }) && !error.to_string().contains("newer"), "{error}");
        }
        // Version 1 is sealed in another way.
        assert!(matches!(read("1"), Err(Error::Record { .. })));
    }
}
