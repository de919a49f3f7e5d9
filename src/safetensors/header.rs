//! Turns the bytes of a header into names and ranges, and checks every rule.
//!
//! 1. The length is at most [`MAX_HEADER_BYTES`], and the file is at least that long. This is
//!    checked before a byte of JSON is read.
//! 2. The JSON is one object with at most [`MAX_TENSORS`] tensors plus `__metadata__` (string to
//!    string). No key occurs twice. The parser bounds its depth.
//! 3. In the order of offsets, each tensor begins where the previous one ended, and the last one
//!    ends where the file ends. So there are no holes and no overlap.
//! 4. For a known dtype, shape times element size is the length of the range, in checked
//!    arithmetic.
//!
//! One function, [`judged`], checks the rules about tensors. A file to be written passes it too, so
//! everything that is written can be read.

use std::collections::{BTreeMap, HashSet};

use super::entries;
use super::length::{LENGTH_BYTES, MAX_HEADER_BYTES};
use super::rules::{Fault, MAX_SIZES, MAX_TENSORS, METADATA_KEY, Most, TensorInfo};

/// A checked header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `__metadata__`, empty if there is none.
    pub metadata: BTreeMap<String, String>,
    /// The tensors in the order of their data.
    pub tensors: Vec<(String, TensorInfo)>,
}

/// Reads the first eight bytes, the length of the JSON. `file_bytes` is the length of the file.
///
/// # Errors
/// The length exceeds the limit, or reaches past the end of the file.
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
    /// Parses the JSON of a header that `data_bytes` bytes of data follow in the file.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn parse(json: &[u8], data_bytes: u64) -> Result<Header, Fault> {
        let header = Header::parse_without_file(json, Most::ANY)?;
        let end = header.data_bytes();
        if end != data_bytes {
            return Err(Fault::DataSize { end, data_bytes });
        }
        Ok(header)
    }

    /// Parses the JSON of a header whose file is not written yet. The header may claim at most
    /// `most`.
    pub(crate) fn parse_without_file(json: &[u8], most: Most) -> Result<Header, Fault> {
        let (metadata, tensors) = entries::parse(json, most)?;
        Ok(Header { metadata, tensors: judged(tensors)? })
    }

    /// Bytes of data that the tensors fill.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.tensors.last().map_or(0, |(_, info)| info.end)
    }
}

/// Returns the tensors of one file in the order of their data, if they can form a file.
///
/// # Errors
/// The first broken rule.
pub(crate) fn judged(mut tensors: Vec<(String, TensorInfo)>) -> Result<Vec<(String, TensorInfo)>, Fault> {
    if tensors.len() > MAX_TENSORS {
        return Err(Fault::TooMany { what: "tensors", most: MAX_TENSORS });
    }
    if tensors.iter().map(|(_, info)| info.shape.len()).sum::<usize>() > MAX_SIZES {
        return Err(Fault::TooMany { what: "sizes in its shapes", most: MAX_SIZES });
    }
    let mut names = HashSet::with_capacity(tensors.len());
    for (name, info) in &tensors {
        if name == METADATA_KEY {
            return Err(Fault::CalledMetadata);
        }
        if !names.insert(name.as_str()) {
            return Err(Fault::TensorTwice { tensor: name.clone() });
        }
        check(name, info)?;
    }
    drop(names);
    tensors.sort_by_key(|(_, info)| (info.begin, info.end));
    let mut expected = 0;
    for (name, info) in &tensors {
        if info.begin != expected {
            return Err(Fault::NotContiguous { tensor: name.clone(), begin: info.begin, expected });
        }
        expected = info.end;
    }
    Ok(tensors)
}

/// Checks one entry by itself.
fn check(name: &str, info: &TensorInfo) -> Result<(), Fault> {
    let TensorInfo { dtype, shape, begin, end } = info;
    let (tensor, begin, end) = (|| name.to_owned(), *begin, *end);
    if begin > end {
        return Err(Fault::OffsetsRunBackwards { tensor: tensor(), begin, end });
    }
    if let Some(bits) = dtype.bits() {
        let filled = shape.iter().try_fold(bits, |bits, &size| bits.checked_mul(size));
        if filled != info.bytes().checked_mul(8) {
            let (dtype, shape) = (dtype.clone(), shape.clone());
            return Err(Fault::ShapeDoesNotFit { tensor: tensor(), dtype, shape, bytes: end - begin });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::rules::MAX_METADATA;
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
        assert!(message(&two(4, 6), 7).contains("after the last"));
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
        assert!(message(" {}", 0).contains("first byte"));
        assert!(message("{}{}", 0).contains("not valid"));
        assert!(message(&"[".repeat(1 << 20), 0).contains("first byte"));
        assert!(message(&format!("{{\"a\":{}", "[".repeat(1 << 20)), 0).contains("not valid"));
        assert_eq!(parse("{}  ", 0), Ok(Header::default()));
    }

    /// Builds a text: `begin`, then `entry` of each number below `count`, then `end`.
    fn many(begin: &str, count: usize, end: &str, entry: impl Fn(usize) -> String) -> String {
        format!("{begin}{}{end}", (0..count).map(entry).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn as_many_tensors_sizes_and_entries_of_metadata_are_read_as_are_told_and_no_more() {
        let empty = |i: usize| format!(r#""{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#);
        let tensors = |count| many("{", count, "}", empty);
        assert_eq!(parse(&tensors(MAX_TENSORS), 0).map(|header| header.tensors.len()), Ok(MAX_TENSORS));
        assert!(message(&tensors(MAX_TENSORS + 1), 0).contains("more than 1048576 tensors"));
        let end = r#"],"data_offsets":[0,0]}}"#;
        let sizes = |count| many(r#"{"a":{"dtype":"U8","shape":["#, count, end, |_| "0".into());
        assert_eq!(parse(&sizes(MAX_SIZES), 0).map(|header| header.tensors[0].1.shape.len()), Ok(MAX_SIZES));
        assert!(message(&sizes(MAX_SIZES + 1), 0).contains("more than 8388608 sizes"));
        let metadata = |count| many(r#"{"__metadata__":{"#, count, "}}", |i| format!(r#""{i}":"""#));
        assert_eq!(parse(&metadata(MAX_METADATA), 0).map(|header| header.metadata.len()), Ok(MAX_METADATA));
        assert!(message(&metadata(MAX_METADATA + 1), 0).contains("more than 262144 entries of `__metadata__`"));
    }

    #[test]
    fn names_of_every_kind_are_read_escaped_or_not() {
        let names =
            ["", " ", "\"", "\\", "\n\r\t\0", "\u{7f}\u{85}\u{2028}\u{feff}", "\u{10ffff}", "{,}", "a.b", "../.."];
        for name in names {
            let escaped: String = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            for spelled in [serde_json::json!(name).to_string(), format!("\"{escaped}\"")] {
                let json = format!(r#"{{{spelled}:{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}"#);
                assert_eq!(parse(&json, 1).expect("valid").tensors[0].0, name, "{json}");
            }
        }
    }
}
