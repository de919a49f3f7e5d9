use std::ops::Range;

use df11_core::{Backend, Work, bf16};

use super::opened::Found;
use super::tensor::Tensor;
use super::unit_entry::UnitEntry;
use crate::Error;
use crate::files::words;

/// A tensor whose weights are BF16. It is coded in a unit, or raw.
#[derive(Clone, Debug)]
pub struct Matrix(pub(super) Tensor);

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
            _ => Ok(Matrix(self)),
        }
    }
}

impl UnitEntry {
    /// Its matrices, in the order of its stream. Empty if nothing names them.
    pub fn matrices(&self) -> impl ExactSizeIterator<Item = Matrix> + '_ {
        self.opened.matrices[self.index].iter().map(|name| Matrix(Tensor::of(&self.opened, name)))
    }
}

impl Matrix {
    /// The same matrix as a tensor.
    pub fn tensor(&self) -> &Tensor {
        &self.0
    }

    /// Its name before the model was compressed.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Its sizes, slowest first; `None` if it is coded and its shape is unknown. See
    /// `Tensor::shape` for how far it can be trusted.
    pub fn shape(&self) -> Option<&[u64]> {
        self.0.shape()
    }

    /// The unit that it is coded in; `None` if it is raw.
    pub fn unit(&self) -> Option<UnitEntry> {
        match self.0.found() {
            Found::Coded { unit, .. } => Some(UnitEntry::of(&self.0.opened, *unit)),
            Found::Raw(_) => None,
        }
    }

    /// Its range among the weights of its unit, for `Loaded::decode_range`. Begins at 0 if it is
    /// raw.
    pub fn range(&self) -> Range<u64> {
        match self.0.found() {
            Found::Coded { weights, .. } => weights.clone(),
            Found::Raw(place) => 0..place.info.bytes() / 2,
        }
    }

    /// Number of weights.
    pub fn weights(&self) -> u64 {
        let Range { start, end } = self.range();
        end - start
    }

    /// Decodes all of it into `weights`, which must have exactly `self.weights()` elements.
    ///
    /// Each call reads its whole unit. To decode several matrices of a unit, or one of them often,
    /// load the unit once: `matrix.unit()`, `UnitEntry::load`.
    ///
    /// # Errors
    /// `TensorUnfit` for another number of elements; otherwise as `decode_range`.
    pub fn decode(&self, backend: &dyn Backend, weights: &mut [bf16]) -> Result<(), Error> {
        if weights.len() as u64 != self.weights() {
            let asked = format!("a buffer of {}", weights.len());
            return Err(self.0.unfit(format!("{} weights", self.weights()), asked));
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
            return Err(self.0.unfit(format!("{} weights", self.weights()), asked));
        }
        match self.unit() {
            Some(unit) => {
                let loaded = unit.load(backend)?;
                let decoded = loaded.decode_range(range.start + first, weights, Work::Pool);
                decoded.map_err(|error| unit.error(error))
            }
            None => words::from_file(weights, |bytes| self.0.read_raw(2 * first, bytes)),
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
            return Err(self.0.unfit(found, "[rows, columns]".into()));
        };
        if let Some(row) = rows.iter().find(|&&row| row >= height) {
            return Err(self.0.unfit(format!("{height} rows"), format!("row {row}, counted from 0")));
        }
        let expected = (rows.len() as u64).checked_mul(columns);
        if expected != Some(weights.len() as u64) {
            let asked = format!("a buffer of {}", weights.len());
            return Err(self.0.unfit(format!("{} rows of {columns}", rows.len()), asked));
        }
        let columns = columns as usize;
        match self.unit() {
            Some(unit) => {
                let loaded = unit.load(backend)?;
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
