//! What a product is asked for: which rows, and where their results go.

use half::bf16;

use crate::error::Error;
use crate::flat::Shape;
use crate::product::{Bias, Output};

/// Rows that follow one another among the weights of something loaded: a matrix, or some rows of
/// it, so that a caller's own threads can share a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The first weight of the first row.
    pub first: u64,
    /// How many rows, and the columns of each.
    pub shape: Shape,
}

impl Rows {
    /// The weight after the last.
    pub const fn end(&self) -> u64 {
        self.first.saturating_add(self.shape.weights())
    }

    /// Whether `other` are whole rows of these.
    pub const fn contains(&self, other: &Self) -> bool {
        self.first <= other.first
            && other.end() <= self.end()
            && other.shape.columns() == self.shape.columns()
            && (other.first - self.first).is_multiple_of(self.shape.columns() as u64)
    }

    /// Matrices that follow one another from weight 0 on and have all the weights.
    ///
    /// # Errors
    /// `BufferSize` unless they have as many weights as there are.
    pub fn of_matrices(matrices: &[Shape], weights: u64) -> Result<impl ExactSizeIterator<Item = Self> + '_, Error> {
        let sum = matrices.iter().fold(0u64, |sum, shape| sum.saturating_add(shape.weights()));
        if sum != weights {
            let [found, expected] = [sum, weights].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
            return Err(Error::BufferSize { buffer: "matrices", found, expected });
        }
        let mut next = 0;
        Ok(matrices.iter().map(move |&shape| {
            let rows = Self { first: next, shape };
            next = rows.end();
            rows
        }))
    }
}

/// One `y = W x + bias` of a product. The vectors x stand beside it, since several share them.
#[derive(Debug)]
pub struct Linear<'a> {
    /// W.
    pub rows: Rows,
    /// An element for each row.
    pub bias: Option<Bias<'a>>,
    /// An element for each vector and row: that of vector `v` and row `r` is `y[v * rows + r]`.
    pub y: Output<'a>,
}

/// Checks the request of a product, and returns the number of vectors. `weights` is the number of
/// weights loaded.
///
/// # Errors
/// `ColumnsDiffer`. `BufferSize` for an x that is not whole vectors, and for a bias or y of another
/// size than needed. `RangePastEnd` for rows after the last weight.
pub fn check_product(x: &[bf16], linears: &[Linear<'_>], weights: u64) -> Result<usize, Error> {
    let Some(first) = linears.first() else { return Ok(0) };
    let columns = first.rows.shape.columns();
    let vectors = x.len() / columns as usize;
    if !x.len().is_multiple_of(columns as usize) {
        let expected = (vectors + 1).saturating_mul(columns as usize);
        return Err(Error::BufferSize { buffer: "x", found: x.len(), expected });
    }
    for Linear { rows, bias, y } in linears {
        let Rows { first, shape } = *rows;
        if shape.columns() != columns {
            return Err(Error::ColumnsDiffer { found: shape.columns(), expected: columns });
        }
        if first.checked_add(shape.weights()).is_none_or(|end| end > weights) {
            return Err(Error::RangePastEnd { first, count: shape.weights(), weights });
        }
        let (found, expected) = (y.count(), (shape.rows() as usize).saturating_mul(vectors));
        if found != expected {
            return Err(Error::BufferSize { buffer: "y", found, expected });
        }
        let (found, expected) = (bias.map_or(shape.rows() as usize, |bias| bias.count()), shape.rows() as usize);
        if found != expected {
            return Err(Error::BufferSize { buffer: "bias", found, expected });
        }
    }
    Ok(vectors)
}
