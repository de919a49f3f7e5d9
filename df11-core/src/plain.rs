//! The contract of backends on the plain functions of this crate: the definition of correct for
//! every other backend, in all three forms.

use alloc::boxed::Box;
use alloc::vec::Vec;

use half::bf16;

use crate::backend::{Backend, BackendError, Flattened, Loaded, Work};
use crate::bytes::Bytes;
use crate::decode;
use crate::error::Error;
use crate::flat::{Exponents, Flat, Sections, Shape, expand_range};
use crate::form::Form;
use crate::huffman::Histogram;
use crate::linear::{Linear, Rows, check_product};
use crate::product::dot;
use crate::unit::Unit;

/// The plain decoder and products of this crate.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Backend for Plain {
    fn name(&self) -> &str {
        "plain"
    }

    fn load<'u>(&self, unit: Unit<'u>) -> Result<Box<dyn Loaded + 'u>, BackendError> {
        Ok(Box::new(Weights::Df11(unit)))
    }

    fn load_bf16<'w>(&self, words: Bytes<'w>) -> Result<Box<dyn Loaded + 'w>, BackendError> {
        let (found, expected) = (words.len(), words.len().next_multiple_of(size_of::<bf16>()));
        if found != expected {
            return Err(Error::BufferSize { buffer: "words", found, expected }.into());
        }
        Ok(Box::new(Weights::Bf16(words)))
    }
}

/// Weights in one of the forms.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lies in the one box that `load` returns")]
enum Weights<'u> {
    Df11(Unit<'u>),
    /// Little-endian words, two bytes each.
    Bf16(Bytes<'u>),
    /// Matrices that follow one another, from weight 0 on; at least one.
    Flat(Vec<(Rows, Kept)>),
}

/// A matrix of the form `flat`.
#[derive(Debug)]
enum Kept {
    Flat(Flat<'static>),
    Bf16(Vec<bf16>),
}

impl Loaded for Weights<'_> {
    fn form(&self) -> Form {
        match self {
            Self::Df11(_) => Form::Df11,
            Self::Bf16(_) => Form::Bf16,
            Self::Flat(_) => Form::Flat,
        }
    }

    fn unit(&self) -> Option<&Unit<'_>> {
        match self {
            Self::Df11(unit) => Some(unit),
            _ => None,
        }
    }

    fn weights(&self) -> u64 {
        match self {
            Self::Df11(unit) => unit.weights(),
            Self::Bf16(words) => (words.len() / size_of::<bf16>()) as u64,
            Self::Flat(matrices) => matrices.last().map_or(0, |(rows, _)| rows.end()),
        }
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], _: Work) -> Result<(), BackendError> {
        let count = weights.len() as u64;
        if first.checked_add(count).is_none_or(|end| end > self.weights()) {
            return Err(Error::RangePastEnd { first, count, weights: self.weights() }.into());
        }
        match self {
            Self::Df11(unit) => decode::decode_range(unit, first, weights)?,
            Self::Bf16(words) => {
                let words = words.as_chunks().0.iter().skip(first as usize);
                let values = words.map(|&word| bf16::from_bits(u16::from_le_bytes(word)));
                weights.iter_mut().zip(values).for_each(|(weight, value)| *weight = value);
            }
            Self::Flat(matrices) => read_matrices(matrices, first, weights)?,
        }
        Ok(())
    }

    fn flatten(&self, matrices: &[Shape], work: Work) -> Result<Flattened, BackendError> {
        let mut flattened = Vec::new();
        let (mut bytes, mut escapes, mut kept_bf16) = (0, 0, 0);
        for rows in Rows::of_matrices(matrices, self.weights())? {
            let mut weights = buffer(rows.shape.weights())?;
            self.decode_range(rows.first, &mut weights, work)?;
            let exponents = match self {
                Self::Df11(unit) => Exponents::of_code(unit.code()),
                _ => Exponents::of_counts(&Histogram::of(&weights)),
            };
            let count = exponents.escapes(&Histogram::of(&weights));
            let sections = Sections::new(rows.shape, count).ok().filter(Sections::is_worth_it);
            let kept = match sections {
                Some(sections) => {
                    bytes += sections.total() as u64;
                    escapes += count;
                    Kept::Flat(Flat::of_weights(&weights, rows.shape, &exponents)?)
                }
                None => {
                    bytes += size_of_val(&*weights) as u64;
                    kept_bf16 += 1;
                    Kept::Bf16(weights)
                }
            };
            flattened.push((rows, kept));
        }
        Ok(Flattened { loaded: Box::new(Weights::Flat(flattened)), bytes, escapes, kept_bf16 })
    }

    /// Room for a row of BF16.
    fn scratch(&self, columns: u32, _: usize, _: Work) -> usize {
        columns.div_ceil(2) as usize
    }

    fn product(
        &self,
        x: &[bf16],
        linears: &mut [Linear<'_>],
        scratch: &mut [f32],
        work: Work,
    ) -> Result<(), BackendError> {
        let vectors = check_product(x, linears, self.weights())?;
        if vectors == 0 {
            return Ok(());
        }
        for Linear { rows, bias, y } in linears {
            if let Self::Flat(matrices) = self {
                check_rows(matrices, rows)?;
            }
            let Rows { first, shape } = *rows;
            let (found, expected) = (scratch.len(), self.scratch(shape.columns(), vectors, work));
            let row_buffer = bytemuck::cast_slice_mut(scratch).get_mut(..shape.columns() as usize);
            let weights = row_buffer.ok_or(Error::BufferSize { buffer: "scratch", found, expected })?;
            for row in 0..shape.rows() as usize {
                self.decode_range(first + row as u64 * u64::from(shape.columns()), weights, work)?;
                for (vector, x) in x.chunks_exact(weights.len()).enumerate() {
                    let bias = bias.and_then(|bias| bias.of_row(row));
                    y.set(vector * shape.rows() as usize + row, dot(weights.iter().copied(), x), bias);
                }
            }
        }
        Ok(())
    }
}

fn read_matrices(matrices: &[(Rows, Kept)], mut first: u64, mut weights: &mut [bf16]) -> Result<(), Error> {
    for (rows, kept) in matrices {
        if first >= rows.end() || weights.is_empty() {
            continue;
        }
        let (skipped, left) = (first - rows.first, (rows.end() - first).min(weights.len() as u64));
        let (own, rest) = weights.split_at_mut(left as usize);
        match kept {
            Kept::Flat(flat) => expand_range(flat, skipped, own)?,
            Kept::Bf16(all) => own.copy_from_slice(&all[skipped as usize..][..own.len()]),
        }
        (first, weights) = (first + left, rest);
    }
    Ok(())
}

/// Checks that the rows are rows of one matrix.
fn check_rows(matrices: &[(Rows, Kept)], rows: &Rows) -> Result<(), Error> {
    match matrices.iter().any(|(matrix, _)| matrix.contains(rows)) {
        true => Ok(()),
        false => Err(Error::NotRowsOfMatrix { first: rows.first, columns: rows.shape.columns() }),
    }
}

fn buffer(weights: u64) -> Result<Vec<bf16>, Error> {
    let count = usize::try_from(weights).unwrap_or(usize::MAX);
    let mut buffer = Vec::new();
    let bytes = count.saturating_mul(size_of::<bf16>());
    buffer.try_reserve_exact(count).map_err(|_| Error::OutOfMemory { bytes })?;
    buffer.resize(count, bf16::ZERO);
    Ok(buffer)
}
