//! A model without weights: a JSON file of names, dtypes and shapes. What `estimate` and `synth` take besides models.
//!
//! ```text
//! {"tensors": [["model.layers.{0..31}.mlp.up_proj.weight", "BF16", [14336, 4096]], ...], ...}
//! ```
//!
//! `{0..31}` stands for every number from 0 to 31; a name may have several. Other keys, and what follows a shape, are left alone.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::beside::read_whole;
use super::units::weights;
use super::values;
use crate::safetensors::{Dtype, TensorInfo};
use crate::{Error, open};

/// Most tensors that a file may stand for: ten times what the largest released models have.
const MAX_TENSORS: u64 = 1 << 20;

/// Bytes that the names and shapes of all of them may take: a range makes a million tensors of one row, each as long as the row.
const MAX_BYTES: usize = 256 * MAX_TENSORS as usize;

/// Whether INPUT is a file of shapes rather than a model.
pub(crate) fn is_shapes(input: &Path) -> bool {
    input.extension().is_some_and(|extension| extension == "json") && input.is_file()
}

/// The tensors of the file at `path`, data laid out in order of name.
pub(crate) fn read_shapes(path: &Path) -> Result<BTreeMap<String, TensorInfo>, Error> {
    let wrong = |what: &str| Error::Json { path: path.to_path_buf(), reason: format!("expected {what}") };
    let json =
        values::parse(&read_whole(open::regular(path)?, path)?).map_err(|error| wrong(&format!("JSON: {error}")))?;
    let rows =
        json["tensors"].as_array().ok_or_else(|| wrong("an object with `tensors`, a list of [name, dtype, shape]"))?;
    let mut tensors: BTreeMap<String, TensorInfo> = BTreeMap::new();
    let bytes_of = |name: &str, shape: &[u64]| 1 + name.len() + size_of_val(shape);
    let mut room_bytes = MAX_BYTES;
    for row in rows {
        let row_is = || wrong(&format!("[name, dtype, shape] in place of {row}"));
        let (name, dtype) = row[0].as_str().zip(row[1].as_str()).ok_or_else(row_is)?;
        let shape = Vec::<u64>::deserialize(&row[2]).map_err(|_| row_is())?;
        let dtype = Dtype::named(dtype);
        let bits = dtype.bits().and_then(|bits| weights(&shape)?.checked_mul(bits)).ok_or_else(row_is)?;
        let room = MAX_TENSORS.saturating_sub(tensors.len() as u64).min((room_bytes / bytes_of(name, &shape)) as u64);
        let names = expand(name, room).ok_or_else(|| {
            wrong(&format!("ranges like {{0..31}}, {MAX_TENSORS} tensors of {MAX_BYTES} bytes at most, in {name}"))
        })?;
        room_bytes = room_bytes.saturating_sub(names.len() * bytes_of(name, &shape));
        for name in names {
            let info = TensorInfo { dtype: dtype.clone(), shape: shape.clone(), begin: 0, end: bits.div_ceil(8) };
            if tensors.insert(name.clone(), info).is_some() {
                return Err(wrong(&format!("each tensor once, {name} is there twice")));
            }
        }
    }
    let mut end = 0_u64;
    for info in tensors.values_mut() {
        (info.begin, info.end) =
            (end, end.checked_add(info.end).ok_or_else(|| wrong("tensors of less than 2^64 bytes in all"))?);
        end = info.end;
    }
    Ok(tensors)
}

/// Every name that one stands for, `room` at most.
fn expand(name: &str, room: u64) -> Option<Vec<String>> {
    let Some((before, rest)) = name.split_once('{') else { return Some(vec![name.to_owned()]) };
    let (range, after) = rest.split_once('}')?;
    let (first, last) = range.split_once("..")?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let tails = expand(after, room)?;
    let count = last.checked_sub(first)?.checked_add(1)?.checked_mul(tails.len() as u64)?;
    let names = (first..=last).flat_map(|number| tails.iter().map(move |tail| format!("{before}{number}{tail}")));
    (count <= room).then(|| names.collect())
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
    fn what_is_no_list_of_shapes_is_refused_before_it_costs_anything() {
        let rows =
            ["1", r#"["a", "BF16"]"#, r#"["a", "BF17", [1]]"#, r#"["a.{0..18446744073709551615}", "BF16", [1]]"#];
        let more = [
            r#"["{0..99999}{0..99999}{0..99999}", "BF16", [1]]"#,
            r#"["{2..1}", "BF16", [1]]"#,
            r#"["{0", "BF16", [1]]"#,
        ];
        for row in rows.into_iter().chain(more).chain([r#"["a", "BF16", [4294967296, 4294967296]]"#]) {
            assert!(read(&format!(r#"{{"tensors": [{row}]}}"#)).is_err(), "{row}");
        }
        assert!(
            read("{}").is_err()
                && read("x").is_err()
                && read(r#"{"tensors": [["a", "U8", [1]], ["a", "U8", [1]]]}"#).is_err()
        );
    }
}
