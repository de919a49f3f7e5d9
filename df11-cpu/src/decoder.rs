//! Decodes units: the public interface.

use core::fmt;
use core::ops::Range;

use df11_core::limits::MAX_BLOCK_WEIGHTS;
use df11_core::{Backend, BackendError, Error, Loaded, RowGroup, SortedRows, Unit, Work, bf16};

use crate::decode::{Jobs, Tables};
use crate::level::Level;
use crate::threads;

/// Outputs of at least this size bypass the cache, where a level can.
const STREAMED_BYTES: usize = 32 << 20;

/// Most blocks of a group of rows: see `SortedRows::groups`.
const GROUP_BLOCKS: usize = 8;
/// Weights of scratch of a thread. Any group fits.
const SCRATCH_WEIGHTS: usize = GROUP_BLOCKS * MAX_BLOCK_WEIGHTS;

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
        let streams = size_of_val(weights) >= STREAMED_BYTES;
        threads::decode(work, self.jobs(first, weights)?, &|jobs| {
            self.level.decode(&self.tables, &mut { jobs }, streams)
        })
    }

    fn jobs<'a>(&'a self, first: u64, out: &'a mut [bf16]) -> Result<Jobs<'a, 'u>, Error> {
        let blocks = self.unit().blocks_of(first, out.len())?;
        Ok(Jobs { unit: self.unit(), block: blocks.start, end_block: blocks.end, first, out })
    }

    /// Decodes rows of a matrix into `weights`, one after the other, as an embedding look-up does.
    /// Rows may come in any order and may repeat. Reads only the blocks in which their codes start,
    /// and decodes a block once for all rows in it.
    ///
    /// `matrix` is one of `Unit::matrices`; `columns` is the number of weights in a row. With 0
    /// columns there is nothing to decode, and any rows of any matrix succeed.
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
        let mut rows = SortedRows::new(self.unit(), matrix, columns, rows, weights)?;
        let mut groups: Vec<_> = rows.groups(GROUP_BLOCKS).collect();
        threads::for_each_run(work, &mut groups, |groups| self.decode_groups(groups))
    }

    /// Decodes as many groups at a time as the scratch has room for: lanes begin and end less often
    /// than if each group was decoded by itself.
    fn decode_groups(&self, mut groups: &mut [RowGroup<'_, '_>]) -> Result<(), Error> {
        let mut scratch = Vec::new();
        while !groups.is_empty() {
            // At least one fits: a group has at most `GROUP_BLOCKS` blocks.
            let mut taken = 0;
            let fits = |group: &&RowGroup<'_, '_>| {
                taken += group.scratch();
                taken <= SCRATCH_WEIGHTS
            };
            let count = groups.iter().take_while(fits).count();
            let (now, later) = groups.split_at_mut(count);
            scratch.resize(now.iter().map(RowGroup::scratch).sum(), bf16::ZERO);
            let mut rest = &mut scratch[..];
            let targets = now.iter_mut().map(|group| group.target(&mut rest));
            let jobs = targets.map(|(first, out)| self.jobs(first, out)).collect::<Result<Vec<_>, _>>()?;
            self.level.decode(&self.tables, &mut jobs.into_iter().flatten(), false)?;
            let mut rest = &scratch[..];
            now.iter_mut().for_each(|group| group.finish(&mut rest));
            groups = later;
        }
        Ok(())
    }
}

impl fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("level", &self.level).field("weights", &self.unit().weights()).finish()
    }
}

impl Backend for Level {
    fn name(&self) -> &str {
        (*self).name()
    }

    fn load<'u>(&self, unit: Unit<'u>) -> Result<Box<dyn Loaded + 'u>, BackendError> {
        Ok(Box::new(Decoder::new(unit, *self)))
    }
}

impl Loaded for Decoder<'_> {
    fn unit(&self) -> Option<&Unit<'_>> {
        Some(self.unit())
    }

    fn weights(&self) -> u64 {
        self.unit().weights()
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], work: Work) -> Result<(), BackendError> {
        Ok(self.decode_range(first, weights, work)?)
    }

    fn decode_rows(
        &self,
        matrix: Range<u64>,
        columns: usize,
        rows: &[u64],
        weights: &mut [bf16],
        work: Work,
    ) -> Result<(), BackendError> {
        Ok(self.decode_rows(matrix, columns, rows, weights, work)?)
    }
}

/// Decodes many units, each into its own weights.
///
/// # Errors
/// As `Decoder::decode`, for any one of the units that fail.
pub fn decode_batch(units: &mut [(Decoder<'_>, &mut [bf16])], work: Work) -> Result<(), Error> {
    threads::for_each(work, units, |(decoder, weights)| decoder.decode(weights, work))
}
