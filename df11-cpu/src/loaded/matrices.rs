//! The matrices of the form `flat`.

use df11_core::{Error, Flat, Rows, bf16, expand_range};

use super::words::Bf16Words;
use crate::product::{Bf16Rows, Source};

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
    pub fn read(&self, mut first: u64, mut weights: &mut [bf16]) -> Result<(), Error> {
        let (count, all) = (weights.len() as u64, self.weights());
        if first.checked_add(count).is_none_or(|end| end > all) {
            return Err(Error::RangePastEnd { first, count, weights: all });
        }
        for (rows, kept) in &self.0 {
            if first >= rows.end() || weights.is_empty() {
                continue;
            }
            let (own, rest) = weights.split_at_mut((rows.end() - first).min(weights.len() as u64) as usize);
            match kept {
                Kept::Flat(flat) => expand_range(flat, first - rows.first, own)?,
                Kept::Bf16(words) => words.read(first - rows.first, own)?,
            }
            (first, weights) = (first + own.len() as u64, rest);
        }
        Ok(())
    }
}
