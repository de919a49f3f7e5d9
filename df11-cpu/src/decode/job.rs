//! What one lane decodes at a time: a block, and the part of its weights that is wanted.
//!
//! What the plain decoder finds on its way through a block, all but gaps, shows in where its last code begins and ends:
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

/// A block to be decoded, from its first code to its last.
pub(crate) struct Job<'a> {
    /// Bit of the stream at which its first code begins.
    pub first_bit: u64,
    /// Bits from there to the end of its codes: exactly, or if no more weights follow, at most.
    pub bits: usize,
    /// Whether more weights follow, so that `bits` is exact.
    is_exact: bool,
    /// Bits from there to the end of the block, before which its last code begins.
    block_bits: usize,
    /// Weights still to be decoded.
    pub left: usize,
    /// Of these, the ones to drop before the first that is wanted.
    skip: usize,
    /// Sign and mantissa of the wanted weights still to come.
    sign_mantissa: &'a [u8],
    /// Where they go.
    out: &'a mut [bf16],
    block: usize,
    /// One behind its last weight.
    end: u64,
}

impl<'a> Job<'a> {
    /// Nothing to do.
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

    /// A block, of which the weights from `first` on are wanted in `out`; all of these are its own.
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

    /// How many of the next `held` weights lie beyond the last line of the output that they fill.
    pub fn beyond_line(&self, held: usize) -> usize {
        let address = self.out.as_ptr() as usize / size_of::<bf16>();
        let taken = held.saturating_sub(self.skip);
        ((address + taken) % LINE).min(taken)
    }

    /// Asks for the memory of about the next `count` wanted weights.
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

    /// Takes the exponents of its next weights, the last one first.
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

    /// Checks where its codes ended, counted from its first bit; the last one has `last` bits.
    pub fn check_end(&self, end: usize, last: usize) -> Result<(), Error> {
        if end - last >= self.block_bits || self.is_exact && end != self.bits {
            return Err(self.contradicts());
        }
        if end > self.bits {
            return Err(Error::StreamEndsEarly { weight: self.end - 1 });
        }
        Ok(())
    }

    /// Its codes are other ones than its output positions say.
    pub fn contradicts(&self) -> Error {
        Error::BlockContradictsPositions { block: self.block }
    }

    /// Behind the `held` next weights comes a code that does not exist.
    pub fn no_such_code(&self, held: usize) -> Error {
        Error::NoSuchCode { weight: self.end - (self.left - held) as u64 }
    }

    /// Behind the `held` next weights its codes go on, where it should have ended.
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
    /// How many.
    pub fn blocks(&self) -> usize {
        self.end_block - self.block
    }

    /// The first half and the second. There are at least two.
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
