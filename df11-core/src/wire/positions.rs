//! `output_positions`: a u32 for each block, and one for the end. FORMAT.md, "Stream, gaps, output
//! positions".

use crate::error::Error;
use crate::huffman::Code;
use crate::limits::{BLOCK_BITS, MAX_CODE_BITS, MAX_WEIGHTS};

const ENTRY_BYTES: usize = size_of::<u32>();

/// Bytes of the output positions of `blocks` blocks.
pub(crate) fn size(blocks: usize) -> usize {
    (blocks + 1) * ENTRY_BYTES
}

/// Whether the output positions of `blocks` blocks can have this many bytes. One entry may be
/// missing: the last code reaches into a block in which no code starts. A single block always has a
/// first code.
pub(crate) fn has_size(bytes: usize, blocks: usize) -> bool {
    bytes == size(blocks) || blocks > 1 && bytes == size(blocks - 1)
}

/// Output positions that are known to begin at 0, to ascend, and to end at the number of weights.
/// Every block but the last has at least one weight, and none has more weights than its bits can
/// code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions<'a> {
    entries: &'a [[u8; ENTRY_BYTES]],
    weights: u64,
}

impl<'a> Positions<'a> {
    /// Precondition: `validate` has accepted `bytes`.
    pub fn proven(bytes: &'a [u8], weights: u64) -> Self {
        Self { entries: bytes.as_chunks().0, weights }
    }

    /// Checks every entry. Precondition: `has_size(bytes.len(), blocks)`.
    pub fn validate(bytes: &'a [u8], blocks: usize, weights: u64, code: &Code) -> Result<(), Error> {
        let positions = Self::proven(bytes, weights);
        let last = positions.entries.len().saturating_sub(1);
        if positions.get(0) != 0 {
            return Err(Error::FirstOutputPositionNotZero { found: positions.get(0) });
        }
        let most = BLOCK_BITS.div_ceil(u64::from(code.shortest()));
        // If the stream goes on in the next block, codes fill this one, except the bits before its
        // first code. These are fewer than the longest code has.
        let least = BLOCK_BITS / u64::from(code.longest());
        for block in 0..last {
            let (first, end) = (positions.get(block), positions.get(block + 1));
            let Some(found) = end.checked_sub(first) else {
                return Err(Error::OutputPositionsFall { block, first, end });
            };
            if found > most {
                return Err(Error::BlockHoldsTooManyWeights { block, found, most });
            }
            if found < least && block + 1 < blocks {
                return Err(Error::BlockHoldsTooFewWeights { block, found, least });
            }
        }
        match positions.get(last) {
            end if end == weights => Ok(()),
            end => Err(Error::OutputPositionsEnd { found: end, expected: weights }),
        }
    }

    /// First weight whose code starts in `block`; the number of weights for a block that has none.
    pub fn get(&self, block: usize) -> u64 {
        self.entries.get(block).map_or(self.weights, |&entry| u64::from(u32::from_le_bytes(entry)))
    }

    /// The block in which the code of `weight` starts.
    pub fn block_of(&self, weight: u64) -> usize {
        let after = self.entries.partition_point(|&entry| u64::from(u32::from_le_bytes(entry)) <= weight);
        after.saturating_sub(1)
    }
}

const _: () = assert!(BLOCK_BITS >= MAX_CODE_BITS as u64, "the fewest weights of a block are at least one");

/// Writes output positions from where codes start.
pub(crate) struct PositionWriter<'a> {
    entries: &'a mut [[u8; ENTRY_BYTES]],
    blocks: usize,
}

impl<'a> PositionWriter<'a> {
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { entries: bytes.as_chunks_mut().0, blocks: 0 }
    }

    /// The code of `weight` starts in `block`. Only the first of a block counts.
    pub fn code_starts(&mut self, block: usize, weight: u64) {
        if block >= self.blocks {
            self.fill_up_to(block + 1, weight);
        }
    }

    /// Sets the output positions of blocks in which no code starts, and the end, to `weights`.
    pub fn finish(mut self, weights: u64) {
        self.fill_up_to(self.entries.len(), weights);
    }

    fn fill_up_to(&mut self, end: usize, weight: u64) {
        debug_assert!(weight <= MAX_WEIGHTS);
        if let Some(entries) = self.entries.get_mut(self.blocks..end) {
            entries.fill((weight as u32).to_le_bytes());
        }
        self.blocks = end;
    }
}
