//! A unit as it is in a file, and the same unit after its structure is proven.

use core::ops::Range;

use crate::bits::BitReader;
use crate::bytes::Bytes;
use crate::error::Error;
use crate::huffman::{Code, Lookup};
use crate::limits::{BLOCK_BITS, BLOCK_BYTES, BLOCK_CHUNKS};
use crate::plan::PartSizes;
use crate::wire::positions::Positions;
use crate::wire::splits::Splits;
use crate::wire::{gaps, luts};

/// The six arrays of a unit, borrowed and not yet checked. FORMAT.md, "The six arrays".
#[derive(Clone, Copy, Debug)]
pub struct UnitView<'a> {
    /// The stream, n bytes.
    pub encoded_exponent: &'a [u8],
    /// Sign and mantissa of each weight, N bytes.
    pub sign_mantissa: &'a [u8],
    /// Tables and lengths, rows of 256 bytes.
    pub luts: &'a [u8],
    /// 5 bits for each chunk.
    pub gaps: &'a [u8],
    /// One little-endian u32 for each block, and one more.
    pub output_positions: &'a [u8],
    /// One little-endian i64 for each matrix but the last.
    pub split_positions: &'a [u8],
}

/// The six arrays of a unit, each borrowed, owned or shared, and not yet checked.
#[derive(Debug)]
pub struct Arrays<'a> {
    /// The stream, n bytes.
    pub encoded_exponent: Bytes<'a>,
    /// Sign and mantissa of each weight, N bytes.
    pub sign_mantissa: Bytes<'a>,
    /// Tables and lengths, rows of 256 bytes.
    pub luts: Bytes<'a>,
    /// 5 bits for each chunk.
    pub gaps: Bytes<'a>,
    /// One little-endian u32 for each block, and one more.
    pub output_positions: Bytes<'a>,
    /// One little-endian i64 for each matrix but the last.
    pub split_positions: Bytes<'a>,
}

impl<'a> Arrays<'a> {
    /// Checks everything that can be known without decoding; the unit then keeps the arrays. The
    /// time it takes depends on the index arrays, not on the stream.
    ///
    /// # Errors
    /// What FORMAT.md, "What a reader refuses", lists as refused before decoding.
    pub fn validate(self) -> Result<Unit<'a>, Error> {
        let (code, lookup) = self.view().check()?;
        Ok(Unit { arrays: self, code, lookup })
    }

    /// The arrays, borrowed.
    pub fn view(&self) -> UnitView<'_> {
        UnitView {
            encoded_exponent: &self.encoded_exponent,
            sign_mantissa: &self.sign_mantissa,
            luts: &self.luts,
            gaps: &self.gaps,
            output_positions: &self.output_positions,
            split_positions: &self.split_positions,
        }
    }
}

impl<'a> From<UnitView<'a>> for Arrays<'a> {
    fn from(view: UnitView<'a>) -> Self {
        Self {
            encoded_exponent: view.encoded_exponent.into(),
            sign_mantissa: view.sign_mantissa.into(),
            luts: view.luts.into(),
            gaps: view.gaps.into(),
            output_positions: view.output_positions.into(),
            split_positions: view.split_positions.into(),
        }
    }
}

impl<'a> UnitView<'a> {
    /// Checks everything that can be known without decoding, as `Arrays::validate` does.
    ///
    /// # Errors
    /// Those of `Arrays::validate`.
    pub fn validate(self) -> Result<Unit<'a>, Error> {
        Arrays::from(self).validate()
    }

    /// Bytes of each array but the split positions.
    pub fn sizes(&self) -> PartSizes {
        PartSizes {
            encoded_exponent: self.encoded_exponent.len(),
            sign_mantissa: self.sign_mantissa.len(),
            luts: self.luts.len(),
            gaps: self.gaps.len(),
            output_positions: self.output_positions.len(),
        }
    }

    fn check(&self) -> Result<(Code, Lookup), Error> {
        self.sizes().check_relations()?;
        let (blocks, weights) = (blocks(self.encoded_exponent), self.sign_mantissa.len() as u64);
        if gaps::read(self.gaps, 0) != 0 {
            return Err(Error::FirstGapNotZero { found: gaps::read(self.gaps, 0) });
        }
        let code = luts::read(self.luts)?;
        let lookup = Lookup::new(&code);
        Positions::validate(self.output_positions, blocks, weights, &code)?;
        Splits::validate(self.split_positions, weights)?;
        Ok((code, lookup))
    }
}

fn blocks(stream: &[u8]) -> usize {
    stream.len().div_ceil(BLOCK_BYTES)
}

/// A unit whose structure is proven: sizes fit each other; codes are prefix-free; output positions
/// ascend from 0 to the number of weights; they give no block more weights than codes can start in
/// it, and every block but the last at least as many as fill it. Only decoding can prove that the
/// stream agrees with all this.
///
/// It keeps its arrays, borrowed or owned. A `Unit<'static>` borrows nothing and can be kept for
/// any time.
///
/// Invariant: `arrays` passed `UnitView::check`, which returned `code` and `lookup`, and nobody
/// changes them.
#[derive(Debug)]
pub struct Unit<'a> {
    arrays: Arrays<'a>,
    code: Code,
    lookup: Lookup,
}

/// Where the codes of a block start, and which weights they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bit of the stream at which the block's first code starts; without meaning if the block has
    /// no weights.
    pub first_bit: u64,
    /// The weights whose codes start in the block.
    pub weights: Range<u64>,
}

impl<'a> Unit<'a> {
    /// The arrays, borrowed.
    pub fn view(&self) -> UnitView<'_> {
        self.arrays.view()
    }

    /// Gives the arrays back.
    pub fn into_arrays(self) -> Arrays<'a> {
        self.arrays
    }

    /// The same unit, with arrays borrowed from this one: for a function that takes a unit by
    /// value. Copies the code, 5 KB.
    pub fn borrowed(&self) -> Unit<'_> {
        Unit { arrays: self.view().into(), code: self.code.clone(), lookup: self.lookup.clone() }
    }

    /// Number of weights, 1 to 2^32 - 1.
    pub fn weights(&self) -> u64 {
        self.arrays.sign_mantissa.len() as u64
    }

    /// Number of blocks, at least 1.
    pub fn blocks(&self) -> usize {
        blocks(&self.arrays.encoded_exponent)
    }

    /// The codes of the exponents.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// The codes, ready for look-ups.
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// The weights of each matrix, in order.
    pub fn matrices(&self) -> impl ExactSizeIterator<Item = Range<u64>> + '_ {
        Splits::proven(&self.arrays.split_positions, self.weights()).matrices()
    }

    fn positions(&self) -> Positions<'_> {
        Positions::proven(&self.arrays.output_positions, self.weights())
    }

    /// Where in a chunk its first code starts, in bits; 0 for a chunk after the last.
    pub fn gap(&self, chunk: usize) -> u32 {
        gaps::read(&self.arrays.gaps, chunk)
    }

    /// A block. For every number after the last block: an empty block at the end of the last one.
    pub fn block(&self, block: usize) -> Block {
        // `block` is at most 2^19, because `MAX_STREAM_BYTES` bounds the stream. So neither the
        // numbers below overflow, nor those of its chunks and bits.
        let (block, positions) = (block.min(self.blocks()), self.positions());
        Block {
            first_bit: block as u64 * BLOCK_BITS + u64::from(self.gap(block * BLOCK_CHUNKS)),
            weights: positions.get(block)..positions.get(block + 1),
        }
    }

    /// The block in which the code of `weight` starts; `blocks()` for a weight after the last.
    pub fn block_of(&self, weight: u64) -> usize {
        if weight < self.weights() { self.positions().block_of(weight) } else { self.blocks() }
    }

    /// A block that exists.
    ///
    /// # Errors
    /// `NoSuchBlock`.
    pub(crate) fn existing_block(&self, block: usize) -> Result<Block, Error> {
        let blocks = self.blocks();
        if block >= blocks {
            return Err(Error::NoSuchBlock { block, blocks });
        }
        Ok(self.block(block))
    }

    /// Checks that `count` weights from `first` on exist, and returns the blocks in which their
    /// codes start.
    ///
    /// # Errors
    /// `RangePastEnd`.
    pub fn blocks_of(&self, first: u64, count: usize) -> Result<Range<usize>, Error> {
        let count = count as u64;
        let end = first.checked_add(count).filter(|&end| end <= self.weights());
        let Some(end) = end else { return Err(Error::RangePastEnd { first, count, weights: self.weights() }) };
        Ok(if count == 0 { 0..0 } else { self.block_of(first)..self.block_of(end - 1) + 1 })
    }

    /// Cuts the weights into tiles of whole blocks, from front to back. A tile has at most
    /// `weights` weights, but at least one block. No block belongs to two tiles, so the caller's
    /// own threads can share the work.
    pub fn tiles(&self, weights: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut next = 0;
        core::iter::from_fn(move || {
            let mut tile = (next < self.blocks()).then(|| self.block(next).weights)?;
            next += 1;
            while next < self.blocks() && self.block(next).weights.end - tile.start <= weights {
                tile.end = self.block(next).weights.end;
                next += 1;
            }
            Some(tile).filter(|tile| !tile.is_empty())
        })
    }

    /// The stream from a bit on.
    pub(crate) fn bits_at(&self, bit: u64) -> BitReader<'_> {
        BitReader::at(&self.arrays.encoded_exponent, bit)
    }
}
