//! Rows of a unit that are decoded to be used at once, some at a time.

use df11_core::{Rows, Shape, bf16};
use df11_kernels::{DeviceMatrix, Job};

use crate::decoder::LoadedUnit;
use crate::driver::Driver;
use crate::error::Error;
use crate::functions::RawStream;
use crate::memory::DeviceMemory;

/// Weights decoded at a time, unless a row has more: their words stay in the larger caches.
const SLAB_WEIGHTS: u64 = 8 << 20;

/// Memory for some rows of a unit, and for a status.
pub(crate) struct Slab<'a, D: Driver> {
    unit: &'a LoadedUnit<'a, D>,
    words: DeviceMemory<D>,
    status: DeviceMemory<D>,
    rows: u32,
}

impl<'u, D: Driver> LoadedUnit<'u, D> {
    /// A slab for rows of this matrix, with a status of 0.
    pub(crate) fn slab(&self, rows: &Rows) -> Result<Slab<'_, D>, Error> {
        let (shape, device) = (rows.shape, self.decoder().kernels().device());
        let columns = u64::from(shape.columns());
        // Proof of the cast: no more than the matrix has.
        let rows = (SLAB_WEIGHTS / columns).clamp(1, u64::from(shape.rows())) as u32;
        let words = DeviceMemory::new(device, size_of::<bf16>() * (u64::from(rows) * columns) as usize)?;
        let status = self.decoder().upload(&[0; 4])?;
        Ok(Slab { unit: self, words, status, rows })
    }
}

impl<D: Driver> Slab<'_, D> {
    /// Decodes some rows, gives them to `take` with the number of the first, then the next ones.
    pub fn for_each(
        &self,
        stream: RawStream,
        rows: &Rows,
        take: &mut dyn FnMut(u32, DeviceMatrix) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let columns = u64::from(rows.shape.columns());
        for first_row in (0..rows.shape.rows()).step_by(self.rows as usize) {
            let shape = Shape::new((rows.shape.rows() - first_row).min(self.rows).into(), columns)?;
            let first = rows.first + u64::from(first_row) * columns;
            let window = first..first + shape.weights();
            let blocks = self.unit.unit().blocks_of(first, shape.weights() as usize)?;
            let (out, status) = (self.words.address(), self.status.address());
            let job = Job::window(&self.unit.on_device(), window, blocks, out, status);
            // SAFETY: unit, words and status live, and are as large as needed, until the caller has
            // waited for the stream. What was launched before on it has read the words by then.
            unsafe { self.unit.decoder().kernels().decode(stream, &[job], self.unit.stage_bytes()) }?;
            take(first_row, DeviceMatrix::Bf16 { words: out, shape })?;
        }
        Ok(())
    }

    /// What the plain decoder says of these rows, if they were not decoded.
    pub fn check(&self, rows: &Rows) -> Result<(), Error> {
        let mut status = [0; 4];
        self.status.read(&mut status)?;
        self.unit.check(u32::from_le_bytes(status), rows.first, rows.shape.weights())
    }
}
