//! Where each tensor of a new file goes, and its header.
//!
//! The order is the reference writer's: wide elements first, then by name, so that every tensor is aligned to its elements and
//! there are no holes. Sizes are known before a byte is written (a unit's plan tells its own), so tensors are written at their
//! places in any order and the header, whose length does not depend on checksums, last.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use super::Dtype;
use super::header::{Fault, LENGTH_BYTES, MAX_HEADER_BYTES, TensorInfo};

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

/// The places of a new file's tensors.
#[derive(Debug)]
pub struct Layout {
    tensors: Vec<(String, TensorInfo)>,
    places: BTreeMap<String, usize>,
}

/// The JSON begins and the data ends up on a multiple of this, so that an 8-byte element is aligned in a file read into memory.
const HEADER_ALIGNMENT: u64 = 8;

impl Layout {
    /// Places `tensors` one behind the other in the order of the reference writer.
    pub fn new(mut tensors: Vec<NewTensor>) -> Layout {
        tensors.sort_by(|a, b| (a.dtype.write_order(a.bytes), &a.name).cmp(&(b.dtype.write_order(b.bytes), &b.name)));
        let mut end = 0;
        let tensors: Vec<_> = tensors
            .into_iter()
            .map(|NewTensor { name, dtype, shape, bytes }| {
                let begin = end;
                end += bytes;
                (name, TensorInfo { dtype, shape, begin, end })
            })
            .collect();
        let places = tensors.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        Layout { tensors, places }
    }

    /// Tensor `name`, its range counted from the end of the header; `None` where it is not part of the file.
    pub fn find(&self, name: &str) -> Option<&TensorInfo> {
        self.places.get(name).map(|&place| &self.tensors[place].1)
    }

    /// The tensors with their places, in the order of the file.
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
    /// The JSON passes [`MAX_HEADER_BYTES`].
    pub fn header(&self, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, Fault> {
        let mut entries = serde_json::Map::new();
        if !metadata.is_empty() {
            entries.insert("__metadata__".into(), serde_json::json!(metadata));
        }
        for (name, info) in &self.tensors {
            entries.insert(
                name.clone(),
                serde_json::json!({"dtype": info.dtype.name(), "shape": info.shape, "data_offsets": [info.begin, info.end]}),
            );
        }
        let mut json = serde_json::Value::Object(entries).to_string().into_bytes();
        json.resize(json.len().next_multiple_of(HEADER_ALIGNMENT as usize), b' ');
        let bytes = json.len() as u64;
        if bytes > MAX_HEADER_BYTES {
            return Err(Fault::HeaderTooLong { bytes });
        }
        let mut header = Vec::with_capacity(json.len() + LENGTH_BYTES as usize);
        header.extend_from_slice(&bytes.to_le_bytes());
        header.append(&mut json);
        Ok(header)
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
    use super::super::Header;
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
        ]);
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        let header = layout.header(&metadata).expect("fits");
        assert_eq!(header.len() % 8, 0);
        let parsed = Header::parse(&header[8..], layout.data_bytes()).expect("valid");
        let names: Vec<_> = parsed.tensors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["z", "future", "a", "b", "odd", "c"]);
        assert!(parsed.tensors.iter().all(|(_, info)| info.begin % (info.dtype.bits().unwrap_or(8) / 8) == 0));
        assert_eq!(parsed.metadata, metadata);
    }
}
