//! Decodes whole rows of a matrix, a few blocks at a time, into a buffer that stays in the cache.

use core::ops::Range;

use df11_core::limits::MAX_BLOCK_WEIGHTS;
use df11_core::{Error, Work, bf16};

use crate::decoder::Decoder;

/// Weights decoded at a time, at most: half of a second-level cache of 1 MiB.
const STEP: usize = 256 << 10;
/// Blocks decoded at a time, at most: of 4 or 8 lanes, none rests while the others end. With 20, of
/// about as many weights as a step, half of the lanes rested a third of the time.
const STEP_BLOCKS: usize = 16;

/// Elements of the buffer for rows of `columns`: the begun row, and at least one more block.
pub(crate) const fn buffer_for(columns: usize) -> usize {
    columns.saturating_add(if STEP > MAX_BLOCK_WEIGHTS { STEP } else { MAX_BLOCK_WEIGHTS })
}

/// Gives the rows to `take`, in order, some at a time. Every block is decoded once, except where
/// the rows begin and end within one. `first` is the first weight of row 0.
///
/// # Errors
/// As `Decoder::decode_range`.
pub(crate) fn whole_rows(
    decoder: &Decoder<'_>,
    first: u64,
    columns: usize,
    rows: Range<usize>,
    buffer: &mut [bf16],
    mut take: impl FnMut(Range<usize>, &mut [bf16]),
) -> Result<(), Error> {
    let unit = decoder.unit();
    let end = first + (rows.end * columns) as u64;
    let (mut next, mut row, mut held) = (first + (rows.start * columns) as u64, rows.start, 0);
    while row < rows.end {
        let room = (buffer.len() - held) as u64;
        let block = unit.block_of(next);
        let ends = (block..block + STEP_BLOCKS).map(|block| unit.block(block).weights.end.min(end));
        let stop = ends.take_while(|end| end - next <= room).last().unwrap_or(next);
        let count = (stop - next) as usize;
        decoder.decode_range(next, &mut buffer[held..held + count], Work::ThisThread)?;
        (next, held) = (stop, held + count);
        let whole = held / columns;
        take(row..row + whole, &mut buffer[..whole * columns]);
        buffer.copy_within(whole * columns..held, 0);
        (row, held) = (row + whole, held - whole * columns);
    }
    Ok(())
}
