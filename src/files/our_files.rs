//! The files of a model that we wrote, as its record lists them: what kind each is, and what it
//! must contain. FILES.md, "The files".

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::portable::Names;
use crate::Error;
use crate::error::NameReason;

/// A checksum in its written form: 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digits(pub u64);

impl Digits {
    /// Reads exactly 16 digits.
    pub fn parse(text: &str) -> Option<Digits> {
        let plain = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u64::from_str_radix(text, 16).ok().filter(|_| plain).map(Digits)
    }
}

impl std::fmt::Display for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Digits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digits::parse(&text).ok_or_else(|| serde::de::Error::custom("expected 16 hexadecimal digits"))
    }
}

/// A file that we wrote. Its name is relative, with `/` between folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum OurFile {
    /// Weights: every safetensors file except the one that holds the record.
    Weights {
        name: String,
        size: u64,
        /// The checksum of its header: length, JSON and padding.
        header: Digits,
        /// See `record::checksum`.
        xxh3: Digits,
    },
    /// config.json.
    Config { name: String, size: u64, xxh3: Digits },
    /// The model card. Users are meant to complete it, so a changed card is only a note. It has no
    /// size, because it states the sizes of the other files.
    Card { name: String, xxh3: Digits },
    /// A file of the source, copied.
    Copied {
        name: String,
        size: u64,
        xxh3: Digits,
        /// Its name in the source, if that differs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// A coded part of a pipeline: its folder, and the checksum of the record in it.
    Part { name: String, xxh3: Digits },
}

impl OurFile {
    /// Its name in OUTPUT.
    pub fn name(&self) -> &str {
        match self {
            OurFile::Weights { name, .. }
            | OurFile::Config { name, .. }
            | OurFile::Card { name, .. }
            | OurFile::Copied { name, .. }
            | OurFile::Part { name, .. } => name,
        }
    }

    /// Its name in the source; `None` if it is not a file of the source.
    pub fn source_name(&self) -> Option<&str> {
        match self {
            OurFile::Copied { name, source, .. } => Some(source.as_ref().unwrap_or(name)),
            _ => None,
        }
    }
}

/// Checks that files with these names can lie in one folder on every system.
///
/// # Errors
/// The first name that is refused, and why.
pub(crate) fn check_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), (String, NameReason)> {
    let mut taken = Names::default();
    names.into_iter().try_for_each(|name| taken.take(name).map_err(|reason| (name.to_owned(), reason)))
}

/// The same check, for files that are about to be written to or read from `folder`.
pub(crate) fn check_names_in<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    let path = folder.to_path_buf();
    check_names(names).map_err(|(name, reason)| Error::NameNotPortable { path, name, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_file_is_read_as_it_was_written_and_no_field_is_added_or_lost() {
        let (size, xxh3) = (7, Digits(0x12));
        let name = || "a/b".to_owned();
        for file in [
            OurFile::Weights { name: name(), size, header: Digits(u64::MAX), xxh3 },
            OurFile::Config { name: name(), size, xxh3 },
            OurFile::Card { name: name(), xxh3 },
            OurFile::Copied { name: name(), size, xxh3, source: None },
            OurFile::Copied { name: name(), size, xxh3, source: Some("c".into()) },
            OurFile::Part { name: name(), xxh3 },
        ] {
            let json = serde_json::to_value(&file).expect("JSON");
            assert_eq!(serde_json::from_value::<OurFile>(json.clone()).expect("the same"), file);
            let fields = json.as_object().expect("an object");
            for field in fields.keys().filter(|field| *field != "source") {
                let mut without = fields.clone();
                without.remove(field);
                assert!(serde_json::from_value::<OurFile>(without.into()).is_err(), "{json} without {field}");
            }
            let mut more = fields.clone();
            more.insert("more".into(), 1.into());
            assert!(serde_json::from_value::<OurFile>(more.into()).is_err(), "{json} with a field more");
        }
        for digits in ["", "12", "+000000000000012", "00000000000000012", "000000000000001G", "000000000000001A"] {
            assert_eq!(Digits::parse(digits), None, "{digits}");
        }
    }
}
