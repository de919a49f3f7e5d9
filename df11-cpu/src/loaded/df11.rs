//! The form `df11`: the decoder of a unit.

use core::ops::Range;

use df11_core::{Backend, BackendError, Bytes, Flattened, Linear, Loaded, Shape, Unit, Work, bf16};

use super::make::Source;
use super::product::{From, elements, product};
use super::weights::{Weights, flatten};
use crate::decoder::Decoder;
use crate::level::Level;

impl Backend for Level {
    fn name(&self) -> &str {
        (*self).name()
    }

    fn load<'u>(&self, unit: Unit<'u>) -> Result<Box<dyn Loaded + 'u>, BackendError> {
        Ok(Box::new(Decoder::new(unit, *self)))
    }

    fn load_bf16<'w>(&self, words: Bytes<'w>) -> Result<Box<dyn Loaded + 'w>, BackendError> {
        Ok(Box::new(Weights::bf16(words, *self)?))
    }
}

impl Loaded for Decoder<'_> {
    fn unit(&self) -> Option<&Unit<'_>> {
        Some(self.unit())
    }

    fn weights(&self) -> u64 {
        self.unit().weights()
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], work: Work) -> Result<(), BackendError> {
        Ok(self.decode_range(first, weights, work)?)
    }

    fn decode_rows(
        &self,
        matrix: Range<u64>,
        columns: usize,
        rows: &[u64],
        weights: &mut [bf16],
        work: Work,
    ) -> Result<(), BackendError> {
        Ok(self.decode_rows(matrix, columns, rows, weights, work)?)
    }

    fn flatten(&self, matrices: &[Shape], work: Work) -> Result<Flattened, BackendError> {
        flatten(self.level(), Source::Df11(self), self.weights(), matrices, work)
    }

    fn scratch(&self, columns: u32, vectors: usize, work: Work) -> usize {
        elements(self.level(), From::Df11(self), columns, vectors, work)
    }

    fn product(
        &self,
        x: &[bf16],
        linears: &mut [Linear<'_>],
        scratch: &mut [f32],
        work: Work,
    ) -> Result<(), BackendError> {
        product(self.level(), From::Df11(self), self.weights(), x, linears, scratch, work)
    }
}
