//! `split_positions`: where each matrix but the last ends, as i64. FORMAT.md, "The six arrays".

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::ops::Range;

use crate::error::Error;

const ENTRY_BYTES: usize = size_of::<i64>();

/// Split positions that are known not to fall and not to pass the number of weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Splits<'a> {
    entries: &'a [[u8; ENTRY_BYTES]],
    weights: u64,
}

impl<'a> Splits<'a> {
    /// Precondition: `validate` has accepted `bytes`.
    pub fn proven(bytes: &'a [u8], weights: u64) -> Self {
        Self { entries: bytes.as_chunks().0, weights }
    }

    /// Checks every entry.
    pub fn validate(bytes: &'a [u8], weights: u64) -> Result<(), Error> {
        let (entries, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(Error::SplitPositionsSize { found: bytes.len() });
        }
        let mut last = 0;
        for (index, &entry) in entries.iter().enumerate() {
            let found = i64::from_le_bytes(entry);
            last = match u64::try_from(found) {
                Ok(end) if (last..=weights).contains(&end) => end,
                _ => return Err(Error::SplitPositionOutOfOrder { index, found, least: last, most: weights }),
            };
        }
        Ok(())
    }

    /// The weights of each matrix, in order.
    pub fn matrices(self) -> impl ExactSizeIterator<Item = Range<u64>> + 'a {
        let end = move |index: usize| self.entries.get(index).map_or(self.weights, |&e| i64::from_le_bytes(e) as u64);
        (0..self.entries.len() + 1).map(move |index| if index == 0 { 0 } else { end(index - 1) }..end(index))
    }
}

/// The bytes of `split_positions` for matrices with these numbers of weights, in order.
#[cfg(feature = "alloc")]
pub fn split_positions(matrices: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut end, mut is_first) = (0u64, true);
    for weights in matrices {
        // The end of a matrix is written once another one follows.
        if !is_first {
            bytes.extend_from_slice(&end.to_le_bytes());
        }
        (end, is_first) = (end.saturating_add(weights), false);
    }
    bytes
}
