//! A job is what one lane decodes at a time: one block, and the part of its weights that the caller
//! asked for.
//!
//! The plain decoder checks every index on its way through a block. All that it finds, except in
//! gaps, shows in where the last code of the block begins and ends:
//!
//! ```text
//! | block ............................................. | next block
//!   ^ first_bit               last code: begins in here | ends at the next block's first code
//!                                        or, if no more weights follow, within the stream
//! ```

use df11_core::limits::{BLOCK_BITS, MAX_CODE_BITS};
use df11_core::{Error, Unit, bf16};

use super::sizes::LINE;
use crate::memory::prefetch;

const CACHE_LINE: usize = 64;

/// A block to decode, from its first code to its last.
pub(crate) struct Job<'a> {
    /// The bit of the stream at which the first code of the block begins.
    pub first_bit: u64,
    /// Bits from `first_bit` to the end of the block's codes. Exact if more weights follow,
    /// otherwise an upper bound.
    pub bits: usize,
    /// Whether more weights follow, which makes `bits` exact.
    is_exact: bool,
    /// Bits from `first_bit` to the end of the block. The last code begins before it.
    block_bits: usize,
    /// Weights not yet decoded.
    pub left: usize,
    /// How many of these to drop before the first that was asked for.
    skip: usize,
    /// Sign and mantissa of the weights asked for and not yet decoded.
    sign_mantissa: &'a [u8],
    /// Where these weights go.
    out: &'a mut [bf16],
    block: usize,
    /// One past the last weight of the block.
    end: u64,
}

impl<'a> Job<'a> {
    /// A job with nothing to do.
    pub fn none() -> Self {
        Self {
            first_bit: 0,
            bits: 0,
            is_exact: true,
            block_bits: 0,
            left: 0,
            skip: 0,
            sign_mantissa: &[],
            out: &mut [],
            block: 0,
            end: 0,
        }
    }

    /// Decodes the weights of a block from `first` on into `out`, all of which belong to the block.
    pub fn new(unit: &'a Unit<'_>, block: usize, first: u64, out: &'a mut [bf16]) -> Self {
        let (start, next) = (unit.block(block), unit.block(block + 1));
        let end = start.weights.end;
        let is_exact = end < unit.weights();
        let stream_bits = unit.view().encoded_exponent.len() as u64 * 8;
        let block_end = (block as u64 + 1) * BLOCK_BITS;
        let end_bit = match is_exact {
            true => next.first_bit,
            false => stream_bits.min(block_end + u64::from(MAX_CODE_BITS)),
        };
        Self {
            first_bit: start.first_bit,
            bits: end_bit.saturating_sub(start.first_bit) as usize,
            is_exact,
            block_bits: block_end.saturating_sub(start.first_bit) as usize,
            left: (end - start.weights.start) as usize,
            skip: (first - start.weights.start) as usize,
            sign_mantissa: &unit.view().sign_mantissa[first as usize..][..out.len()],
            out,
            block,
            end,
        }
    }

    /// How many of the next `held` weights lie after the last cache line of output that they fill.
    pub fn beyond_line(&self, held: usize) -> usize {
        let address = self.out.as_ptr() as usize / size_of::<bf16>();
        let taken = held.saturating_sub(self.skip);
        ((address + taken) % LINE).min(taken)
    }

    /// Prefetches the memory of about the next `count` weights asked for.
    #[inline(always)]
    pub fn prefetch(&self, count: usize, streams: bool) {
        let count = count.min(self.out.len());
        for index in (0..count).step_by(CACHE_LINE) {
            prefetch(self.sign_mantissa, index);
        }
        if !streams {
            for index in (0..count).step_by(LINE) {
                prefetch(self.out, index);
            }
        }
    }

    /// Takes the exponents of the next weights, the last one first.
    #[inline(always)]
    pub fn take(&mut self, exponents: &[u8], merge: impl FnOnce(&[u8], &[u8], &mut [bf16])) {
        self.left -= exponents.len();
        let dropped = self.skip.min(exponents.len());
        self.skip -= dropped;
        let wanted = &exponents[..exponents.len() - dropped];
        let wanted = &wanted[wanted.len() - wanted.len().min(self.out.len())..];
        let (sign_mantissa, sign_mantissa_rest) = self.sign_mantissa.split_at(wanted.len());
        let (out, out_rest) = core::mem::take(&mut self.out).split_at_mut(wanted.len());
        merge(wanted, sign_mantissa, out);
        (self.sign_mantissa, self.out) = (sign_mantissa_rest, out_rest);
    }

    /// Checks where the codes ended: `end` bits after the first one, the last code having `last`
    /// bits.
    pub fn check_end(&self, end: usize, last: usize) -> Result<(), Error> {
        if end - last >= self.block_bits || self.is_exact && end != self.bits {
            return Err(self.contradicts());
        }
        if end > self.bits {
            return Err(Error::StreamEndsEarly { weight: self.end - 1 });
        }
        Ok(())
    }

    /// The error that the codes of the block differ from what its output positions say.
    pub fn contradicts(&self) -> Error {
        Error::BlockContradictsPositions { block: self.block }
    }

    /// The error that no code matches the bits after the next `held` weights.
    pub fn no_such_code(&self, held: usize) -> Error {
        Error::NoSuchCode { weight: self.end - (self.left - held) as u64 }
    }

    /// The error that codes go on after the next `held` weights, where the block should have ended.
    pub fn runs_on(&self, held: usize) -> Error {
        match self.is_exact {
            true => self.contradicts(),
            false => Error::StreamEndsEarly { weight: self.end - (self.left - held) as u64 },
        }
    }
}

/// Weights from `first` on, to be decoded block by block into `out`.
pub(crate) struct Jobs<'a, 'u> {
    pub unit: &'a Unit<'u>,
    pub block: usize,
    pub end_block: usize,
    pub first: u64,
    pub out: &'a mut [bf16],
}

impl<'a, 'u> Jobs<'a, 'u> {
    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        self.end_block - self.block
    }

    /// The first half and the second. There must be at least two blocks.
    pub fn halves(self) -> (Self, Self) {
        let middle = self.block + self.blocks() / 2;
        let first = self.unit.block(middle).weights.start;
        let (out, out_rest) = self.out.split_at_mut((first - self.first) as usize);
        (Self { end_block: middle, out, ..self }, Self { block: middle, first, out: out_rest, ..self })
    }
}

impl<'a> Iterator for Jobs<'a, '_> {
    type Item = Job<'a>;

    fn next(&mut self) -> Option<Job<'a>> {
        if self.block == self.end_block {
            return None;
        }
        let block = self.block;
        self.block += 1;
        let count = (self.unit.block(block).weights.end - self.first).min(self.out.len() as u64);
        let (out, rest) = core::mem::take(&mut self.out).split_at_mut(count as usize);
        let first = self.first;
        self.first += count;
        self.out = rest;
        Some(Job::new(self.unit, block, first, out))
    }
}
