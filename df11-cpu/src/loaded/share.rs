//! Shares the rows of a product, and its scratch, between threads.

use core::hint::black_box;

use df11_core::{BackendError, Error, Work, bf16};

use crate::level::Level;
use crate::product::{Layout, Results, tile_values};
use crate::threads;

/// A thread is worth waking for this many multiplications: about 10 microseconds.
const FEWEST_STEPS: usize = 1 << 17;
/// Values of a cache line. Loads that lie in one line are faster.
const LINE: usize = 16;

/// What the vectors of a product take of its scratch, and each thread.
#[derive(Clone, Copy)]
pub(crate) struct Scratch {
    level: Level,
    columns: usize,
    vectors: usize,
    threads: usize,
    each: usize,
}

/// The scratch of one call: the prepared vectors, and what is left for the threads.
pub(crate) struct Prepared<'a> {
    pub level: Level,
    pub x: &'a [f32],
    pub vectors: usize,
    needed: Scratch,
    rest: &'a mut [f32],
}

impl Scratch {
    /// For vectors of `columns`. Each thread wants `own` elements beside its tile.
    pub fn new(level: Level, columns: usize, vectors: usize, work: Work, own: usize) -> Self {
        let tile = if vectors > 1 { tile_values(level.tile_rows(), vectors) } else { 0 };
        let each = tile.saturating_add(own).checked_next_multiple_of(LINE).unwrap_or(usize::MAX);
        Self { level, columns, vectors, threads: threads::threads(work), each }
    }

    /// Elements of scratch; `usize::MAX` for more than can be counted, which no scratch has.
    pub fn elements(self) -> usize {
        let prepared = Layout::new(self.columns, self.vectors).values();
        self.threads.saturating_mul(self.each).saturating_add(prepared).saturating_add(LINE - 1)
    }

    /// Prepares the vectors.
    ///
    /// # Errors
    /// `BufferSize` for a scratch that is too small. `Unsupported` where subnormals are flushed.
    pub fn prepare<'a>(self, x: &[bf16], scratch: &'a mut [f32]) -> Result<Prepared<'a>, BackendError> {
        keeps_subnormals()?;
        let (found, expected) = (scratch.len(), self.elements());
        if found < expected {
            return Err(Error::BufferSize { buffer: "scratch", found, expected }.into());
        }
        let Self { level, columns, vectors, .. } = self;
        let skipped = scratch.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE - 1);
        let (prepared, rest) = scratch[skipped..].split_at_mut(Layout::new(columns, vectors).values());
        level.prepare(x, columns, prepared);
        Ok(Prepared { level, x: prepared, vectors, needed: self, rest })
    }
}

impl Prepared<'_> {
    /// Runs `part` on parts of the rows of `results`, each with scratch of its own.
    ///
    /// # Errors
    /// That of a part.
    pub fn share(
        &mut self,
        results: Results<'_>,
        part: &(impl Fn(Results<'_>, &mut [f32]) -> Result<(), Error> + Sync),
    ) -> Result<(), Error> {
        let Scratch { columns, threads, each, .. } = self.needed;
        let steps = results.own().len().saturating_mul(columns).saturating_mul(self.vectors);
        halve(results, threads.min(steps.div_ceil(FEWEST_STEPS)).max(1), each, self.rest, part)
    }
}

fn halve(
    results: Results<'_>,
    parts: usize,
    each: usize,
    scratch: &mut [f32],
    part: &(impl Fn(Results<'_>, &mut [f32]) -> Result<(), Error> + Sync),
) -> Result<(), Error> {
    if parts <= 1 {
        return part(results, &mut scratch[..each]);
    }
    let (first, other) = (parts / 2, parts - parts / 2);
    let rows = results.own();
    let before = rows.len() as u64 * first as u64 / parts as u64;
    let (results, other_results) = results.split(rows.start + before as usize);
    let (scratch, others) = scratch.split_at_mut(first * each);
    threads::join(|| halve(results, first, each, scratch, part), || halve(other_results, other, each, others, part))
}

/// The order of additions fixes the bits of a product only where subnormals are kept. A processor
/// can be told to flush them, thread by thread.
pub(crate) fn keeps_subnormals() -> Result<(), BackendError> {
    let (least, half) = (black_box(f32::MIN_POSITIVE), black_box(0.5));
    let subnormal = black_box(least * half);
    match subnormal + subnormal == least {
        true => Ok(()),
        false => Err(BackendError::Unsupported { what: "multiply while subnormals are flushed to zero" }),
    }
}
