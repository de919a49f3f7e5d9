//! Rows of a matrix: an embedding look-up.
//!
//! Rows may come in any order, repeat, and share blocks. To decode a block for each row in it would
//! cost a thousand times the work where rows are short. So rows are sorted, and those that share
//! blocks make a group, which is decoded once:
//!
//! ```text
//! asked for      row 7   row 2   row 9   row 7   row 3
//! blocks         |       0       |       1       |       2       |
//! sorted           row 2  row 3          row 7  row 7     row 9
//! groups           `--- 1 ----'          `--- 2 ----'     `-3-'
//! decoded into     scratch               a row, copied    the row
//! ```

use alloc::vec::Vec;
use core::ops::Range;

use half::bf16;

use crate::error::Error;
use crate::unit::Unit;

/// The first weight of each row, for `Loaded::decode_rows`.
///
/// # Errors
/// `BufferSize` unless the output has `rows.len() * columns` elements. A row that is not in the
/// matrix gives `RangePastEnd`. Rows of 0 columns are in every matrix.
pub fn row_starts(
    matrix: Range<u64>,
    columns: usize,
    rows: &[u64],
    output: usize,
) -> Result<impl Iterator<Item = Result<u64, Error>> + '_, Error> {
    let expected = rows.len().saturating_mul(columns);
    if output != expected {
        return Err(Error::BufferSize { buffer: "weights", found: output, expected });
    }
    let count = columns as u64;
    Ok(rows.iter().map(move |&row| {
        let first = row.saturating_mul(count).saturating_add(matrix.start);
        match matrix.end.checked_sub(first) {
            Some(left) if left >= count => Ok(first),
            _ if count == 0 => Ok(first),
            _ => Err(Error::RangePastEnd { first, count, weights: matrix.end }),
        }
    }))
}

/// A row to decode.
#[derive(Debug)]
struct Row<'w> {
    first: u64,
    blocks: Range<usize>,
    weights: &'w mut [bf16],
}

/// Rows to decode, sorted by where they start in the unit. All have the same length.
#[derive(Debug)]
pub struct SortedRows<'w>(Vec<Row<'w>>);

impl<'w> SortedRows<'w> {
    /// Sorts the rows of a call of `Loaded::decode_rows`. There are none if `columns` is 0.
    ///
    /// # Errors
    /// `BufferSize`, `RangePastEnd`: see `Loaded::decode_rows`.
    pub fn new(
        unit: &Unit<'_>,
        matrix: Range<u64>,
        columns: usize,
        rows: &[u64],
        weights: &'w mut [bf16],
    ) -> Result<Self, Error> {
        let starts = row_starts(matrix, columns, rows, weights.len())?;
        let row = |(first, weights): (Result<u64, Error>, &'w mut [bf16])| {
            let first = first?;
            Ok(Row { first, blocks: unit.blocks_of(first, columns)?, weights })
        };
        // Proof of the length: without columns there are no weights, so no chunks.
        let mut rows = starts.zip(weights.chunks_exact_mut(columns.max(1))).map(row).collect::<Result<Vec<_>, _>>()?;
        rows.sort_unstable_by_key(|row| row.first);
        Ok(Self(rows))
    }

    /// The groups. A group of different rows has at most `most_blocks` blocks, so that scratch is
    /// bounded: the last block of a group that is full may be decoded again for the next one.
    pub fn groups(&mut self, most_blocks: usize) -> impl Iterator<Item = RowGroup<'_, 'w>> {
        let mut rest = &mut self.0[..];
        core::iter::from_fn(move || {
            let (first, start) = rest.first().map(|row| (row.first, row.blocks.start))?;
            let joins = |pair: &&[Row<'_>]| {
                let (row, next) = (&pair[0], &pair[1]);
                let shares = next.blocks.start < row.blocks.end && next.blocks.end - start <= most_blocks;
                next.first == row.first || shares
            };
            let rows = 1 + rest.windows(2).take_while(joins).count();
            let (group, after) = core::mem::take(&mut rest).split_at_mut(rows);
            rest = after;
            let range = group.last().map(|row| first..row.first + row.weights.len() as u64)?;
            Some(RowGroup { rows: group, range })
        })
    }

    /// Decodes the rows, a group at a time, by a function that decodes the weights from a given one
    /// on. The scratch has the size of at most `most_blocks` blocks.
    ///
    /// # Errors
    /// Those of the function.
    pub fn decode<E>(
        &mut self,
        most_blocks: usize,
        mut decode_range: impl FnMut(u64, &mut [bf16]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut scratch = Vec::new();
        for mut group in self.groups(most_blocks) {
            scratch.resize(group.scratch(), bf16::ZERO);
            let (first, weights) = group.target(&mut &mut scratch[..]);
            decode_range(first, weights)?;
            group.finish(&mut &scratch[..]);
        }
        Ok(())
    }
}

/// Rows that share blocks, to be decoded as one range of weights: `target`, then `finish`.
#[derive(Debug)]
pub struct RowGroup<'g, 'w> {
    /// At least one.
    rows: &'g mut [Row<'w>],
    range: Range<u64>,
}

impl RowGroup<'_, '_> {
    /// Whether it is one row, asked for once or more often.
    fn is_one_row(&self) -> bool {
        self.rows.first().is_none_or(|row| row.weights.len() as u64 == self.range.end - self.range.start)
    }

    /// The number of blocks that are decoded for the group: together, and if each row was decoded
    /// by itself.
    pub fn blocks(&self) -> (u64, u64) {
        let each = self.rows.iter().map(|row| row.blocks.len() as u64);
        let end = self.rows.last().map_or(0, |row| row.blocks.end);
        let start = self.rows.first().map_or(0, |row| row.blocks.start);
        ((end - start) as u64, each.fold(0, u64::saturating_add))
    }

    /// Weights of scratch that the group takes: 0 if it is one row.
    pub fn scratch(&self) -> usize {
        if self.is_one_row() { 0 } else { (self.range.end - self.range.start) as usize }
    }

    /// The first weight of the range, and where to decode it: the row itself, or the front of
    /// `scratch`, which is taken off.
    ///
    /// # Panics
    /// If there is less scratch than the group takes.
    pub fn target<'s>(&'s mut self, scratch: &mut &'s mut [bf16]) -> (u64, &'s mut [bf16]) {
        let one_row = self.is_one_row();
        let (own, rest) = core::mem::take(scratch).split_at_mut(self.scratch());
        *scratch = rest;
        let weights = match self.rows.first_mut() {
            Some(row) if one_row => &mut *row.weights,
            _ => own,
        };
        (self.range.start, weights)
    }

    /// Copies what was decoded to the rows. `scratch` is that of `target`, and is taken off too.
    ///
    /// # Panics
    /// If there is less scratch than the group takes.
    pub fn finish(&mut self, scratch: &mut &[bf16]) {
        let (own, rest) = scratch.split_at(self.scratch());
        *scratch = rest;
        if self.is_one_row() {
            if let Some((row, others)) = self.rows.split_first_mut() {
                others.iter_mut().for_each(|other| other.weights.copy_from_slice(row.weights));
            }
            return;
        }
        for row in &mut *self.rows {
            let at = (row.first - self.range.start) as usize;
            row.weights.copy_from_slice(&own[at..at + row.weights.len()]);
        }
    }
}
