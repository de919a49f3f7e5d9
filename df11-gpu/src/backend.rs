//! The contract of backends, for every driver at once.

use std::ops::Range;

use df11_core::{Backend, BackendError, Loaded, Unit, Work, bf16};

use crate::decoder::{Decoder, LoadedUnit};
use crate::driver::Driver;
use crate::error::Error;

impl<D: Driver> Backend for Decoder<D> {
    fn name(&self) -> &str {
        D::BACKEND
    }

    fn load<'u>(&self, unit: Unit<'u>) -> Result<Box<dyn Loaded + 'u>, BackendError> {
        Ok(Box::new(self.load(unit).map_err(of::<D>)?))
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
}

fn of<D: Driver>(error: Error) -> BackendError {
    match error {
        Error::Unit(error) => BackendError::Unit(error),
        error => BackendError::Device { backend: D::BACKEND, error: Box::new(error) },
    }
}
