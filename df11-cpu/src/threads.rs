//! Divides work between threads. Blocks are halved until a part is worth one thread's time. The
//! threads are those of the current rayon pool.

use df11_core::{Error, Work};

use crate::decode::Jobs;

/// Blocks that one thread decodes at a time, if there are enough for all threads. Half as many take
/// a sixth longer, because lanes begin and end more often.
const TASK_BLOCKS: usize = 32;
/// This few blocks are never divided: a thread that must be woken comes too late for them.
const FEWEST_BLOCKS: usize = 8;

/// Decodes jobs by `decode`, divided between threads if the pool does the work.
pub(crate) fn decode<'a, 'u>(
    work: Work,
    jobs: Jobs<'a, 'u>,
    decode: &(impl Fn(Jobs<'a, 'u>) -> Result<(), Error> + Sync),
) -> Result<(), Error> {
    match threads(work) {
        1 => decode(jobs),
        threads => halve(jobs.blocks().div_ceil(threads).clamp(FEWEST_BLOCKS, TASK_BLOCKS), jobs, decode),
    }
}

fn halve<'a, 'u>(
    task: usize,
    jobs: Jobs<'a, 'u>,
    decode: &(impl Fn(Jobs<'a, 'u>) -> Result<(), Error> + Sync),
) -> Result<(), Error> {
    if jobs.blocks() <= task {
        return decode(jobs);
    }
    let (first, second) = jobs.halves();
    join(|| halve(task, first, decode), || halve(task, second, decode))
}

/// Runs `task` on each item. After an error, no more tasks begin.
pub(crate) fn for_each<T: Send, E: Send>(
    work: Work,
    items: &mut [T],
    task: impl Fn(&mut T) -> Result<(), E> + Send + Sync,
) -> Result<(), E> {
    match work {
        #[cfg(feature = "rayon")]
        Work::Pool => {
            use rayon::prelude::*;
            items.par_iter_mut().try_for_each(task)
        }
        _ => items.iter_mut().try_for_each(task),
    }
}

/// Runs `task` on runs of items, one run per thread.
pub(crate) fn for_each_run<T: Send>(
    work: Work,
    items: &mut [T],
    task: impl Fn(&mut [T]) -> Result<(), Error> + Send + Sync,
) -> Result<(), Error> {
    let run = items.len().div_ceil(threads(work)).max(FEWEST_BLOCKS);
    let mut runs: Vec<_> = items.chunks_mut(run).collect();
    match &mut runs[..] {
        [run] => task(run),
        runs => for_each(work, runs, |run| task(run)),
    }
}

pub(crate) fn threads(work: Work) -> usize {
    match work {
        #[cfg(feature = "rayon")]
        Work::Pool => rayon::current_num_threads(),
        _ => 1,
    }
}

#[cfg(feature = "rayon")]
pub(crate) fn join(
    one: impl FnOnce() -> Result<(), Error> + Send,
    other: impl FnOnce() -> Result<(), Error> + Send,
) -> Result<(), Error> {
    let (one, other) = rayon::join(one, other);
    one.and(other)
}

#[cfg(not(feature = "rayon"))]
pub(crate) fn join(
    one: impl FnOnce() -> Result<(), Error>,
    other: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    one().and_then(|()| other())
}
