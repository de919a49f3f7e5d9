//! Where each tensor of a new file goes, and the header of the file.
//!
//! The order is that of the reference writer: wide elements first, then by name. So every tensor is
//! aligned to its elements, and there are no holes. Sizes are known before a byte is written, since
//! the plan of a unit states its sizes. So tensors are written at their positions in any order. The
//! header comes last; its length does not depend on checksums.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use serde::ser::{SerializeMap, Serializer};

use super::Dtype;
use super::header::judged;
use super::length::{LENGTH_BYTES, MAX_HEADER_BYTES};
use super::rules::{Fault, MAX_METADATA, METADATA_KEY, TensorInfo};

/// A tensor to be written.
#[derive(Clone, Debug)]
pub struct NewTensor {
    /// Its name.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, slowest first.
    pub shape: Vec<u64>,
    /// Bytes of its data.
    pub bytes: u64,
}

/// The positions of a new file's tensors. They have passed the reader's own rules.
#[derive(Debug)]
pub struct Layout {
    tensors: Vec<(String, TensorInfo)>,
    /// Indices into `tensors`, in the order of names.
    by_name: Vec<usize>,
}

/// The JSON begins, and the data begins, at a multiple of this. So an 8-byte element is aligned in
/// a file that was read into memory.
const HEADER_ALIGNMENT: usize = 8;

/// A tensor as the header writes it.
#[derive(serde::Serialize)]
struct Entry<'a> {
    dtype: &'a str,
    shape: &'a [u64],
    data_offsets: [u64; 2],
}

impl Layout {
    /// Places `tensors` one after another, in the order of the reference writer.
    ///
    /// # Errors
    /// A reader would refuse them: too many, two with one name, one called `__metadata__`, or a
    /// shape that does not fill its bytes.
    pub fn new(mut tensors: Vec<NewTensor>) -> Result<Layout, Fault> {
        tensors.sort_by(|a, b| (a.dtype.write_order(a.bytes), &a.name).cmp(&(b.dtype.write_order(b.bytes), &b.name)));
        let mut end = 0_u64;
        let placed = tensors.into_iter().map(|NewTensor { name, dtype, shape, bytes }| {
            let begin = end;
            end = end.checked_add(bytes).ok_or(Fault::TooMuchData)?;
            Ok((name, TensorInfo { dtype, shape, begin, end }))
        });
        let tensors = judged(placed.collect::<Result<_, Fault>>()?)?;
        let mut by_name: Vec<usize> = (0..tensors.len()).collect();
        by_name.sort_unstable_by_key(|&index| &tensors[index].0);
        Ok(Layout { tensors, by_name })
    }

    /// Finds tensor `name`. Its range is counted from the end of the header. `None` if it is not
    /// part of the file.
    pub fn find(&self, name: &str) -> Option<&TensorInfo> {
        let place = self.by_name.binary_search_by_key(&name, |&index| &self.tensors[index].0).ok()?;
        Some(&self.tensors[self.by_name[place]].1)
    }

    /// The tensors with their positions, in the order of the file.
    pub fn tensors(&self) -> &[(String, TensorInfo)] {
        &self.tensors
    }

    /// Bytes of all tensors.
    pub fn data_bytes(&self) -> u64 {
        self.tensors.last().map_or(0, |(_, info)| info.end)
    }

    /// The header: length, JSON, padding.
    ///
    /// # Errors
    /// The JSON is longer than [`MAX_HEADER_BYTES`], or `metadata` has more than [`MAX_METADATA`]
    /// entries.
    pub fn header(&self, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, Fault> {
        if metadata.len() > MAX_METADATA {
            return Err(Fault::TooMany { what: "entries of `__metadata__`", most: MAX_METADATA });
        }
        let mut header = vec![0; LENGTH_BYTES as usize];
        self.write_json(metadata, &mut header).map_err(|error| Fault::HeaderNotValid(error.to_string()))?;
        header.resize(header.len().next_multiple_of(HEADER_ALIGNMENT), b' ');
        let bytes = header.len() as u64 - LENGTH_BYTES;
        if bytes > MAX_HEADER_BYTES {
            return Err(Fault::HeaderTooLong { bytes });
        }
        header[..LENGTH_BYTES as usize].copy_from_slice(&bytes.to_le_bytes());
        Ok(header)
    }

    fn write_json(&self, metadata: &BTreeMap<String, String>, header: &mut Vec<u8>) -> serde_json::Result<()> {
        let mut json = serde_json::Serializer::new(header);
        let mut entries = json.serialize_map(None)?;
        if !metadata.is_empty() {
            entries.serialize_entry(METADATA_KEY, metadata)?;
        }
        for (name, info) in &self.tensors {
            let entry = Entry { dtype: info.dtype.name(), shape: &info.shape, data_offsets: [info.begin, info.end] };
            entries.serialize_entry(name, &entry)?;
        }
        entries.end()
    }
}

/// Writes `buffer` at byte `position` of the file.
#[cfg(unix)]
pub(crate) fn write_at(file: &File, buffer: &[u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, buffer, position)
}

/// Writes `buffer` at byte `position` of the file.
#[cfg(not(unix))]
pub(crate) fn write_at(mut file: &File, buffer: &[u8], position: u64) -> io::Result<()> {
    use io::{Seek, Write};
    file.seek(io::SeekFrom::Start(position))?;
    file.write_all(buffer)
}

#[cfg(test)]
mod tests {
    use super::super::{Header, MAX_TENSORS};
    use super::*;

    fn tensor(name: &str, dtype: &str, shape: &[u64], bytes: u64) -> NewTensor {
        NewTensor { name: name.into(), dtype: Dtype::named(dtype), shape: shape.to_vec(), bytes }
    }

    #[test]
    fn wide_tensors_lead_and_every_tensor_is_aligned() {
        let layout = Layout::new(vec![
            tensor("c", "U8", &[3], 3),
            tensor("b", "BF16", &[3], 6),
            tensor("a", "BF16", &[5], 10),
            tensor("z", "I64", &[1], 8),
            tensor("future", "F3_X", &[6], 6),
            tensor("odd", "F3_X", &[5], 5),
        ])
        .expect("readable");
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        let header = layout.header(&metadata).expect("fits");
        assert_eq!(header.len() % 8, 0);
        let parsed = Header::parse(&header[8..], layout.data_bytes()).expect("valid");
        let names: Vec<_> = parsed.tensors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["z", "future", "a", "b", "odd", "c"]);
        assert!(parsed.tensors.iter().all(|(_, info)| info.begin % (info.dtype.bits().unwrap_or(8) / 8) == 0));
        assert_eq!(parsed.metadata, metadata);
    }

    #[test]
    fn what_no_reader_would_take_is_not_laid_out() {
        let refused = |tensors| Layout::new(tensors).expect_err("refused").to_string();
        assert!(refused(vec![tensor("a", "U8", &[1], 1), tensor("a", "BF16", &[1], 2)]).contains("`a` is there twice"));
        assert!(refused(vec![tensor(METADATA_KEY, "U8", &[1], 1)]).contains("takes for the metadata"));
        assert!(refused(vec![tensor("a", "BF16", &[1], 1)]).contains("does not fill"));
        assert!(refused(vec![tensor("a", "X", &[], u64::MAX), tensor("b", "X", &[], 1)]).contains("2^64"));
        let many = (0..=MAX_TENSORS).map(|i| tensor(&i.to_string(), "U8", &[0], 0));
        assert!(refused(many.collect()).contains("more than 1048576 tensors"));
        let empty = Layout::new(Vec::new()).expect("readable");
        let long = BTreeMap::from([(String::new(), "x".repeat(MAX_HEADER_BYTES as usize))]);
        assert!(matches!(empty.header(&long), Err(Fault::HeaderTooLong { bytes: 100_000_024 })));
        let many = (0..=MAX_METADATA).map(|i| (i.to_string(), String::new())).collect();
        assert!(matches!(empty.header(&many), Err(Fault::TooMany { .. })));
    }

    #[test]
    fn whatever_is_laid_out_is_read_again() {
        let names = [
            "",
            " ",
            "\"",
            "\\",
            "\n\r\t\0",
            "\u{85}\u{2028}\u{feff}",
            "\u{10ffff}",
            "a.luts",
            "../..",
            "__metadata__ ",
        ];
        let layout = Layout::new(names.map(|name| tensor(name, "U8", &[1], 1)).to_vec()).expect("readable");
        let metadata = BTreeMap::from(names.map(|name| (name.to_owned(), name.to_owned())));
        let header = layout.header(&metadata).expect("fits");
        let parsed = Header::parse(&header[8..], layout.data_bytes()).expect("valid");
        assert_eq!((&parsed.metadata, parsed.tensors.as_slice()), (&metadata, layout.tensors()));
        for name in names {
            assert!(layout.find(name).is_some_and(|info| info.bytes() == 1), "{name:?}");
        }
        assert_eq!(layout.find("other"), None);
    }
}
