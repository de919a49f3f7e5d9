//! Makes the matrices of loaded weights flat, on the device.
//!
//! ```text
//! BF16 words of a matrix -> the escapes of each row -> row starts, size -> memory -> all the rest
//! ```

use df11_core::limits::FLAT_HEADER_BYTES;
use df11_core::{Exponents, Flattened, Histogram, Rows, Sections, Shape, bf16, write_header};
use df11_kernels::{DeviceFlat, Flatten};

use crate::decoder::{Decoder, LoadedUnit};
use crate::driver::Driver;
use crate::error::Error;
use crate::memory::DeviceMemory;
use crate::weights::{Held, Matrix, Weights};

/// Where the weights of matrices come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a, D: Driver> {
    Df11(&'a LoadedUnit<'a, D>),
    Weights(&'a Weights<'a, D>),
}

/// The BF16 words of a matrix on the device.
struct Words<D: Driver> {
    address: u64,
    /// The memory that they were written to for this.
    own: Option<DeviceMemory<D>>,
}

/// As `df11_core::Loaded::flatten`.
///
/// # Errors
/// `Unit`, `Driver`.
pub(crate) fn flatten<D: Driver>(
    decoder: &Decoder<D>,
    source: Source<'_, D>,
    weights: u64,
    matrices: &[Shape],
) -> Result<Flattened, Error> {
    let (mut held, mut bytes, mut escapes, mut kept_bf16) = (Vec::new(), 0, 0, 0);
    for rows in Rows::of_matrices(matrices, weights)? {
        let words = source.words(decoder, &rows)?;
        let exponents = source.exponents(&rows, &words)?;
        let matrix = match make(decoder, words.address, rows.shape, &exponents)? {
            Some((memory, sections)) => {
                escapes += u64::from(sections.escapes());
                Matrix { rows, memory, sections: Some(sections) }
            }
            None => {
                kept_bf16 += 1;
                let memory = words.own.map_or_else(|| source.copy(decoder, &rows), Ok)?;
                Matrix { rows, memory, sections: None }
            }
        };
        bytes += matrix.memory.bytes() as u64;
        held.push(matrix);
    }
    let loaded = Box::new(Weights { decoder: decoder.clone(), held: Held::Flat(held) });
    Ok(Flattened { loaded, bytes, escapes, kept_bf16 })
}

impl<D: Driver> Source<'_, D> {
    /// The words of a matrix: where they are, or decoded into memory of their own.
    fn words(self, decoder: &Decoder<D>, rows: &Rows) -> Result<Words<D>, Error> {
        let weights = rows.shape.weights();
        let memory = || DeviceMemory::new(decoder.kernels().device(), bytes_of(weights));
        match self {
            Self::Df11(unit) => {
                let memory = memory()?;
                unit.decode_to(rows.first, weights, &memory)?;
                Ok(Words { address: memory.address(), own: Some(memory) })
            }
            Self::Weights(Weights { held: Held::Bf16 { on_device, .. }, .. }) => {
                Ok(Words { address: on_device.address() + 2 * rows.first, own: None })
            }
            // Flat matrices may have been cut otherwise.
            Self::Weights(_) => {
                let memory = self.copy(decoder, rows)?;
                Ok(Words { address: memory.address(), own: Some(memory) })
            }
        }
    }

    /// New memory with the words of a matrix, by way of the host.
    fn copy(self, decoder: &Decoder<D>, rows: &Rows) -> Result<DeviceMemory<D>, Error> {
        let words = self.read(rows)?;
        decoder.upload(bytemuck::cast_slice(&words))
    }

    fn read(self, rows: &Rows) -> Result<Vec<bf16>, Error> {
        let mut words = vec![bf16::ZERO; rows.shape.weights() as usize];
        match self {
            Self::Df11(unit) => unit.decode_range(rows.first, &mut words)?,
            Self::Weights(weights) => weights.read(rows.first, &mut words)?,
        }
        Ok(words)
    }

    /// FLAT.md, "Exponents": by the codes of a unit, by the frequencies of other weights.
    fn exponents(self, rows: &Rows, words: &Words<D>) -> Result<Exponents, Error> {
        match self {
            Self::Df11(unit) => Ok(Exponents::of_code(unit.unit().code())),
            Self::Weights(Weights { held: Held::Bf16 { words, .. }, .. }) => {
                let all = bytes_of(rows.first)..bytes_of(rows.end());
                Ok(Exponents::of_counts(&count(&words[all])))
            }
            Self::Weights(_) => {
                let mut found = vec![0; bytes_of(rows.shape.weights())];
                words.own.as_ref().map_or(Ok(()), |memory| memory.read(&mut found))?;
                Ok(Exponents::of_counts(&count(&found)))
            }
        }
    }
}

/// The bytes of a number of words, which are in memory.
fn bytes_of(words: u64) -> usize {
    words as usize * size_of::<bf16>()
}

fn count(words: &[u8]) -> Histogram {
    let mut counts = [0; 256];
    for &word in words.as_chunks().0 {
        counts[usize::from(u16::from_le_bytes(word) >> 7 & 0xFF)] += 1;
    }
    Histogram::from_counts(counts)
}

/// Makes the words at `words` a flat matrix; `None` if that would not be smaller.
fn make<D: Driver>(
    decoder: &Decoder<D>,
    words: u64,
    shape: Shape,
    exponents: &Exponents,
) -> Result<Option<(DeviceMemory<D>, Sections)>, Error> {
    let worth = |escapes| Sections::new(shape, escapes).ok().filter(Sections::is_worth_it);
    if worth(0).is_none() {
        return Ok(None);
    }
    let device = decoder.kernels().device();
    let mut starts = vec![0u32; shape.rows() as usize + 1];
    let counts = DeviceMemory::new(device, size_of_val(&starts[1..]))?;
    let table = decoder.upload(exponents.table())?;
    let flatten = Flatten::count(words, shape, table.address(), counts.address());
    // SAFETY: words, table and counts live, and are as large as the shape says, until the stream
    // has been waited for.
    decoder.wait_for(|stream| unsafe { decoder.kernels().count_escapes(stream, flatten) })?;
    counts.read(bytemuck::cast_slice_mut(&mut starts[1..]))?;
    let escapes = starts.iter().map(|&count| u64::from(count)).sum();
    let Some(sections) = worth(escapes) else { return Ok(None) };
    // No start overflows: all escapes are fewer than 2^32.
    (1..starts.len()).for_each(|row| starts[row] += starts[row - 1]);
    let mut header = [0; FLAT_HEADER_BYTES];
    write_header(&sections, exponents, &mut header);
    let memory = DeviceMemory::new(device, sections.total())?;
    // SAFETY: the memory lives until the stream has been waited for.
    decoder.wait_for(|stream| unsafe { memory.clear(stream) })?;
    decoder.upload_to(&memory, 0, &header)?;
    decoder.upload_to(&memory, sections.row_starts().start, bytemuck::cast_slice(&starts))?;
    let flatten = Flatten::write(words, DeviceFlat::new(&sections, memory.address()));
    // SAFETY: words and memory live until the stream has been waited for. The row starts are the
    // sums of what was counted of the same words.
    decoder.wait_for(|stream| unsafe { decoder.kernels().write_flat(stream, flatten) })?;
    Ok(Some((memory, sections)))
}
