//! A model without weights: a JSON file of names, dtypes and shapes. `estimate` and `synth` accept
//! it besides models.
//!
//! ```text
//! {"tensors": [["model.layers.{0..31}.mlp.up_proj.weight", "BF16", [14336, 4096]], ...], ...}
//! ```
//!
//! `{0..31}` means every number from 0 to 31. A name may have several ranges. Other keys, and
//! whatever follows a shape, are ignored.
//!
//! A few bytes can describe any number of tensors. So everything is counted before it is made:
//! rows, sizes of a shape, tensors, and the bytes of their names and shapes.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::folder::read_whole;
use super::{python, values};
use crate::error::JsonReason;
use crate::safetensors::{Dtype, MAX_HEADER_BYTES, TensorInfo};
use crate::shown::{line, shown};
use crate::{Error, open};

/// Most tensors that a file may describe: ten times what the largest released models have.
const MAX_TENSORS: usize = 1 << 20;
/// Most bytes that the names, dtypes and shapes of the tensors may take in all: as many as a header
/// may have.
const MAX_NAME_BYTES: u64 = MAX_HEADER_BYTES;
/// Most sizes in a shape, as in NumPy.
const MAX_SIZES: usize = 64;
/// No file system holds this many bytes, since a position in a file is a signed number of 64 bits.
const TOO_MANY_BYTES: u64 = 1 << 63;
/// Most bytes of a refused row that are quoted.
const LONGEST_QUOTE: usize = 200;

/// Whether INPUT is a file of shapes instead of a model.
pub(crate) fn is_shapes(input: &Path) -> bool {
    input.extension().is_some_and(|extension| extension == "json") && input.is_file()
}

/// Reads the tensors of the file at `path`. Their data is laid out in order of name.
pub(crate) fn read_shapes(path: &Path) -> Result<BTreeMap<String, TensorInfo>, Error> {
    let wrong = |expected: String| {
        let reason = JsonReason::NotShapes { expected };
        Error::Json { path: path.to_path_buf(), reason }
    };
    let text = read_whole(open::regular(path)?, path)?;
    let json = python::to_json(&text);
    let Shapes { tensors: AtMost(rows) } = values::check(&json)
        .and_then(|()| serde_json::from_slice(&json))
        .map_err(|error| wrong(format!("JSON, an object with `tensors`, a list of [name, dtype, shape]: {error}")))?;
    let mut tensors: BTreeMap<String, TensorInfo> = BTreeMap::new();
    let mut bytes_left = MAX_NAME_BYTES;
    for row in rows {
        let row_is = || wrong(format!("[name, dtype, shape] in place of {}", line(row.get()).at_most(LONGEST_QUOTE)));
        let Row { name, dtype, shape: AtMost(shape) } = serde_json::from_str(row.get()).map_err(|_| row_is())?;
        let bits =
            Dtype::named(&dtype).bits().and_then(|bits| weights(&shape)?.checked_mul(bits)).ok_or_else(row_is)?;
        let template =
            Template::parse(&name).ok_or_else(|| wrong(format!("ranges like {{0..31}} in {}", shown(&name))))?;
        let room = (MAX_TENSORS - tensors.len()) as u64;
        let of_each = template.longest_name().saturating_add((dtype.len() + size_of_val(shape.as_slice())) as u64);
        let bytes = template.names.filter(|&names| names <= room).and_then(|names| names.checked_mul(of_each));
        bytes_left = bytes.and_then(|bytes| bytes_left.checked_sub(bytes)).ok_or_else(|| {
            let most = format!("{MAX_TENSORS} tensors at most, and {MAX_NAME_BYTES} bytes of names and shapes");
            wrong(format!("{most}; with {} there are more", shown(&name)))
        })?;
        for name in template.all_names() {
            let dtype = Dtype::named(&dtype);
            let info = TensorInfo { dtype, shape: shape.clone(), begin: 0, end: bits.div_ceil(8) };
            if let Some((name, _)) = tensors.get_key_value(&name) {
                return Err(wrong(format!("each tensor once: {} is there twice", shown(name))));
            }
            tensors.insert(name, info);
        }
    }
    let mut end = 0_u64;
    for info in tensors.values_mut() {
        let next = end.checked_add(info.end).filter(|&next| next < TOO_MANY_BYTES);
        (info.begin, info.end) = (end, next.ok_or_else(|| wrong("tensors of less than 2^63 bytes in all".into()))?);
        end = info.end;
    }
    Ok(tensors)
}

#[derive(serde::Deserialize)]
struct Shapes<'a> {
    #[serde(borrow)]
    tensors: AtMost<&'a RawValue, MAX_TENSORS>,
}

/// A list that is refused as soon as it becomes too long.
struct AtMost<T, const MOST: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for ListVisitor<T, MOST> {
            type Value = AtMost<T, MOST>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST}")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    if elements.len() == MOST {
                        return Err(A::Error::invalid_length(MOST + 1, &self));
                    }
                    elements.push(element);
                }
                Ok(AtMost(elements))
            }
        }
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

/// One row of `tensors`.
struct Row {
    name: String,
    dtype: String,
    shape: AtMost<u64, MAX_SIZES>,
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowVisitor;
        impl<'de> Visitor<'de> for RowVisitor {
            type Value = Row;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[name, dtype, shape]")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Row, A::Error> {
                let missing = |length| A::Error::invalid_length(length, &self);
                let name = list.next_element()?.ok_or_else(|| missing(0))?;
                let dtype = list.next_element()?.ok_or_else(|| missing(1))?;
                let shape = list.next_element()?.ok_or_else(|| missing(2))?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Row { name, dtype, shape })
            }
        }
        deserializer.deserialize_seq(RowVisitor)
    }
}

/// A name with ranges in it.
struct Template<'a> {
    /// For each range: the text before it, its first number, and how many numbers it has.
    ranges: Vec<(&'a str, u64, u64)>,
    /// The text after the last range.
    end: &'a str,
    /// The number of names; `None` from 2^64 on.
    names: Option<u64>,
}

impl<'a> Template<'a> {
    fn parse(name: &'a str) -> Option<Template<'a>> {
        let mut template = Template { ranges: Vec::new(), end: name, names: Some(1) };
        while let Some((before, rest)) = template.end.split_once('{') {
            let (range, after) = rest.split_once('}')?;
            let (first, last) = range.split_once("..")?;
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            let further = last.checked_sub(first)?;
            // The count of a range of all 2^64 numbers does not fit. `names` is then `None`, so no
            // name is made.
            let count = further.saturating_add(1);
            template.names = template.names.and_then(|names| names.checked_mul(further.checked_add(1)?));
            template.ranges.push((before, first, count));
            template.end = after;
        }
        Some(template)
    }

    /// Upper bound on the bytes of its longest name.
    fn longest_name(&self) -> u64 {
        let digits = |first: u64, count: u64| u64::from((first + (count - 1)).checked_ilog10().unwrap_or(0) + 1);
        let ranges = self.ranges.iter().map(|&(before, first, count)| before.len() as u64 + digits(first, count));
        ranges.sum::<u64>() + self.end.len() as u64
    }

    fn all_names(&self) -> impl Iterator<Item = String> {
        (0..self.names.unwrap_or(0)).map(|mut index| {
            let mut name = String::new();
            for &(before, first, count) in &self.ranges {
                name += before;
                name += &(first + index % count).to_string();
                index /= count;
            }
            name + self.end
        })
    }
}

/// Number of weights of a tensor; `None` from 2^64 on.
pub(crate) fn weights(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), json).expect("written");
        let tensors = read_shapes(file.path()).map_err(|error| error.to_string())?;
        Ok(tensors.into_iter().map(|(name, info)| format!("{name} {}..{}", info.begin, info.end)).collect())
    }

    #[test]
    fn ranges_stand_for_every_number() {
        let found =
            read(r#"{"tensors": [["a.{0..1}.b.{9..10}", "BF16", [2, 3], "Linear"], ["c", "F32", []]], "x": 1}"#);
        let expected = ["a.0.b.10 0..12", "a.0.b.9 12..24", "a.1.b.10 24..36", "a.1.b.9 36..48", "c 48..52"];
        assert_eq!(found.expect("read"), expected);
    }

    #[test]
    fn a_name_may_have_any_number_of_ranges_and_a_file_any_other_keys() {
        let name = format!("a{}.{{18446744073709551614..18446744073709551615}}", "{0..0}".repeat(10_000));
        let names = read(&format!(r#"{{"x": [[1]], "tensors": [["{name}", "U8", [0], {{}}, [1]]]}}"#)).expect("read");
        assert_eq!(names.len(), 2);
        assert!(names[1].ends_with("00.18446744073709551615 0..0"));
        let most = read(r#"{"tensors": [["a{0..1023}.{0..1023}", "BF16", [0]]]}"#).expect("read");
        assert_eq!(most.len(), MAX_TENSORS);
    }

    #[test]
    fn what_is_no_list_of_shapes_is_refused_before_it_costs_anything() {
        let rows =
            ["1", r#"["a", "BF16"]"#, r#"["a", "BF17", [1]]"#, r#"["a.{0..18446744073709551615}", "BF16", [1]]"#];
        let more = [
            r#"["{0..99999}{0..99999}{0..99999}", "BF16", [1]]"#,
            r#"["{2..1}", "BF16", [1]]"#,
            r#"["{0", "BF16", [1]]"#,
        ];
        let ones = format!(r#"["a", "BF16", [{}1]]"#, "1, ".repeat(100));
        let long = format!(r#"["{}{{0..9999}}", "BF16", [1]]"#, "a".repeat(60_000));
        let wide = format!(r#"["{{0..999999}}", "BF16", [{}1]]"#, "1, ".repeat(60));
        let many = [
            r#"["a", "BF16", [4294967296, 4294967296]]"#,
            r#"["{0..18446744073709551615}{0..18446744073709551615}", "BF16", [0]]"#,
            r#"["{18446744073709551615..18446744073709551615}{0..1048576}", "BF16", [0]]"#,
            r#"["a", "U8", [9223372036854775808]]"#,
            r#"["a{0..1}", "U8", [4611686018427387904]]"#,
            r#"["a{0..1048575}", "BF16", [0]], ["b", "BF16", [0]]"#,
            ones.as_str(),
            long.as_str(),
            wide.as_str(),
        ];
        for row in rows.into_iter().chain(more).chain(many) {
            let began = std::time::Instant::now();
            assert!(read(&format!(r#"{{"tensors": [{row}]}}"#)).is_err(), "{row}");
            assert!(began.elapsed().as_secs() < 30, "{row}");
        }
        assert!(
            read("{}").is_err()
                && read("x").is_err()
                && read(r#"{"tensors": [["a", "U8", [1]], ["a", "U8", [1]]]}"#).is_err()
        );
    }
}
