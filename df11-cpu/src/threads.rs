//! Who works on what: blocks are halved until they are worth a thread's while; the threads are those of the current rayon pool.

use core::ops::Range;

use df11_core::{Error, bf16};

use crate::decode::{Jobs, Tables};
use crate::level::Level;

/// Blocks that one thread decodes at a time, if there are enough for all: half as many take a sixth longer, because lanes begin and end more often.
const TASK_BLOCKS: usize = 32;
/// So few blocks are never divided: a thread that has to be woken comes too late for them.
const FEWEST_BLOCKS: usize = 8;

/// Decodes the weights from `first` on, which are in `blocks`.
pub(crate) fn decode(
    tables: &Tables<'_>,
    level: Level,
    blocks: Range<usize>,
    first: u64,
    out: &mut [bf16],
    streams: bool,
) -> Result<(), Error> {
    let task = blocks.len().div_ceil(threads()).clamp(FEWEST_BLOCKS, TASK_BLOCKS);
    decode_tasks(tables, level, task, blocks, first, out, streams)
}

fn decode_tasks(
    tables: &Tables<'_>,
    level: Level,
    task: usize,
    blocks: Range<usize>,
    first: u64,
    out: &mut [bf16],
    streams: bool,
) -> Result<(), Error> {
    if blocks.len() > task && threads() > 1 {
        let middle = blocks.start + blocks.len() / 2;
        let count = tables.unit.block(middle).weights.start - first;
        let (out, out_rest) = out.split_at_mut(count as usize);
        return join(
            || decode_tasks(tables, level, task, blocks.start..middle, first, out, streams),
            || decode_tasks(tables, level, task, middle..blocks.end, first + count, out_rest, streams),
        );
    }
    let mut jobs = Jobs { unit: tables.unit, block: blocks.start, end_block: blocks.end, first, out };
    level.decode(tables, &mut jobs, streams)
}

/// Does `work` on each item.
#[cfg(feature = "rayon")]
pub(crate) fn for_each<T: Send>(
    items: &mut [T],
    work: impl Fn(&mut T) -> Result<(), Error> + Send + Sync,
) -> Result<(), Error> {
    use rayon::prelude::*;
    items.par_iter_mut().try_for_each(work)
}

/// Does `work` on each item.
#[cfg(not(feature = "rayon"))]
pub(crate) fn for_each<T>(items: &mut [T], work: impl Fn(&mut T) -> Result<(), Error>) -> Result<(), Error> {
    items.iter_mut().try_for_each(work)
}

#[cfg(feature = "rayon")]
fn threads() -> usize {
    rayon::current_num_threads()
}

#[cfg(not(feature = "rayon"))]
fn threads() -> usize {
    1
}

#[cfg(feature = "rayon")]
fn join(
    one: impl FnOnce() -> Result<(), Error> + Send,
    other: impl FnOnce() -> Result<(), Error> + Send,
) -> Result<(), Error> {
    let (one, other) = rayon::join(one, other);
    one.and(other)
}

#[cfg(not(feature = "rayon"))]
fn join(one: impl FnOnce() -> Result<(), Error>, other: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    one().and_then(|()| other())
}
