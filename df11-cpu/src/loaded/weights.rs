//! The forms `bf16` and `flat`.

use df11_core::{BackendError, Bytes, Error, Flattened, Form, Linear, Loaded, Rows, Shape, Work, bf16};

use super::make::{Source, make};
use super::matrices::{Kept, Matrices};
use super::product::{From, elements, product};
use super::words::Bf16Words;
use crate::level::Level;

/// Weights in the form `bf16` or `flat`.
#[derive(Debug)]
pub(crate) struct Weights<'w> {
    held: Held<'w>,
    level: Level,
}

#[derive(Debug)]
enum Held<'w> {
    Bf16(Bf16Words<'w>),
    Flat(Matrices),
}

impl<'w> Weights<'w> {
    /// Weights in the form `bf16`.
    pub fn bf16(words: Bytes<'w>, level: Level) -> Result<Self, Error> {
        Ok(Self { held: Held::Bf16(Bf16Words::new(words)?), level })
    }

    fn from(&self) -> From<'_> {
        match &self.held {
            Held::Bf16(words) => From::Bf16(words),
            Held::Flat(matrices) => From::Flat(matrices),
        }
    }
}

impl Loaded for Weights<'_> {
    fn form(&self) -> Form {
        match self.held {
            Held::Bf16(_) => Form::Bf16,
            Held::Flat(_) => Form::Flat,
        }
    }

    fn weights(&self) -> u64 {
        match &self.held {
            Held::Bf16(words) => words.all().len() as u64,
            Held::Flat(matrices) => matrices.weights(),
        }
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], work: Work) -> Result<(), BackendError> {
        let read = match &self.held {
            Held::Bf16(words) => words.read(first, weights),
            Held::Flat(matrices) => matrices.read(self.level, first, weights, work),
        };
        Ok(read?)
    }

    /// Flat weights are made flat by way of BF16.
    fn flatten(&self, matrices: &[Shape], work: Work) -> Result<Flattened, BackendError> {
        let by_way_of_bf16;
        let words = match &self.held {
            Held::Bf16(words) => words,
            Held::Flat(flat) => {
                let read = |weights: &mut [bf16]| flat.read(self.level, 0, weights, work);
                by_way_of_bf16 = Bf16Words::written(flat.weights(), read)?;
                &by_way_of_bf16
            }
        };
        flatten(self.level, Source::Bf16(words), self.weights(), matrices, work)
    }

    fn scratch(&self, columns: u32, vectors: usize, work: Work) -> usize {
        elements(self.level, self.from(), columns, vectors, work)
    }

    fn product(
        &self,
        x: &[bf16],
        linears: &mut [Linear<'_>],
        scratch: &mut [f32],
        work: Work,
    ) -> Result<(), BackendError> {
        product(self.level, self.from(), self.weights(), x, linears, scratch, work)
    }
}

/// As `Loaded::flatten`, from weights in another form.
///
/// # Errors
/// As `Loaded::flatten`.
pub(crate) fn flatten(
    level: Level,
    source: Source<'_>,
    weights: u64,
    matrices: &[Shape],
    work: Work,
) -> Result<Flattened, BackendError> {
    let (mut kept, mut bytes, mut escapes, mut kept_bf16) = (Vec::new(), 0, 0, 0);
    for rows in Rows::of_matrices(matrices, weights)? {
        kept.push(match make(level, source, rows.first, rows.shape, work)? {
            Some(flat) => {
                bytes += flat.bytes().len() as u64;
                escapes += u64::from(flat.sections().escapes());
                (rows, Kept::Flat(flat))
            }
            None => {
                let words = copied(source, &rows, work)?;
                bytes += size_of_val(words.all()) as u64;
                kept_bf16 += 1;
                (rows, Kept::Bf16(words))
            }
        });
    }
    Ok(Flattened {
        loaded: Box::new(Weights { held: Held::Flat(Matrices::new(kept)), level }),
        bytes,
        escapes,
        kept_bf16,
    })
}

/// The words of a matrix that is not worth the flat form.
fn copied(source: Source<'_>, rows: &Rows, work: Work) -> Result<Bf16Words<'static>, Error> {
    Bf16Words::written(rows.shape.weights(), |weights| match source {
        Source::Df11(decoder) => decoder.decode_range(rows.first, weights, work),
        Source::Bf16(words) => words.read(rows.first, weights),
    })
}
