//! What one lane decodes at a time: a few consecutive blocks, and the part of their weights that is wanted.

use df11_core::limits::BLOCK_BYTES;
use df11_core::{Error, Unit, bf16};

use super::lane::LINE;
use crate::memory::prefetch;

const CACHE_LINE: usize = 64;

/// Consecutive blocks to be decoded, each from the first code of the first one to the last of the last.
pub(crate) struct Job<'a> {
    /// Bit of the stream at which it begins.
    pub first_bit: u64,
    /// Bits from there to the end of its codes: exact, or for the unit's last blocks, what the stream still holds.
    pub bits: usize,
    /// Whether `bits` is exact.
    is_exact: bool,
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
            left: 0,
            skip: 0,
            sign_mantissa: &[],
            out: &mut [],
            block: 0,
            end: 0,
        }
    }

    /// Blocks `block..end_block`, of which the weights from `first` on are wanted in `out`; all of these are theirs.
    pub fn new(unit: &'a Unit<'_>, block: usize, end_block: usize, first: u64, out: &'a mut [bf16]) -> Self {
        let (start, next) = (unit.block(block), unit.block(end_block));
        let end = next.weights.start;
        let is_exact = end < unit.weights();
        let stream_bits = unit.view().encoded_exponent.len() as u64 * 8;
        let end_bit = if is_exact { next.first_bit } else { stream_bits };
        Self {
            first_bit: start.first_bit,
            bits: end_bit.saturating_sub(start.first_bit) as usize,
            is_exact,
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

    /// Checks where its codes ended, `bits` behind its first bit.
    pub fn check_end(&self, bits: u64, unit: &Unit<'_>) -> Result<(), Error> {
        if self.is_exact && bits != self.bits as u64 {
            return Err(Error::BlockContradictsPositions { block: self.block });
        }
        if bits > self.bits as u64 {
            return Err(Error::StreamEndsEarly { weight: unit.weights() - 1 });
        }
        Ok(())
    }

    /// Behind the `held` next weights comes a code that does not exist.
    pub fn no_such_code(&self, held: usize) -> Error {
        Error::NoSuchCode { weight: self.end - (self.left - held) as u64 }
    }

    /// Behind the `held` next weights its codes go on, where it should have ended.
    pub fn runs_on(&self, held: usize) -> Error {
        match self.is_exact {
            true => Error::BlockContradictsPositions { block: self.block },
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
        Some(Job::new(self.unit, block, block + 1, first, out))
    }
}

/// Blocks at the end of a stream that are read from a copy with zeros behind it.
pub(crate) const TAIL_BLOCKS: usize = 2;
const _: () = assert!(super::lane::ROUND_REACH < BLOCK_BYTES, "what overruns a block by a round stays within the next");
