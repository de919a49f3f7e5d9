//! A unit as it lies in a file, and the same unit once its structure is proven.

use core::ops::Range;

use crate::bits::BitReader;
use crate::error::Error;
use crate::huffman::{Code, Lookup};
use crate::limits::{BLOCK_BITS, BLOCK_BYTES, BLOCK_CHUNKS, MAX_STREAM_BYTES, MAX_WEIGHTS};
use crate::wire::positions::Positions;
use crate::wire::splits::Splits;
use crate::wire::{gaps, luts};

/// The six arrays of a unit, borrowed. Nothing is known of them yet. FORMAT.md, "The six arrays".
#[derive(Clone, Copy, Debug)]
pub struct UnitView<'a> {
    /// The stream, n bytes.
    pub encoded_exponent: &'a [u8],
    /// Sign and mantissa of each weight, N bytes.
    pub sign_mantissa: &'a [u8],
    /// Tables and lengths, rows of 256 bytes.
    pub luts: &'a [u8],
    /// 5 bits a chunk.
    pub gaps: &'a [u8],
    /// Little-endian u32 a block, and one more.
    pub output_positions: &'a [u8],
    /// Little-endian i64 a matrix but the last.
    pub split_positions: &'a [u8],
}

impl<'a> UnitView<'a> {
    /// Checks everything that can be known without decoding. Takes time for the index arrays, not for the stream.
    ///
    /// # Errors
    /// What FORMAT.md, "What a reader refuses", lists as refused before decoding.
    pub fn validate(self) -> Result<Unit<'a>, Error> {
        let (bytes, weights) = (self.encoded_exponent.len() as u64, self.sign_mantissa.len() as u64);
        match weights {
            0 => return Err(Error::NoWeights),
            found if found > MAX_WEIGHTS => return Err(Error::TooManyWeights { found }),
            _ => {}
        }
        match bytes {
            0 => return Err(Error::NoStream),
            found if found > MAX_STREAM_BYTES => return Err(Error::StreamTooLong { found }),
            _ => {}
        }
        let blocks = self.encoded_exponent.len().div_ceil(BLOCK_BYTES);
        if self.gaps.len() != gaps::size(blocks) {
            return Err(Error::GapsSize { found: self.gaps.len(), expected: gaps::size(blocks) });
        }
        if gaps::read(self.gaps, 0) != 0 {
            return Err(Error::FirstGapNotZero { found: gaps::read(self.gaps, 0) });
        }
        let code = luts::read(self.luts)?;
        let lookup = Lookup::new(&code);
        let positions = Positions::validate(self.output_positions, blocks, weights, &code)?;
        let splits = Splits::validate(self.split_positions, weights)?;
        Ok(Unit { view: self, code, lookup, positions, splits, blocks })
    }
}

/// A unit whose structure is proven: sizes fit each other, codes are prefix-free, output positions ascend from 0 to the number of
/// weights and give no block more weights than its bits can code, and every block but the last as many as fill it. What only
/// decoding can show, that the stream keeps to it, is not.
#[derive(Clone, Debug)]
pub struct Unit<'a> {
    view: UnitView<'a>,
    code: Code,
    lookup: Lookup,
    positions: Positions<'a>,
    splits: Splits<'a>,
    blocks: usize,
}

/// Where a block's codes stand and which weights they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bit of the stream at which the block's first code starts; of no meaning if it has no weights.
    pub first_bit: u64,
    /// The weights whose codes start in the block.
    pub weights: Range<u64>,
}

impl<'a> Unit<'a> {
    /// The arrays as they lie in the file.
    pub fn view(&self) -> &UnitView<'a> {
        &self.view
    }

    /// Number of weights, 1 to 2^32 - 1.
    pub fn weights(&self) -> u64 {
        self.view.sign_mantissa.len() as u64
    }

    /// Number of blocks, at least 1.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// The codes of the exponents.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// The codes, ready to be read.
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// The weights of each matrix, in order.
    pub fn matrices(&self) -> impl ExactSizeIterator<Item = Range<u64>> + 'a {
        self.splits.matrices()
    }

    /// Where in a chunk its first code starts, in bits; 0 for a chunk after the last.
    pub fn gap(&self, chunk: usize) -> u32 {
        gaps::read(self.view.gaps, chunk)
    }

    /// A block. All blocks after the last are alike: without weights, at the end of the last.
    pub fn block(&self, block: usize) -> Block {
        // At most 2^19, as `MAX_STREAM_BYTES` bounds the stream: nothing below overflows, nor do
        // its chunks and bits.
        let block = block.min(self.blocks);
        Block {
            first_bit: block as u64 * BLOCK_BITS + u64::from(self.gap(block * BLOCK_CHUNKS)),
            weights: self.positions.get(block)..self.positions.get(block + 1),
        }
    }

    /// The block in which the code of `weight` starts; `blocks()` for a weight after the last.
    pub fn block_of(&self, weight: u64) -> usize {
        if weight < self.weights() { self.positions.block_of(weight) } else { self.blocks }
    }

    /// A block that exists.
    ///
    /// # Errors
    /// `NoSuchBlock`.
    pub(crate) fn existing_block(&self, block: usize) -> Result<Block, Error> {
        if block >= self.blocks {
            return Err(Error::NoSuchBlock { block, blocks: self.blocks });
        }
        Ok(self.block(block))
    }

    /// Checks that `count` weights from `first` on exist; returns the blocks in which their codes start.
    ///
    /// # Errors
    /// `RangePastEnd`.
    pub fn blocks_of(&self, first: u64, count: usize) -> Result<Range<usize>, Error> {
        let count = count as u64;
        let end = first.checked_add(count).filter(|&end| end <= self.weights());
        let Some(end) = end else { return Err(Error::RangePastEnd { first, count, weights: self.weights() }) };
        Ok(if count == 0 { 0..0 } else { self.block_of(first)..self.block_of(end - 1) + 1 })
    }

    /// The stream from a bit on.
    pub(crate) fn bits_at(&self, bit: u64) -> BitReader<'a> {
        BitReader::at(self.view.encoded_exponent, bit)
    }
}
