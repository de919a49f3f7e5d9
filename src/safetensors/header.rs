//! A header's bytes to names and ranges, every rule checked.
//!
//! 1. The length is at most [`MAX_HEADER_BYTES`] and the file is that long, before a byte of JSON is read.
//! 2. The JSON is one object of at most [`MAX_TENSORS`] tensors plus `__metadata__` (string to string); no key twice; its depth is bounded by the parser.
//! 3. Sorted by offset, each tensor begins where the last one ended, and the last ends where the file ends: no holes, no overlap.
//! 4. A known dtype's shape times its size is the range's length, in checked arithmetic.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Dtype;

/// Longest JSON header, in bytes: the reference implementation's limit, so that what is read here is read there.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Most tensors of a file.
///
/// Why 2^18: whole models of today have up to some 100,000, expert by expert, and are sharded; a header of 100 MB could claim 1.5 million empty ones, which take
/// seconds and gigabytes to keep apart.
pub const MAX_TENSORS: usize = 1 << 18;

/// Most sizes in the shapes of a file's tensors, all together: a size can be two bytes of text, and takes eight in memory, more than once.
///
/// Why 8 a tensor: weights have 1 to 5.
pub const MAX_SHAPE_ENTRIES: usize = 8 * MAX_TENSORS;

/// How much a header may claim, asked before it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Tensors.
    pub tensors: usize,
    /// Sizes in their shapes.
    pub shape_entries: usize,
}

/// Bytes of the length in front of the JSON.
pub(crate) const LENGTH_BYTES: u64 = 8;

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, slowest first; empty for a scalar.
    pub shape: Vec<u64>,
    /// First byte, counted from the end of the header.
    pub begin: u64,
    /// One past the last byte, counted from the end of the header.
    pub end: u64,
}

impl TensorInfo {
    /// Bytes of data.
    pub fn bytes(&self) -> u64 {
        self.end - self.begin
    }
}

/// A checked header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `__metadata__`, empty where there is none.
    pub metadata: BTreeMap<String, String>,
    /// The tensors in the order of their data.
    pub tensors: Vec<(String, TensorInfo)>,
}

/// The rule of the container that a file breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Fewer than eight bytes.
    #[error("the file has {bytes} bytes, expected at least 8 for the header's length")]
    NoHeaderLength {
        /// Bytes of the file.
        bytes: u64,
    },
    /// A header longer than is read.
    #[error("the header claims {bytes} bytes, expected at most {MAX_HEADER_BYTES}")]
    HeaderTooLong {
        /// The length it claims.
        bytes: u64,
    },
    /// A header longer than its file.
    #[error(
        "the header claims {bytes} bytes, the file holds {file_bytes} in all: it is truncated or no safetensors file"
    )]
    HeaderPastEnd {
        /// The length it claims.
        bytes: u64,
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// Not the JSON that is expected.
    #[error("the header is not valid: {0}")]
    HeaderNotValid(String),
    /// A range that ends before it begins.
    #[error("tensor `{tensor}`: data_offsets [{begin}, {end}] run backwards")]
    OffsetsRunBackwards {
        /// The tensor.
        tensor: String,
        /// First offset.
        begin: u64,
        /// Second offset.
        end: u64,
    },
    /// Two tensors share bytes, or bytes belong to none.
    #[error("tensor `{tensor}`: its data begins at {begin}, expected {expected}: {}", if begin < expected { "it overlaps its neighbour" } else { "there is a hole in front" })]
    NotContiguous {
        /// The tensor.
        tensor: String,
        /// Where it begins.
        begin: u64,
        /// Where the tensor before it ends.
        expected: u64,
    },
    /// The data is longer or shorter than the header says.
    #[error("the tensors end at byte {end} of the data, the file has {data_bytes} bytes of data: {}", if end > data_bytes { "it is truncated" } else { "there is something behind the last tensor" })]
    DataSize {
        /// End of the last tensor.
        end: u64,
        /// What is there.
        data_bytes: u64,
    },
    /// Dtype and shape ask for another number of bytes than the range has.
    #[error("tensor `{tensor}`: {dtype} {shape:?} does not fill its {bytes} bytes of data")]
    ShapeDoesNotFit {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<u64>,
        /// Bytes of its range.
        bytes: u64,
    },
}

/// Checks the eight bytes in front: the length of the JSON, which fits in a file of `file_bytes`.
///
/// # Errors
/// A length over the limit or past the end of the file.
pub(crate) fn json_bytes(length: [u8; 8], file_bytes: u64) -> Result<u64, Fault> {
    let bytes = u64::from_le_bytes(length);
    if bytes > MAX_HEADER_BYTES {
        return Err(Fault::HeaderTooLong { bytes });
    }
    if bytes > file_bytes.saturating_sub(LENGTH_BYTES) {
        return Err(Fault::HeaderPastEnd { bytes, file_bytes });
    }
    Ok(bytes)
}

impl Header {
    /// Parses the JSON of a header whose file has `data_bytes` bytes behind it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn parse(json: &[u8], data_bytes: u64) -> Result<Header, Fault> {
        let header = Header::parse_without_file(json, Most { tensors: MAX_TENSORS, shape_entries: MAX_SHAPE_ENTRIES })?;
        let end = header.data_bytes();
        if end != data_bytes {
            return Err(Fault::DataSize { end, data_bytes });
        }
        Ok(header)
    }

    /// Parses the JSON of a header whose file is yet to be written, and which may claim so much.
    pub(crate) fn parse_without_file(json: &[u8], most: Most) -> Result<Header, Fault> {
        let not_valid = |error: serde_json::Error| Fault::HeaderNotValid(error.to_string());
        if json.first() != Some(&b'{') {
            return Err(Fault::HeaderNotValid("expected `{` as its first byte".into()));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let entries = deserializer.deserialize_map(EntriesVisitor { most }).map_err(not_valid)?;
        deserializer.end().map_err(not_valid)?;
        let metadata = entries.metadata;
        let tensors = entries.tensors.into_iter().map(|(name, raw)| Ok((name.clone(), tensor_info(&name, raw)?)));
        let mut tensors = tensors.collect::<Result<Vec<_>, Fault>>()?;
        tensors.sort_by_key(|(_, info)| (info.begin, info.end));
        let mut expected = 0;
        for (name, info) in &tensors {
            if info.begin != expected {
                return Err(Fault::NotContiguous { tensor: name.clone(), begin: info.begin, expected });
            }
            expected = info.end;
        }
        Ok(Header { metadata, tensors })
    }

    /// Bytes of data that the tensors fill.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.tensors.last().map_or(0, |(_, info)| info.end)
    }
}

struct Entries {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, RawInfo<Vec<u64>>)>,
}

/// What an entry says; its shape, until it is counted, as text.
#[derive(serde::Deserialize)]
struct RawInfo<S> {
    dtype: String,
    shape: S,
    data_offsets: (u64, u64),
}

/// Checks what one entry says of itself.
fn tensor_info(name: &str, raw: RawInfo<Vec<u64>>) -> Result<TensorInfo, Fault> {
    let (begin, end) = raw.data_offsets;
    if begin > end {
        return Err(Fault::OffsetsRunBackwards { tensor: name.to_owned(), begin, end });
    }
    let info = TensorInfo { dtype: Dtype::named(&raw.dtype), shape: raw.shape, begin, end };
    if let Some(bits) = info.dtype.bits() {
        let filled = info.shape.iter().try_fold(bits, |bits, &size| bits.checked_mul(size));
        if filled != info.bytes().checked_mul(8) {
            let TensorInfo { dtype, shape, .. } = info;
            return Err(Fault::ShapeDoesNotFit { tensor: name.to_owned(), dtype, shape, bytes: end - begin });
        }
    }
    Ok(info)
}

struct EntriesVisitor {
    /// What may still come.
    most: Most,
}

impl EntriesVisitor {
    fn counted<E: serde::de::Error>(&mut self, raw: RawInfo<&RawValue>) -> Result<RawInfo<Vec<u64>>, E> {
        let RawInfo { dtype, shape, data_offsets } = raw;
        let commas = shape.get().bytes().filter(|&byte| byte == b',').count();
        let shape: Vec<u64> = match commas < self.most.shape_entries.max(1) {
            true => serde_json::from_str(shape.get()).map_err(E::custom)?,
            false => return Err(E::custom("more sizes in the shapes of its tensors than it may claim")),
        };
        self.most.shape_entries = self.most.shape_entries.saturating_sub(shape.len());
        Ok(RawInfo { dtype, shape, data_offsets })
    }
}

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Entries, A::Error> {
        let mut seen = std::collections::HashSet::new();
        let mut entries = Entries { metadata: BTreeMap::new(), tensors: Vec::new() };
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format!("key `{name}` is there twice")));
            }
            if name == "__metadata__" {
                entries.metadata = map.next_value::<UniqueStrings>()?.0;
            } else {
                if entries.tensors.len() == self.most.tensors {
                    return Err(A::Error::custom(format!("more than {} tensors", self.most.tensors)));
                }
                entries.tensors.push((name, self.counted(map.next_value()?)?));
            }
        }
        Ok(entries)
    }
}

/// A map of strings in which no key is there twice.
struct UniqueStrings(BTreeMap<String, String>);

impl<'de> serde::Deserialize<'de> for UniqueStrings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringsVisitor;
        impl<'de> Visitor<'de> for StringsVisitor {
            type Value = UniqueStrings;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueStrings, A::Error> {
                let mut strings = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if strings.contains_key(&key) {
                        return Err(A::Error::custom(format!("key `{key}` of __metadata__ is there twice")));
                    }
                    strings.insert(key, value);
                }
                Ok(UniqueStrings(strings))
            }
        }
        deserializer.deserialize_map(StringsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str, data_bytes: u64) -> Result<Header, Fault> {
        Header::parse(json.as_bytes(), data_bytes)
    }

    fn message(json: &str, data_bytes: u64) -> String {
        parse(json, data_bytes).expect_err("refused").to_string()
    }

    #[test]
    fn tensors_come_in_the_order_of_their_data() {
        let header = parse(
            r#"{"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
                "empty":{"dtype":"I64","shape":[0,7],"data_offsets":[4,4]},"__metadata__":{"format":"pt"}}   "#,
            6,
        )
        .expect("valid");
        let names: Vec<_> = header.tensors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "empty", "b"]);
        assert_eq!(header.metadata["format"], "pt");
    }

    #[test]
    fn an_unknown_dtype_passes_by_byte_range() {
        let header = parse(r#"{"a":{"dtype":"F3_X","shape":[99],"data_offsets":[0,5]}}"#, 5).expect("valid");
        assert_eq!(header.tensors[0].1.bytes(), 5);
    }

    #[test]
    fn a_length_the_file_has_not_earned_is_refused() {
        assert_eq!(json_bytes((1_u64 << 60).to_le_bytes(), 200), Err(Fault::HeaderTooLong { bytes: 1 << 60 }));
        assert!(matches!(json_bytes(193_u64.to_le_bytes(), 200), Err(Fault::HeaderPastEnd { .. })));
        assert_eq!(json_bytes(192_u64.to_le_bytes(), 200), Ok(192));
    }

    #[test]
    fn every_broken_rule_is_named() {
        let one = r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}"#;
        let two = |begin: u64, end: u64| {
            format!(
                "{one},\"b\":{{\"dtype\":\"U8\",\"shape\":[{}],\"data_offsets\":[{begin},{end}]}}}}",
                end.abs_diff(begin)
            )
        };
        assert!(message(&two(3, 5), 5).contains("overlaps"));
        assert!(message(&two(5, 6), 6).contains("hole"));
        assert!(message(&two(6, 4), 6).contains("backwards"));
        assert!(message(&two(4, 6), 5).contains("truncated"));
        assert!(message(&two(4, 6), 7).contains("behind"));
        assert!(message(&format!("{one},{}}}", &one[1..]), 4).contains("twice"));
        assert!(message(r#"{"__metadata__":{"x":"1","x":"2"}}"#, 0).contains("twice"));
        assert!(message(r#"{"__metadata__":{"x":1}}"#, 0).contains("not valid"));
        assert!(message(r#"{"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,4]}}"#, 4).contains("does not fill"));
        let huge = "18446744073709551615";
        assert!(
            message(&format!(r#"{{"a":{{"dtype":"U8","shape":[{huge},{huge}],"data_offsets":[0,1]}}}}"#), 1)
                .contains("fill")
        );
        assert!(message(r#"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#, 1).contains("not valid"));
        let empty = |i: usize| format!(r#""{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#);
        let many = |count: usize| format!("{{{}}}", (0..count).map(empty).collect::<Vec<_>>().join(","));
        assert_eq!(parse(&many(MAX_TENSORS), 0).map(|header| header.tensors.len()), Ok(MAX_TENSORS));
        assert!(message(&many(MAX_TENSORS + 1), 0).contains("more than 262144 tensors"));
        assert!(message(" {}", 0).contains("first byte"));
        assert!(message("{}{}", 0).contains("not valid"));
        assert!(message(&"[".repeat(1 << 20), 0).contains("first byte"));
        assert!(message(&format!("{{\"a\":{}", "[".repeat(1 << 20)), 0).contains("not valid"));
        assert_eq!(parse("{}  ", 0), Ok(Header::default()));
    }
}
