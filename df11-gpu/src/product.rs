//! Products of loaded weights, from host memory to host memory.

use df11_core::product::{Bias, Output};
use df11_core::{Linear, Rows, bf16, check_product};
use df11_kernels::{DeviceArray, DeviceMatrix, Product};

use crate::decoder::{Decoder, LoadedUnit};
use crate::driver::Driver;
use crate::error::Error;
use crate::functions::RawStream;
use crate::memory::DeviceMemory;
use crate::weights::Weights;

/// Vectors of one launch, at most: numbers of vectors are u32.
const LAUNCH_VECTORS: usize = 1 << 20;

/// Gives `take` the rows of a matrix where the device has them, in parts: the number of the first
/// row of each, and the part. What `take` launches on `stream` uses them at once.
type Parts<'a> =
    &'a dyn Fn(RawStream, &Rows, &mut dyn FnMut(u32, DeviceMatrix) -> Result<(), Error>) -> Result<(), Error>;

/// As `df11_core::Loaded::product`, from weights that are there to be multiplied.
///
/// # Errors
/// `Unit`, `Driver`.
pub(crate) fn of_weights<D: Driver>(
    weights: &Weights<'_, D>,
    x: &[bf16],
    linears: &mut [Linear<'_>],
) -> Result<(), Error> {
    let vectors = check_product(x, linears, weights.count())?;
    multiply(&weights.decoder, x, vectors, linears, &|_, rows, take| take(0, weights.on_device(rows)?))
}

/// As `df11_core::Loaded::product`, from a unit: some rows at a time are decoded and multiplied.
///
/// # Errors
/// `Unit`, `Driver`.
pub(crate) fn of_unit<D: Driver>(
    unit: &LoadedUnit<'_, D>,
    x: &[bf16],
    linears: &mut [Linear<'_>],
) -> Result<(), Error> {
    let vectors = check_product(x, linears, unit.unit().weights())?;
    for linear in linears {
        let slab = unit.slab(&linear.rows)?;
        multiply(unit.decoder(), x, vectors, std::slice::from_mut(linear), &|stream, rows, take| {
            slab.for_each(stream, rows, take)
        })?;
        slab.check(&linear.rows)?;
    }
    Ok(())
}

fn multiply<D: Driver>(
    decoder: &Decoder<D>,
    x: &[bf16],
    vectors: usize,
    linears: &mut [Linear<'_>],
    parts: Parts<'_>,
) -> Result<(), Error> {
    if vectors == 0 {
        return Ok(());
    }
    let x = decoder.upload(bytemuck::cast_slice(x))?;
    for Linear { rows, bias, y } in linears {
        let bias = match bias {
            Some(Bias::F32(bias)) => Some((decoder.upload(bytemuck::cast_slice(bias))?, size_of::<f32>())),
            Some(Bias::Bf16(bias)) => Some((decoder.upload(bytemuck::cast_slice(bias))?, size_of::<bf16>())),
            None => None,
        };
        let y_size = if matches!(y, Output::F32(_)) { size_of::<f32>() } else { size_of::<bf16>() };
        let results = DeviceMemory::new(decoder.kernels().device(), y.count() * y_size)?;
        let (columns, y_rows) = (rows.shape.columns() as usize, rows.shape.rows());
        decoder.wait_for(|stream| {
            parts(stream, rows, &mut |first_row, matrix| {
                for first in (0..vectors).step_by(LAUNCH_VECTORS) {
                    let count = (vectors - first).min(LAUNCH_VECTORS) as u32;
                    let vector = x.address() + (2 * first * columns) as u64;
                    let bias = bias.as_ref().map(|(bias, size)| array(bias, first_row as usize, *size));
                    let y = array(&results, first * y_rows as usize + first_row as usize, y_size);
                    let product = Product::new(matrix, vector, count, bias, y, y_rows);
                    // SAFETY: the weights, x, the bias and the results live, and are as large as
                    // `check_product` has found, until the stream has been waited for.
                    unsafe { decoder.kernels().product(stream, product) }?;
                }
                Ok(())
            })
        })?;
        match y {
            Output::F32(y) => results.read(bytemuck::cast_slice_mut(y))?,
            Output::Bf16(y) => results.read(bytemuck::cast_slice_mut(y))?,
        }
    }
    Ok(())
}

/// The elements from this one on, of this size.
fn array<D: Driver>(memory: &DeviceMemory<D>, element: usize, size: usize) -> DeviceArray {
    let address = memory.address() + (element * size) as u64;
    if size == size_of::<f32>() { DeviceArray::F32(address) } else { DeviceArray::Bf16(address) }
}
