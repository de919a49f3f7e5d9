//! Decodes units: the public interface.

use core::fmt;
use core::ops::Range;

use df11_core::{Error, Unit, Work, bf16, row_starts};

use crate::decode::{Jobs, Tables};
use crate::level::Level;
use crate::threads;

/// Outputs of at least this size bypass the cache, where a level can.
const STREAMED_BYTES: usize = 32 << 20;

/// Decodes one unit, which it owns, at one level. The tables of its code (16 KiB) are built once.
pub struct Decoder<'u> {
    tables: Tables<'u>,
    level: Level,
}

impl<'u> Decoder<'u> {
    /// Builds the tables. To keep the unit elsewhere, pass `unit.borrowed()`.
    pub fn new(unit: Unit<'u>, level: Level) -> Self {
        Self { tables: Tables::new(unit), level }
    }

    /// The unit.
    pub fn unit(&self) -> &Unit<'u> {
        self.tables.unit()
    }

    /// Returns the unit.
    pub fn into_unit(self) -> Unit<'u> {
        self.tables.into_unit()
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Decodes all weights. `weights` must have exactly that many elements.
    ///
    /// # Errors
    /// `BufferSize`, and what FORMAT.md, "What a reader refuses", lists as refused while decoding.
    /// `weights` then holds some of the weights.
    pub fn decode(&self, weights: &mut [bf16], work: Work) -> Result<(), Error> {
        let expected = self.unit().weights() as usize;
        if weights.len() != expected {
            return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
        }
        self.decode_range(0, weights, work)
    }

    /// Decodes `weights.len()` weights from `first` on. Reads only the blocks in which their codes
    /// start.
    ///
    /// # Errors
    /// `RangePastEnd`, and as `decode` for the blocks read.
    pub fn decode_range(&self, first: u64, weights: &mut [bf16], work: Work) -> Result<(), Error> {
        let blocks = self.unit().blocks_of(first, weights.len())?;
        let streams = size_of_val(weights) >= STREAMED_BYTES;
        let jobs = Jobs { unit: self.unit(), block: blocks.start, end_block: blocks.end, first, out: weights };
        threads::decode(work, jobs, &|jobs| self.level.decode(&self.tables, &mut { jobs }, streams))
    }

    /// Decodes rows of a matrix into `weights`, one after the other, as an embedding look-up does.
    /// Rows may come in any order and may repeat. Reads only the blocks in which their codes start.
    ///
    /// `matrix` is one of `Unit::matrices`; `columns` is the number of weights in a row.
    ///
    /// # Errors
    /// `BufferSize` unless `weights` has `rows.len() * columns` elements, `RangePastEnd` for a row
    /// that is not in the matrix, and as `decode` for the blocks read.
    pub fn decode_rows(
        &self,
        matrix: Range<u64>,
        columns: usize,
        rows: &[u64],
        weights: &mut [bf16],
        work: Work,
    ) -> Result<(), Error> {
        let starts = row_starts(matrix, columns, rows, weights.len())?;
        if columns == 0 {
            return Ok(());
        }
        let mut jobs = Vec::with_capacity(rows.len());
        for (first, out) in starts.zip(weights.chunks_exact_mut(columns)) {
            let first = first?;
            let blocks = self.unit().blocks_of(first, columns)?;
            jobs.push(Some(Jobs { unit: self.unit(), block: blocks.start, end_block: blocks.end, first, out }));
        }
        threads::for_each_run(work, &mut jobs, |rows| {
            let mut jobs = rows.iter_mut().filter_map(Option::take).flatten();
            self.level.decode(&self.tables, &mut jobs, false)
        })
    }
}

impl fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("level", &self.level).field("weights", &self.unit().weights()).finish()
    }
}

/// Decodes many units, each into its own weights.
///
/// # Errors
/// As `Decoder::decode`, for any one of the units that fail.
pub fn decode_batch(units: &mut [(Decoder<'_>, &mut [bf16])], work: Work) -> Result<(), Error> {
    threads::for_each(work, units, |(decoder, weights)| decoder.decode(weights, work))
}
