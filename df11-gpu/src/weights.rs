//! Weights on a device in the forms `bf16` and `flat`.

use df11_core::{Bytes, Error as CoreError, Rows, Sections, bf16};
use df11_kernels::{DeviceFlat, DeviceMatrix};

use crate::decoder::Decoder;
use crate::driver::Driver;
use crate::error::Error;
use crate::memory::DeviceMemory;

/// Weights from which a device multiplies.
#[derive(Debug)]
pub(crate) struct Weights<'w, D: Driver> {
    pub decoder: Decoder<D>,
    pub held: Held<'w, D>,
}

#[derive(Debug)]
pub(crate) enum Held<'w, D: Driver> {
    /// BF16 words, here and on the device.
    Bf16 { words: Bytes<'w>, on_device: DeviceMemory<D> },
    /// Matrices that follow one another, from weight 0 on.
    Flat(Vec<Matrix<D>>),
}

/// A matrix of the form `flat`.
#[derive(Debug)]
pub(crate) struct Matrix<D: Driver> {
    pub rows: Rows,
    pub memory: DeviceMemory<D>,
    /// The sections of a flat matrix; none of BF16 words.
    pub sections: Option<Sections>,
}

impl<D: Driver> Matrix<D> {
    /// Rows of it, where it holds them.
    pub fn on_device(&self, rows: &Rows) -> DeviceMatrix {
        let before = rows.first - self.rows.first;
        match &self.sections {
            Some(sections) => {
                // Proof of the cast: a matrix has fewer than 2^32 rows.
                let first = (before / u64::from(rows.shape.columns())) as u32;
                let flat = DeviceFlat::new(sections, self.memory.address());
                DeviceMatrix::Flat(flat.rows(first..first + rows.shape.rows()))
            }
            None => DeviceMatrix::Bf16 { words: self.memory.address() + 2 * before, shape: rows.shape },
        }
    }

    /// Copies the weights from `first` of the matrix on.
    fn read(&self, decoder: &Decoder<D>, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
        let Some(sections) = &self.sections else {
            return self.memory.read_at(2 * first as usize, bytemuck::cast_slice_mut(weights));
        };
        let output = DeviceMemory::new(decoder.kernels().device(), size_of_val(weights))?;
        self.expand(decoder, sections, first, weights.len() as u64, &output)?;
        output.read(bytemuck::cast_slice_mut(weights))
    }

    /// Writes `count` weights from `first` of the matrix on to the front of `output`, which has
    /// room for them.
    pub fn expand(
        &self,
        decoder: &Decoder<D>,
        sections: &Sections,
        first: u64,
        count: u64,
        output: &DeviceMemory<D>,
    ) -> Result<(), Error> {
        let columns = u64::from(self.rows.shape.columns());
        // Proof of the casts: the rows are those of the matrix.
        let rows = (first / columns) as u32..(first + count).div_ceil(columns) as u32;
        let matrix = DeviceFlat::new(sections, self.memory.address()).rows(rows);
        // SAFETY: the matrix and the output live, and are as large as needed, until the stream has
        // been waited for.
        decoder.wait_for(|stream| unsafe {
            decoder.kernels().expand(stream, matrix, output.address(), first % columns, count)
        })
    }
}

impl<'w, D: Driver> Weights<'w, D> {
    /// BF16 words, copied to the device.
    ///
    /// # Errors
    /// `Unit`: `BufferSize` for half a word. `Driver`.
    pub fn bf16(decoder: &Decoder<D>, words: Bytes<'w>) -> Result<Self, Error> {
        let (found, expected) = (words.len(), words.len().next_multiple_of(size_of::<bf16>()));
        if found != expected {
            return Err(CoreError::BufferSize { buffer: "words", found, expected }.into());
        }
        let on_device = decoder.upload(&words)?;
        Ok(Self { decoder: decoder.clone(), held: Held::Bf16 { words, on_device } })
    }

    /// The number of weights.
    pub fn count(&self) -> u64 {
        match &self.held {
            Held::Bf16 { words, .. } => (words.len() / size_of::<bf16>()) as u64,
            Held::Flat(matrices) => matrices.last().map_or(0, |matrix| matrix.rows.end()),
        }
    }

    /// Copies the weights from `first` on.
    ///
    /// # Errors
    /// `Unit`: `RangePastEnd`. `Driver`.
    pub fn read(&self, mut first: u64, mut weights: &mut [bf16]) -> Result<(), Error> {
        let (count, all) = (weights.len() as u64, self.count());
        if first.checked_add(count).is_none_or(|end| end > all) {
            return Err(CoreError::RangePastEnd { first, count, weights: all }.into());
        }
        let matrices = match &self.held {
            Held::Bf16 { on_device, .. } => {
                return on_device.read_at(2 * first as usize, bytemuck::cast_slice_mut(weights));
            }
            Held::Flat(matrices) => matrices,
        };
        for matrix in matrices {
            if matrix.rows.end() <= first || weights.is_empty() {
                continue;
            }
            let (own, rest) = weights.split_at_mut((matrix.rows.end() - first).min(weights.len() as u64) as usize);
            matrix.read(&self.decoder, first - matrix.rows.first, own)?;
            first += own.len() as u64;
            weights = rest;
        }
        Ok(())
    }

    /// Rows of a matrix, where the device has them.
    ///
    /// # Errors
    /// `Unit`: `NotRowsOfMatrix`.
    pub fn on_device(&self, rows: &Rows) -> Result<DeviceMatrix, Error> {
        match &self.held {
            Held::Bf16 { on_device, .. } => {
                Ok(DeviceMatrix::Bf16 { words: on_device.address() + 2 * rows.first, shape: rows.shape })
            }
            Held::Flat(matrices) => match matrices.iter().find(|matrix| matrix.rows.contains(rows)) {
                Some(matrix) => Ok(matrix.on_device(rows)),
                None => Err(CoreError::NotRowsOfMatrix { first: rows.first, columns: rows.shape.columns() }.into()),
            },
        }
    }
}
