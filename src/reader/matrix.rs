use std::iter;
use std::ops::Range;

use df11_core::{Backend, Work, bf16};

use super::opened::Found;
use super::tensor::Tensor;
use super::unit_entry::UnitEntry;
use crate::Error;
use crate::files::words;

/// A tensor whose weights are BF16, or a part of one. It is coded in a unit, or raw.
#[derive(Clone, Debug)]
pub struct Matrix {
    tensor: Tensor,
    /// The place in the tensor, if this is a part of it.
    part: Option<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    /// Its weights in the tensor.
    weights: Range<u64>,
    shape: Vec<u64>,
}

impl Tensor {
    /// This tensor as a matrix, if its weights are BF16.
    ///
    /// # Errors
    /// `TensorUnfit` for a raw tensor of another dtype.
    pub fn into_matrix(self) -> Result<Matrix, Error> {
        match self.found() {
            Found::Raw(place) if !place.info.dtype.is_bf16() => {
                Err(self.unfit(place.info.dtype.to_string(), "BF16; read another dtype as raw bytes".into()))
            }
            _ => Ok(Matrix { tensor: self, part: None }),
        }
    }
}

impl UnitEntry {
    /// Its matrices, in the order of its stream. Empty if nothing names them.
    pub fn matrices(&self) -> impl ExactSizeIterator<Item = Matrix> + '_ {
        self.opened.matrices[self.index].iter().map(|name| {
            let tensor = Tensor::of(&self.opened, name);
            Matrix { tensor, part: None }
        })
    }
}

impl Matrix {
    /// Its tensor: the same weights, or more if this is a part of it.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The name of its tensor before the model was compressed.
    pub fn name(&self) -> &str {
        self.tensor.name()
    }

    /// Its sizes, slowest first; `None` if it is coded and its shape is unknown. See
    /// `Tensor::shape` for how far it can be trusted.
    pub fn shape(&self) -> Option<&[u64]> {
        self.part.as_ref().map_or_else(|| self.tensor.shape(), |part| Some(&part.shape))
    }

    /// The part of it with this index along its first dimension. Where the experts of a block are
    /// one tensor of three dimensions, each part is the matrix of one expert, and is decoded alone.
    ///
    /// # Errors
    /// `TensorUnfit` if the shape is unknown, has fewer than two dimensions, or has no such part.
    pub fn part(&self, index: u64) -> Result<Matrix, Error> {
        let shape = self.shape().unwrap_or_default();
        let (parts, of_part) = match shape {
            [parts, of_part @ ..] if !of_part.is_empty() && index < *parts => (*parts, of_part.to_vec()),
            _ => {
                let found = self.shape().map_or_else(|| "an unknown shape".into(), |shape| format!("{shape:?}"));
                return Err(self.tensor.unfit(found, format!("part {index} of it, counted from 0")));
            }
        };
        let of_each = self.weights() / parts;
        let first = self.part.as_ref().map_or(0, |part| part.weights.start) + index * of_each;
        let part = Part { weights: first..first + of_each, shape: of_part };
        Ok(Matrix { tensor: self.tensor.clone(), part: Some(part) })
    }

    /// The unit that it is coded in; `None` if it is raw.
    pub fn unit(&self) -> Option<UnitEntry> {
        match self.tensor.found() {
            Found::Coded { unit, .. } => Some(UnitEntry::of(&self.tensor.opened, *unit)),
            Found::Raw(_) => None,
        }
    }

    /// Its range among the weights of its unit, for `Loaded::decode_range`. If it is raw, among the
    /// weights of its tensor.
    pub fn range(&self) -> Range<u64> {
        let all = match self.tensor.found() {
            Found::Coded { weights, .. } => weights.clone(),
            Found::Raw(place) => 0..place.info.bytes() / 2,
        };
        match &self.part {
            Some(part) => all.start + part.weights.start..all.start + part.weights.end,
            None => all,
        }
    }

    /// Number of weights.
    pub fn weights(&self) -> u64 {
        let Range { start, end } = self.range();
        end - start
    }

    /// Decodes all of it into `weights`, which must have exactly `self.weights()` elements.
    ///
    /// Each call reads the blocks of its unit that hold these weights, and the unit's small arrays.
    /// To decode several matrices of a unit, or one of them often, load the unit once:
    /// `matrix.unit()`, `UnitEntry::load`.
    ///
    /// # Errors
    /// `TensorUnfit` for another number of elements; otherwise as `decode_range`.
    pub fn decode(&self, backend: &dyn Backend, weights: &mut [bf16]) -> Result<(), Error> {
        if weights.len() as u64 != self.weights() {
            let asked = format!("a buffer of {}", weights.len());
            return Err(self.tensor.unfit(format!("{} weights", self.weights()), asked));
        }
        self.decode_range(backend, 0, weights)
    }

    /// Decodes weights into all of `weights`, starting at weight `first` of the matrix.
    ///
    /// # Errors
    /// `TensorUnfit` for weights past its end; what the operating system said; `UnitDamaged`,
    /// `Backend`.
    pub fn decode_range(&self, backend: &dyn Backend, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
        let range = self.range();
        let end = first.checked_add(weights.len() as u64).filter(|&end| end <= self.weights());
        if end.is_none() {
            let asked = format!("{} from {first} on", weights.len());
            return Err(self.tensor.unfit(format!("{} weights", self.weights()), asked));
        }
        match self.unit() {
            Some(unit) => {
                let first = range.start + first;
                let loaded = unit.load_blocks(backend, iter::once(first..first + weights.len() as u64))?;
                let decoded = loaded.decode_range(first, weights, Work::Pool);
                decoded.map_err(|error| unit.error(error))
            }
            None => words::from_file(weights, |bytes| self.tensor.read_raw(2 * (range.start + first), bytes)),
        }
    }

    /// Decodes rows into `weights`, one after the other, in the given order: an embedding look-up.
    /// A row may be repeated. `weights` has the elements of one row for each.
    ///
    /// # Errors
    /// `TensorUnfit` if the shape is unknown or is not one of rows and columns, for a row past the
    /// last, and for another number of elements; otherwise as `decode_range`.
    pub fn decode_rows(&self, backend: &dyn Backend, rows: &[u64], weights: &mut [bf16]) -> Result<(), Error> {
        let Some(&[height, columns]) = self.shape() else {
            let found = self.shape().map_or_else(|| "an unknown shape".into(), |shape| format!("{shape:?}"));
            return Err(self.tensor.unfit(found, "[rows, columns]".into()));
        };
        if let Some(row) = rows.iter().find(|&&row| row >= height) {
            return Err(self.tensor.unfit(format!("{height} rows"), format!("row {row}, counted from 0")));
        }
        let expected = (rows.len() as u64).checked_mul(columns);
        if expected != Some(weights.len() as u64) {
            let asked = format!("a buffer of {}", weights.len());
            return Err(self.tensor.unfit(format!("{} rows of {columns}", rows.len()), asked));
        }
        let columns = columns as usize;
        match self.unit() {
            Some(unit) => {
                let starts =
                    rows.iter().map(|row| self.range().start.saturating_add(row.saturating_mul(columns as u64)));
                let loaded =
                    unit.load_blocks(backend, starts.map(|first| first..first.saturating_add(columns as u64)))?;
                let decoded = loaded.decode_rows(self.range(), columns, rows, weights, Work::Pool);
                decoded.map_err(|error| unit.error(error))
            }
            None => {
                let mut each = rows.iter().zip(weights.chunks_exact_mut(columns.max(1)));
                each.try_for_each(|(row, weights)| self.decode_range(backend, row * columns as u64, weights))
            }
        }
    }
}
