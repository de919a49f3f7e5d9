//! Maps the arrays of a unit instead of reading them. This is the only unsafe code of this crate.

#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use df11_core::{Arrays, Bytes, StableBytes};
use memmap2::Mmap;

use super::unit_entry::UnitEntry;
use crate::Error;
use crate::files::leaves::LEAVES;

/// A part of a mapped file.
struct Section {
    file: Arc<Mmap>,
    range: Range<usize>,
}

// SAFETY: the mapping keeps its address until it is dropped. The caller of `UnitEntry::map`
// promises that nobody writes to the file.
unsafe impl StableBytes for Section {
    fn bytes(&self) -> &[u8] {
        &self.file[self.range.clone()]
    }
}

impl UnitEntry {
    /// Maps its arrays. Nothing is read before it is decoded, and the system may drop the pages
    /// again. The memory is that of the page cache. Decoding from a slow disk then waits for the
    /// disk.
    ///
    /// # Errors
    /// As `sizes`; what the operating system said; or the file is no longer the one that was
    /// opened.
    ///
    /// # Safety
    /// As long as the arrays live, nobody may change or shorten the file: not this process, and no
    /// other one. Bytes that change after they were validated can have any value. Reading past the
    /// end of a shortened file is a bus error that ends the process.
    pub unsafe fn map(&self) -> Result<Arrays<'static>, Error> {
        self.sizes()?;
        let mut maps: Vec<(usize, Arc<Mmap>)> = Vec::new();
        let mut arrays = Vec::with_capacity(LEAVES.len());
        for place in self.places() {
            let reader = self.opened.checkpoint.reader(place);
            let known = maps.iter().find(|(file, _)| *file == place.file).map(|(_, map)| map.clone());
            let file = match known {
                Some(map) => map,
                None => {
                    let file = reader.reopen()?;
                    // SAFETY: the caller's promise.
                    let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", reader.path()))?;
                    let map = Arc::new(map);
                    maps.push((place.file, map.clone()));
                    map
                }
            };
            let begin = reader.position(&place.info) as usize;
            let range = begin..begin + place.info.bytes() as usize;
            if file.get(range.clone()).is_none() {
                return Err(Error::ChangedMeanwhile { path: reader.path().to_path_buf() });
            }
            arrays.push(Bytes::stable(Section { file, range }));
        }
        let mut arrays = arrays.into_iter();
        let mut next = || arrays.next().unwrap_or_else(|| Bytes::from(&[][..]));
        Ok(Arrays {
            encoded_exponent: next(),
            sign_mantissa: next(),
            luts: next(),
            gaps: next(),
            output_positions: next(),
            split_positions: next(),
        })
    }
}
