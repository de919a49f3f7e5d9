use half::bf16;

use crate::bf16_word;
use crate::error::Error;
use crate::huffman::{Code, EndCode, Histogram, PublishedCode, published, shortest};
use crate::limits::{
    BLOCK_BITS, BLOCK_BYTES, FIRST_POINTER, MAX_STREAM_BYTES, MAX_TABLES, MAX_WEIGHTS, POINTER_LEVEL_BITS,
    PUBLISHED_MAX_BLOCK_WEIGHTS, TABLE_BITS,
};
use crate::wire::{gaps, luts, positions};

/// All that is known about a unit before a byte of it is written: its code and the exact size of
/// each part.
#[derive(Clone, Debug)]
pub struct Plan {
    code: Code,
    weights: u64,
    /// Bits of all codes, at most 8 times `MAX_STREAM_BYTES`.
    pub(crate) stream_bits: u64,
    tables: usize,
    /// Blocks in which a code, or the end-of-stream symbol, starts.
    pub(crate) begun_blocks: usize,
    ending: Option<Ending>,
    breaks_tie: bool,
}

/// What the published compressor puts after the last code, up to the end of that byte: the
/// beginning of the code of its end-of-stream symbol. For the gaps it counts like any other code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The bits, right-aligned.
    pub bits: u32,
    /// Number of bits, 1 to 7.
    pub count: u32,
}

/// Exact size of each part of a unit, in bytes. `split_positions` is not among them: the caller
/// makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSizes {
    /// The stream.
    pub encoded_exponent: usize,
    /// One byte for each weight.
    pub sign_mantissa: usize,
    /// Tables and lengths.
    pub luts: usize,
    /// 320 bytes for each block.
    pub gaps: usize,
    /// 4 bytes for each block and 4 more.
    pub output_positions: usize,
}

impl PartSizes {
    /// Of a unit with this many weights, bytes of stream and tables, where a code starts in every
    /// block. Sizes that no memory holds are `usize::MAX`.
    pub fn of(weights: u64, stream_bytes: usize, tables: usize) -> Self {
        let blocks = stream_bytes.div_ceil(BLOCK_BYTES);
        Self {
            encoded_exponent: stream_bytes,
            sign_mantissa: usize::try_from(weights).unwrap_or(usize::MAX),
            luts: luts::size(tables),
            gaps: gaps::size(blocks),
            output_positions: positions::size(blocks),
        }
    }

    /// Checks all that sizes alone tell, so that a reader can refuse a unit by a header. A unit
    /// that `UnitView::validate` accepts passes.
    ///
    /// # Errors
    /// `NoWeights`, `TooManyWeights`, `NoStream`, `StreamTooLong`, `TablesSize`, `GapsSize`,
    /// `OutputPositionsSize`.
    pub fn check_relations(&self) -> Result<(), Error> {
        match self.sign_mantissa as u64 {
            0 => return Err(Error::NoWeights),
            found if found > MAX_WEIGHTS => return Err(Error::TooManyWeights { found }),
            _ => {}
        }
        match self.encoded_exponent as u64 {
            0 => return Err(Error::NoStream),
            found if found > MAX_STREAM_BYTES => return Err(Error::StreamTooLong { found }),
            _ => {}
        }
        if !luts::has_size(self.luts) {
            return Err(Error::TablesSize { found: self.luts });
        }
        let blocks = self.encoded_exponent.div_ceil(BLOCK_BYTES);
        if self.gaps != gaps::size(blocks) {
            return Err(Error::GapsSize { found: self.gaps, expected: gaps::size(blocks) });
        }
        if !positions::has_size(self.output_positions, blocks) {
            let (found, expected) = (self.output_positions, positions::size(blocks));
            return Err(Error::OutputPositionsSize { found, expected });
        }
        Ok(())
    }

    /// Bytes of all parts together, at most `u64::MAX`, which no plan reaches.
    pub fn total(&self) -> u64 {
        let parts = [self.encoded_exponent, self.sign_mantissa, self.luts, self.gaps, self.output_positions];
        parts.into_iter().fold(0, |total, part| total.saturating_add(part as u64))
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

    /// Plans the unit of weights that were counted elsewhere. `every_block_launches` says whether,
    /// with the given code, every block of the stream holds at most `PUBLISHED_MAX_BLOCK_WEIGHTS`
    /// weights (see `fullest_block`). It is called only for a code that gives an exponent 1 bit.
    ///
    /// # Errors
    /// Those of `new`.
    pub fn from_histogram(
        histogram: &Histogram,
        every_block_launches: impl FnOnce(&Code) -> bool,
    ) -> Result<Self, Error> {
        check_size(histogram)?;
        let mut code = Code::canonical(&shortest(histogram, 1))?;
        if code.shortest() == 1 && !every_block_launches(&code) {
            code = Code::canonical(&shortest(histogram, 2))?;
        }
        Self::with_code(histogram, code)
    }

    /// Plans the unit of these weights in the code of the published compressor. FORMAT.md, "The
    /// published compressor's code".
    ///
    /// # Errors
    /// Those of `new`. If that compressor stops, or writes what cannot be read:
    /// `EndTakesFirstEntry`, `TooManyTables`, `HighExponentCodeTooShort`.
    pub fn published(weights: &[bf16]) -> Result<Self, Error> {
        let last = *weights.last().ok_or(Error::NoWeights)?;
        Self::published_from_histogram(&Histogram::of(weights), last)
    }

    /// Plans the unit of weights that were counted elsewhere, in the code of the published
    /// compressor. `last` is the last of the weights.
    ///
    /// # Errors
    /// Those of `published`. `WeightsNotPlanned` if the exponent of `last` was not counted.
    pub fn published_from_histogram(histogram: &Histogram, last: bf16) -> Result<Self, Error> {
        check_size(histogram)?;
        if histogram.counts()[usize::from(bf16_word::exponent(last))] == 0 {
            return Err(Error::WeightsNotPlanned);
        }
        let PublishedCode { code, end, breaks_tie } = published(histogram)?;
        if end.bits == 0 && end.length <= TABLE_BITS {
            return Err(Error::EndTakesFirstEntry);
        }
        let length = |exponent: u8| code.lengths()[usize::from(exponent)];
        let is_pointer = |exponent: u8| exponent >= FIRST_POINTER && u32::from(length(exponent)) <= POINTER_LEVEL_BITS;
        if let Some(exponent) = code.exponents().find(|&exponent| is_pointer(exponent)) {
            return Err(Error::HighExponentCodeTooShort { exponent, length: length(exponent) });
        }
        let last_bits = length(bf16_word::exponent(last));
        let mut plan = Self::with_code(histogram, code)?;
        if plan.tables > MAX_TABLES {
            return Err(Error::TooManyTables { found: plan.tables });
        }
        plan.breaks_tie = breaks_tie;
        plan.ending = Ending::of(end, plan.stream_bits);
        if plan.ending.is_none() {
            plan.begun_blocks = (plan.stream_bits.saturating_sub(u64::from(last_bits)) / BLOCK_BITS) as usize + 1;
        }
        Ok(plan)
    }

    fn with_code(histogram: &Histogram, code: Code) -> Result<Self, Error> {
        let stream_bits = histogram.stream_bits(code.lengths());
        let found = stream_bits.div_ceil(8);
        if found > MAX_STREAM_BYTES {
            return Err(Error::StreamTooLong { found });
        }
        let (weights, tables) = (histogram.total(), luts::tables_for(&code));
        let begun_blocks = stream_bits.div_ceil(BLOCK_BITS) as usize;
        Ok(Self { code, weights, stream_bits, tables, begun_blocks, ending: None, breaks_tie: false })
    }

    /// The code of each exponent.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Number of weights.
    pub fn weights(&self) -> u64 {
        self.weights
    }

    /// The bits after the last code, if they are not just zeros: in a published code whose stream
    /// does not end with a whole byte.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Whether the published compressor might write other bytes, because it had to cut some of
    /// several equally rare exponents (FORMAT.md, "The published compressor's code", 3).
    pub fn breaks_tie(&self) -> bool {
        self.breaks_tie
    }

    /// Exact size of each part.
    pub fn sizes(&self) -> PartSizes {
        let stream_bytes = self.stream_bits.div_ceil(8) as usize;
        let output_positions = positions::size(self.begun_blocks);
        PartSizes { output_positions, ..PartSizes::of(self.weights, stream_bytes, self.tables) }
    }
}

impl Ending {
    /// The ending of a stream of `stream_bits` bits; `None` if they fill the last byte.
    fn of(end: EndCode, stream_bits: u64) -> Option<Self> {
        let count = (stream_bits.next_multiple_of(8) - stream_bits) as u32;
        if count == 0 {
            return None;
        }
        let bits = match end.length.checked_sub(count) {
            Some(rest) => end.bits >> rest,
            None => end.bits << (count - end.length),
        };
        Some(Self { bits, count })
    }
}

/// Bounds the counts, so that no later sum of counts or of bits overflows.
fn check_size(histogram: &Histogram) -> Result<(), Error> {
    match histogram.total() {
        0 => Err(Error::NoWeights),
        found if found > MAX_WEIGHTS => Err(Error::TooManyWeights { found }),
        _ => Ok(()),
    }
}

/// Most weights whose codes start in one block of the stream. Weights whose exponent has no code
/// are not counted.
pub fn fullest_block(code: &Code, weights: &[bf16]) -> u64 {
    // `bit` counts from where the block begins.
    let (mut bit, mut held, mut most) = (0, 0, 0);
    for &weight in weights {
        if bit >= BLOCK_BITS {
            (bit, held) = (bit - BLOCK_BITS, 0);
        }
        let length = code.lengths()[usize::from(bf16_word::exponent(weight))];
        held += u64::from(length > 0);
        most = most.max(held);
        bit += u64::from(length);
    }
    most
}
