use half::bf16;

use crate::bf16_word;
use crate::error::Error;
use crate::huffman::{Code, Histogram, shortest};
use crate::limits::{BLOCK_BITS, BLOCK_BYTES, MAX_STREAM_BYTES, MAX_WEIGHTS, PUBLISHED_MAX_BLOCK_WEIGHTS};
use crate::wire::{gaps, luts, positions};

/// Everything known of a unit before a byte of it is written: its code and the exact size of each part.
#[derive(Clone, Debug)]
pub struct Plan {
    code: Code,
    weights: u64,
    stream_bytes: usize,
    tables: usize,
}

/// Exact bytes of each part of a unit. `split_positions` are the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSizes {
    /// The stream.
    pub encoded_exponent: usize,
    /// One byte a weight.
    pub sign_mantissa: usize,
    /// Tables and lengths.
    pub luts: usize,
    /// 320 bytes a block.
    pub gaps: usize,
    /// 4 bytes a block and 4 more.
    pub output_positions: usize,
}

impl PartSizes {
    /// Bytes of all parts together.
    pub fn total(&self) -> usize {
        self.encoded_exponent + self.sign_mantissa + self.luts + self.gaps + self.output_positions
    }
}

impl Plan {
    /// Plans the unit of these weights. FORMAT.md, "Codes".
    ///
    /// # Errors
    /// `NoWeights`, `TooManyWeights`, `StreamTooLong`.
    pub fn new(weights: &[bf16]) -> Result<Self, Error> {
        Self::from_histogram(&Histogram::of(weights), |code| {
            fullest_block(code, weights) <= PUBLISHED_MAX_BLOCK_WEIGHTS
        })
    }

    /// Plans the unit of weights that were counted elsewhere. `every_block_launches` is asked only of a code that has a code of 1 bit: whether every
    /// block of the stream holds at most `PUBLISHED_MAX_BLOCK_WEIGHTS` weights (`fullest_block`).
    ///
    /// # Errors
    /// As `new`.
    pub fn from_histogram(
        histogram: &Histogram,
        every_block_launches: impl FnOnce(&Code) -> bool,
    ) -> Result<Self, Error> {
        match histogram.total() {
            0 => return Err(Error::NoWeights),
            found if found > MAX_WEIGHTS => return Err(Error::TooManyWeights { found }),
            _ => {}
        }
        let mut code = Code::canonical(&shortest(histogram, 1));
        if code.shortest() == 1 && !every_block_launches(&code) {
            code = Code::canonical(&shortest(histogram, 2));
        }
        let found = histogram.stream_bits(code.lengths()).div_ceil(8);
        let stream_bytes = usize::try_from(found).ok().filter(|_| found <= MAX_STREAM_BYTES);
        let stream_bytes = stream_bytes.ok_or(Error::StreamTooLong { found })?;
        Ok(Self { weights: histogram.total(), tables: luts::tables_for(&code), code, stream_bytes })
    }

    /// The code of each exponent.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Number of weights.
    pub fn weights(&self) -> u64 {
        self.weights
    }

    /// Exact size of each part.
    pub fn sizes(&self) -> PartSizes {
        let blocks = self.stream_bytes.div_ceil(BLOCK_BYTES);
        PartSizes {
            encoded_exponent: self.stream_bytes,
            sign_mantissa: self.weights as usize,
            luts: luts::size(self.tables),
            gaps: gaps::size(blocks),
            output_positions: positions::size(blocks),
        }
    }
}

/// Most weights whose codes start in one block of the stream.
pub fn fullest_block(code: &Code, weights: &[bf16]) -> u64 {
    let (mut bit, mut block_end, mut held, mut most) = (0u64, BLOCK_BITS, 0, 0);
    for &weight in weights {
        if bit >= block_end {
            (block_end, held) = (block_end + BLOCK_BITS, 0);
        }
        held += 1;
        most = most.max(held);
        bit += u64::from(code.lengths()[usize::from(bf16_word::exponent(weight))]);
    }
    most
}
