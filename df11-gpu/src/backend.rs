//! The contract of backends, for every driver at once.

use std::ops::Range;

use df11_core::{Backend, BackendError, Bytes, Flattened, Form, Linear, Loaded, Shape, Unit, Work, bf16};

use crate::decoder::{Decoder, LoadedUnit};
use crate::driver::Driver;
use crate::error::Error;
use crate::flatten::{Source, flatten};
use crate::product;
use crate::weights::{Held, Weights};

impl<D: Driver> Backend for Decoder<D> {
    fn name(&self) -> &str {
        D::BACKEND
    }

    fn load<'u>(&self, unit: Unit<'u>) -> Result<Box<dyn Loaded + 'u>, BackendError> {
        Ok(Box::new(self.load(unit).map_err(of::<D>)?))
    }

    fn load_bf16<'w>(&self, words: Bytes<'w>) -> Result<Box<dyn Loaded + 'w>, BackendError> {
        Ok(Box::new(Weights::bf16(self, words).map_err(of::<D>)?))
    }
}

impl<D: Driver> Loaded for LoadedUnit<'_, D> {
    fn unit(&self) -> Option<&Unit<'_>> {
        Some(self.unit())
    }

    fn weights(&self) -> u64 {
        self.unit().weights()
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], _: Work) -> Result<(), BackendError> {
        self.decode_range(first, weights).map_err(of::<D>)
    }

    fn decode_rows(
        &self,
        matrix: Range<u64>,
        columns: usize,
        rows: &[u64],
        weights: &mut [bf16],
        _: Work,
    ) -> Result<(), BackendError> {
        self.decode_rows(matrix, columns, rows, weights).map_err(of::<D>)
    }

    fn flatten(&self, matrices: &[Shape], _: Work) -> Result<Flattened, BackendError> {
        flatten(self.decoder(), Source::Df11(self), self.unit().weights(), matrices).map_err(of::<D>)
    }

    fn product(&self, x: &[bf16], linears: &mut [Linear<'_>], _: &mut [f32], _: Work) -> Result<(), BackendError> {
        product::of_unit(self, x, linears).map_err(of::<D>)
    }
}

impl<D: Driver> Loaded for Weights<'_, D> {
    fn form(&self) -> Form {
        match self.held {
            Held::Bf16 { .. } => Form::Bf16,
            Held::Flat(_) => Form::Flat,
        }
    }

    fn weights(&self) -> u64 {
        self.count()
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], _: Work) -> Result<(), BackendError> {
        self.read(first, weights).map_err(of::<D>)
    }

    fn flatten(&self, matrices: &[Shape], _: Work) -> Result<Flattened, BackendError> {
        flatten(&self.decoder, Source::Weights(self), self.count(), matrices).map_err(of::<D>)
    }

    fn product(&self, x: &[bf16], linears: &mut [Linear<'_>], _: &mut [f32], _: Work) -> Result<(), BackendError> {
        product::of_weights(self, x, linears).map_err(of::<D>)
    }
}

fn of<D: Driver>(error: Error) -> BackendError {
    match error {
        Error::Unit(error) => BackendError::Unit(error),
        error => BackendError::Device { backend: D::BACKEND, error: Box::new(error) },
    }
}
