//! Parts to weights.
//!
//! ```text
//! cut the wanted weights into jobs of a block each                       blocks are independent, given their gap and output position
//! several lanes, each with a job of its own, in rounds:
//!     a number of groups, lane by lane:                                  independent chains of look-ups keep the processor busy
//!         one 8-byte load; 5 look-ups: store up to 6 exponents each (1)
//!         the last entry is empty: one code slowly                       (2)
//!     each lane: merge its exponents with sign and mantissa              from the first-level cache
//!         at its job's end: check where its codes ended (3), take the next job
//! ```
//!
//! 1. The multi-symbol table of `table.rs`: no branch depends on a code.
//! 2. An empty entry steps over no bits, so all look-ups behind it are empty too: one test a group finds them.
//! 3. A lane decodes a little more than its job asks for; the lengths of the surplus tell where the job's last code ended.

mod exponents;
mod input;
mod job;
mod lane;
mod lanes;
mod round;
mod tables;

use core::ops::Range;

use df11_core::{Error, Unit, bf16};

use crate::level::Level;
use crate::threads;
#[cfg(target_arch = "x86_64")]
pub(crate) use exponents::{GROUP_CODES, LINE, TOP};
#[cfg(target_arch = "x86_64")]
pub(crate) use input::{GROUP_BITS, ROUND_REACH};
pub(crate) use job::{Job, Jobs};
#[cfg(target_arch = "x86_64")]
pub(crate) use lane::Lane;
pub(crate) use lanes::{Kernel, run};
pub(crate) use round::Round;
#[cfg(target_arch = "x86_64")]
pub(crate) use round::{GROUP, MAX_GROUPS};
pub(crate) use tables::Tables;

/// Outputs from this size on bypass the cache, where a level can.
const STREAMED_BYTES: usize = 32 << 20;

/// Decodes one unit at one level. What is derived from the unit's code (16 KiB) is made once.
pub struct Decoder<'u> {
    tables: Tables<'u>,
    level: Level,
}

impl core::fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Decoder").field("level", &self.level).field("weights", &self.unit().weights()).finish()
    }
}

impl<'u> Decoder<'u> {
    /// Derives the tables.
    pub fn new(unit: &'u Unit<'u>, level: Level) -> Self {
        Self { tables: Tables::new(unit), level }
    }

    /// The unit.
    pub fn unit(&self) -> &'u Unit<'u> {
        self.tables.unit
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Decodes all weights. `weights` has exactly as many elements.
    ///
    /// # Errors
    /// `BufferSize`, and what FORMAT.md, "What a reader refuses", lists as refused while decoding. `weights` then holds some of the weights.
    pub fn decode(&self, weights: &mut [bf16]) -> Result<(), Error> {
        let expected = self.unit().view().sign_mantissa.len();
        if weights.len() != expected {
            return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
        }
        self.decode_range(0, weights)
    }

    /// Decodes the weights from `first` on, as many as `weights` has elements. Reads only the blocks in which their codes start.
    ///
    /// # Errors
    /// `RangePastEnd`, and as `decode` for the blocks read.
    pub fn decode_range(&self, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
        let blocks = self.unit().blocks_of(first, weights.len())?;
        let streams = size_of_val(weights) >= STREAMED_BYTES;
        threads::decode(&self.tables, self.level, blocks, first, weights, streams)
    }

    /// Decodes rows of a matrix, in the order given, repeats included, one behind the other into `weights`: an embedding look-up. Reads only the
    /// blocks in which their codes start.
    ///
    /// `matrix` is one of `Unit::matrices`, `columns` the weights of one of its rows.
    ///
    /// # Errors
    /// `BufferSize` unless `weights` has `rows.len() * columns` elements, `RangePastEnd` for a row that is not in the matrix, and as `decode` for
    /// the blocks read.
    pub fn decode_rows(
        &self,
        matrix: Range<u64>,
        columns: usize,
        rows: &[u64],
        weights: &mut [bf16],
    ) -> Result<(), Error> {
        let expected = rows.len().saturating_mul(columns);
        if weights.len() != expected {
            return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
        }
        if columns == 0 {
            return Ok(());
        }
        let mut jobs = Vec::new();
        for (&row, out) in rows.iter().zip(weights.chunks_exact_mut(columns)) {
            let first = row.checked_mul(columns as u64).and_then(|offset| matrix.start.checked_add(offset));
            let first = first.filter(|&first| matrix.end.checked_sub(first).is_some_and(|left| left >= columns as u64));
            let Some(first) = first else {
                let first = row.saturating_mul(columns as u64).saturating_add(matrix.start);
                return Err(Error::RangePastEnd { first, count: columns as u64, weights: matrix.end });
            };
            let blocks = self.unit().blocks_of(first, columns)?;
            jobs.push(Jobs { unit: self.unit(), block: blocks.start, end_block: blocks.end, first, out });
        }
        self.level.decode(&self.tables, &mut jobs.into_iter().flatten(), false)
    }
}

/// Decodes many units, each into its weights.
///
/// # Errors
/// As `Decoder::decode`, of any one of the units that cannot be decoded.
pub fn decode_batch(units: &mut [(Decoder<'_>, &mut [bf16])]) -> Result<(), Error> {
    threads::for_each(units, |(decoder, weights)| decoder.decode(weights))
}
