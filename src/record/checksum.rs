//! The checksums of tensors, and of a weight file's data.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::Xxh3Default;

use crate::files::our_files::Digits;

/// The checksum of one tensor: xxh3-64 over its name, dtype, shape and data.
pub(crate) struct TensorHash(Xxh3Default);

impl TensorHash {
    /// Hashes name, 0, dtype, 0, then rank and sizes as u64. The data must follow.
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

    /// Hashes the next bytes of the data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The checksum.
    pub fn finish(&self) -> u64 {
        self.0.digest()
    }
}

/// The checksum of a weight file's data: xxh3 over the checksums of its tensors, 8 bytes each,
/// little-endian, in ascending order of their names.
///
/// A tensor's checksum covers its name, dtype, shape and the bytes in the file. `None` if one of
/// them is unknown.
pub(crate) fn data_checksum<'a>(
    tensors: impl IntoIterator<Item = &'a str>,
    checksums: &BTreeMap<String, u64>,
) -> Option<Digits> {
    let names: BTreeSet<&str> = tensors.into_iter().collect();
    let mut hash = Xxh3Default::new();
    for name in names {
        hash.update(&checksums.get(name)?.to_le_bytes());
    }
    Some(Digits(hash.digest()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(BTreeSet::from(all).len(), all.len());
        assert_eq!(hash("", "", &[], b""), xxhash_rust::xxh3::xxh3_64(&[0; 10]));
    }
}
