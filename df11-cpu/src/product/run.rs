//! One thread's part of a product: rows from one source, with every vector.

use core::ops::Range;

use df11_core::Flat;

use super::arrays::Arrays;
use super::results::Results;
use super::rows::{Bf16Rows, FlatRows, Rows};
use super::stream::stream;
use super::tile::tile;
use super::vectors::Vectors;

/// Rows with more escapes than this, on average, are not multiplied side by side: each escape then
/// stops all of them. Tried on Sapphire Rapids, rows of 4096, two side by side or one: without
/// escapes 1.31 and 1.23 of the speed of BF16, with 10 in a row 0.96 and 1.10.
const FEW_ESCAPES: usize = 2;

/// Rows in a form that products read directly.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Bf16(Bf16Rows<'a>),
    Flat(&'a Flat<'a>),
}

/// What one thread does.
pub(crate) struct Task<'a> {
    pub source: Source<'a>,
    /// Rows of the source.
    pub rows: Range<usize>,
    /// Prepared vectors.
    pub x: &'a [f32],
    pub vectors: usize,
    /// For a tile and its sums, if there are several vectors.
    pub scratch: &'a mut [f32],
    /// A row of results for each of `rows`.
    pub results: Results<'a>,
}

/// Does a task: `ONE` rows side by side with one vector, tiles of `MANY` rows with several.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
pub(crate) unsafe fn run_task<V, const N: usize, const ONE: usize, const MANY: usize>(task: Task<'_>)
where
    V: Vectors<N>,
{
    // SAFETY: the caller's promise.
    unsafe {
        match task.source {
            Source::Bf16(rows) => multiply::<V, _, N, ONE, MANY>(rows, task),
            Source::Flat(flat) => multiply::<V, _, N, ONE, MANY>(FlatRows::new::<V, N>(flat), task),
        }
    }
}

/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn multiply<V, S, const N: usize, const ONE: usize, const MANY: usize>(rows: S, task: Task<'_>)
where
    V: Vectors<N>,
    S: Rows<V, N>,
{
    let Task { rows: Range { start, end }, x, vectors, scratch, mut results, .. } = task;
    let own = results.own();
    assert!(start <= end && end <= rows.count(), "rows of the source");
    assert!(own.len() == end - start, "a row of results for each");
    let mut set = |row: usize, vector, sum| results.set(own.start + row - start, vector, sum);
    let mut row = start;
    // SAFETY: every row is below `end`, which is at most their number; the caller's promise.
    unsafe {
        if vectors == 1 {
            while row < end {
                if row + ONE <= end && rows.escapes(row..row + ONE) <= FEW_ESCAPES * ONE {
                    let sums = stream::<V, S, N, ONE>(&rows, row, x);
                    sums.into_iter().enumerate().for_each(|(at, sum)| set(row + at, 0, sum));
                    row += ONE;
                } else {
                    let [sum] = stream::<V, S, N, 1>(&rows, row, x);
                    set(row, 0, sum);
                    row += 1;
                }
            }
        } else {
            while row < end {
                let some = row..end.min(row + MANY);
                row = some.end;
                tile::<V, S, N, MANY>(&rows, some, x, vectors, scratch, &mut set);
            }
        }
    }
}

/// The same for a level without features.
pub(crate) fn run_task_portably<const MANY: usize>(task: Task<'_>) {
    // SAFETY: there are no features.
    unsafe { run_task::<Arrays, 16, 1, MANY>(task) }
}
