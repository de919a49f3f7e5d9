//! The matrices of the form `flat`.

use df11_core::{Error, Flat, Rows, Work, bf16};

use super::words::Bf16Words;
use crate::level::Level;
use crate::product::{Bf16Rows, Source};
use crate::threads;

/// Weights that are expanded at a time: their bytes and words are in the second-level cache.
const PART_WEIGHTS: usize = 64 << 10;

/// Matrices that follow one another, from weight 0 on.
#[derive(Debug)]
pub(crate) struct Matrices(Vec<(Rows, Kept)>);

/// How a matrix is kept: flat, or in BF16 where that is not larger.
#[derive(Debug)]
pub(crate) enum Kept {
    Flat(Flat<'static>),
    Bf16(Bf16Words<'static>),
}

impl Matrices {
    /// The matrices follow one another.
    pub fn new(matrices: Vec<(Rows, Kept)>) -> Self {
        Self(matrices)
    }

    pub fn weights(&self) -> u64 {
        self.0.last().map_or(0, |(rows, _)| rows.end())
    }

    /// The matrix that has these rows, and which of its rows is the first.
    ///
    /// # Errors
    /// `NotRowsOfMatrix`.
    pub fn source(&self, rows: &Rows) -> Result<(Source<'_>, usize), Error> {
        let columns = rows.shape.columns();
        let found = self.0.iter().find(|(matrix, _)| matrix.contains(rows));
        let (matrix, kept) = found.ok_or(Error::NotRowsOfMatrix { first: rows.first, columns })?;
        let source = match kept {
            Kept::Flat(flat) => Source::Flat(flat),
            Kept::Bf16(words) => Source::Bf16(Bf16Rows::new(words.all(), columns as usize)),
        };
        Ok((source, ((rows.first - matrix.first) / u64::from(columns)) as usize))
    }

    /// Copies the weights from `first` on.
    ///
    /// # Errors
    /// `RangePastEnd`.
    pub fn read(&self, level: Level, mut first: u64, mut weights: &mut [bf16], work: Work) -> Result<(), Error> {
        let (count, all) = (weights.len() as u64, self.weights());
        if first.checked_add(count).is_none_or(|end| end > all) {
            return Err(Error::RangePastEnd { first, count, weights: all });
        }
        let mut parts = Vec::new();
        for (rows, kept) in &self.0 {
            if first >= rows.end() || weights.is_empty() {
                continue;
            }
            let (own, rest) = weights.split_at_mut((rows.end() - first).min(weights.len() as u64) as usize);
            let starts = (first - rows.first..).step_by(PART_WEIGHTS);
            first += own.len() as u64;
            parts.extend(starts.zip(own.chunks_mut(PART_WEIGHTS)).map(|(start, part)| (kept, start, part)));
            weights = rest;
        }
        threads::for_each_run(work, &mut parts, |parts| {
            parts.iter_mut().try_for_each(|(kept, start, part)| match kept {
                Kept::Flat(flat) => {
                    level.expand(flat, *start, part);
                    Ok(())
                }
                Kept::Bf16(words) => words.read(*start, part),
            })
        })
    }
}
