use candle_core::{Device, Module, Result, Tensor};
use df11::{Work, bf16};

use crate::Error;
use crate::weights::Matrix;

/// Rows by number: only the rows that are asked for are decoded.
#[derive(Clone, Debug)]
pub struct Embedding {
    matrix: Matrix,
}

impl Embedding {
    /// Looks up rows of `matrix`.
    pub fn new(matrix: Matrix) -> Self {
        Self { matrix }
    }

    /// The weights: for a tied head.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// The rows of these tokens, `[tokens, columns]` in BF16.
    ///
    /// # Errors
    /// `NoSuchToken` for one past the last row; `Weights` if the weights do not decode.
    pub fn rows(&self, tokens: &[u32]) -> std::result::Result<Tensor, Error> {
        let (vocabulary, columns) = (self.matrix.rows(), self.matrix.columns());
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
            return Err(Error::NoSuchToken { token, vocabulary });
        }
        let rows: Vec<u64> = tokens.iter().map(|&token| token.into()).collect();
        let mut weights = vec![bf16::ZERO; rows.len() * columns];
        let place = self.matrix.rows.first..self.matrix.rows.end();
        let decoded = self.matrix.loaded.decode_rows(place, columns, &rows, &mut weights, Work::Pool);
        decoded.map_err(|error| Error::weights(&self.matrix.name, error))?;
        Ok(Tensor::from_vec(weights, (rows.len(), columns), &Device::Cpu)?)
    }
}

impl Module for Embedding {
    /// `x` holds numbers of rows, U32; the result has one dimension more.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let rows = self.rows(&x.flatten_all()?.to_vec1()?)?;
        rows.reshape([x.dims(), &[self.matrix.columns()]].concat())
    }
}
