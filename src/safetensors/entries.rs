//! Turns the JSON of a header into entries that are not checked yet. The number of things in it is
//! bounded before any of them is kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Dtype;
use super::rules::{Fault, MAX_METADATA, MAX_TENSORS, METADATA_KEY, Most, TensorInfo};

/// The shortest entry of a tensor. If a header has fewer bytes than [`MAX_TENSORS`] such entries,
/// it need not be counted.
const SHORTEST_ENTRY: &str = r#""":{"dtype":"","shape":[],"data_offsets":[0,0]},"#;

/// `__metadata__`, empty if there is none, and the tensors in the order of the JSON.
pub(super) type Entries = (BTreeMap<String, String>, Vec<(String, TensorInfo)>);

/// Parses the JSON of a header.
///
/// # Errors
/// It is not one object of the known form, or it holds too much.
pub(super) fn parse(json: &[u8], most: Most) -> Result<Entries, Fault> {
    if json.first() != Some(&b'{') {
        return Err(Fault::HeaderNotValid("expected `{` as its first byte".into()));
    }
    if json.len() > MAX_TENSORS * SHORTEST_ENTRY.len() {
        read(json, Count)?;
    }
    read(json, Read { most })
}

fn read<'a, V: Visitor<'a>>(json: &'a [u8], visitor: V) -> Result<V::Value, Fault> {
    let not_valid = |error: serde_json::Error| Fault::HeaderNotValid(error.to_string());
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = deserializer.deserialize_map(visitor).map_err(not_valid)?;
    deserializer.end().map_err(not_valid)?;
    Ok(value)
}

/// Counts the keys and keeps nothing.
struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = 0;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            keys += 1;
            // One more, because the metadata has a key too.
            if keys > MAX_TENSORS + 1 {
                return Err(A::Error::custom(format!("more than {MAX_TENSORS} tensors")));
            }
        }
        Ok(())
    }
}

/// One entry as the JSON has it.
#[derive(serde::Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    dtype: Cow<'a, str>,
    #[serde(borrow)]
    shape: &'a RawValue,
    data_offsets: (u64, u64),
}

/// Reads the entries.
struct Read {
    most: Most,
}

impl<'de> Visitor<'de> for Read {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut metadata = None;
        let mut tensors = Vec::new();
        let mut sizes = 0;
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA_KEY {
                if metadata.replace(map.next_value::<Option<Metadata>>()?.unwrap_or_default().0).is_some() {
                    return Err(A::Error::custom(format!("key `{METADATA_KEY}` is there twice")));
                }
                continue;
            }
            let Most { tensors: most, shape_entries } = self.most;
            if tensors.len() == most {
                return Err(A::Error::custom(format!("more than {most} tensors")));
            }
            let Entry { dtype, shape, data_offsets: (begin, end) } = map.next_value()?;
            sizes += numbers_in(shape.get());
            if sizes > shape_entries {
                return Err(A::Error::custom(format!("more than {shape_entries} sizes in its shapes")));
            }
            let mut shape: Vec<u64> = serde_json::from_str(shape.get()).map_err(A::Error::custom)?;
            shape.shrink_to_fit();
            tensors.push((name, TensorInfo { dtype: Dtype::named(&dtype), shape, begin, end }));
        }
        Ok((metadata.unwrap_or_default(), tensors))
    }
}

/// Counts the numbers of a list without reading them.
fn numbers_in(list: &str) -> usize {
    let commas = list.bytes().filter(|&byte| byte == b',').count();
    commas + usize::from(list.bytes().any(|byte| byte.is_ascii_digit()))
}

/// A map of strings in which no key occurs twice. Python's safetensors takes `null` for an empty
/// one.
#[derive(Default)]
struct Metadata(BTreeMap<String, String>);

impl<'de> serde::Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringsVisitor;
        impl<'de> Visitor<'de> for StringsVisitor {
            type Value = Metadata;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut strings = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if strings.len() == MAX_METADATA {
                        let reason = format!("more than {MAX_METADATA} entries of `{METADATA_KEY}`");
                        return Err(A::Error::custom(reason));
                    }
                    if strings.contains_key(&key) {
                        return Err(A::Error::custom(format!("key `{key}` of {METADATA_KEY} is there twice")));
                    }
                    strings.insert(key, value);
                }
                Ok(Metadata(strings))
            }
        }
        deserializer.deserialize_map(StringsVisitor)
    }
}
