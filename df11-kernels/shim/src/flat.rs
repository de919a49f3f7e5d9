//! Launches the kernels of the flat form over memory of this process, as a backend would.

use df11_core::limits::FLAT_HEADER_BYTES;
use df11_core::{Exponents, Sections, Shape, bf16, write_header};
use df11_kernels::{DeviceArray, DeviceFlat, DeviceMatrix, Flatten, Product, flat_geometry};

use crate::guarded::Guarded;
use crate::machine::{Counts, Fault, Kernel, Order, launch, launch_product};

/// Outputs start with these bytes, so that what is not written is found.
const POISON: u8 = 0xA5;

/// Words "on the device", that end at a guard page.
fn uploaded(words: &[bf16], align: usize) -> Guarded {
    Guarded::new(bytemuck::cast_slice(words), align)
}

/// Makes the rows of a matrix flat, as a backend does. The words begin at a multiple of `align`.
///
/// # Errors
/// `Fault`.
///
/// # Panics
/// If the matrix has no flat form.
pub fn flatten(
    weights: &[bf16],
    shape: Shape,
    exponents: &Exponents,
    align: usize,
    order: Order,
) -> Result<Vec<u8>, Fault> {
    let words = uploaded(weights, align);
    let rows = shape.rows() as usize;
    let counts = Guarded::new(&vec![POISON; 4 * rows], 4);
    let table = Guarded::new(exponents.table(), 8);
    let geometry = flat_geometry(shape.rows());
    let flatten = Flatten::count(words.address(), shape, table.address(), counts.address());
    launch(Kernel::FlatCount, &flatten, geometry.grid, geometry.shared_bytes, order)?;
    let mut starts = vec![0u32];
    for count in counts.as_chunks().0 {
        starts.push(starts[starts.len() - 1] + u32::from_le_bytes(*count));
    }
    let sections = Sections::new(shape, starts[rows].into()).expect("a flat form");
    let mut bytes = Guarded::zeros(sections.total(), 64);
    let mut header = [0; FLAT_HEADER_BYTES];
    write_header(&sections, exponents, &mut header);
    bytes[..FLAT_HEADER_BYTES].copy_from_slice(&header);
    // What the kernel must write.
    for section in [sections.sign_mantissa(), sections.codes(), sections.escape_columns(), sections.escape_exponents()]
    {
        bytes[section].fill(POISON);
    }
    bytes[sections.row_starts()].copy_from_slice(bytemuck::cast_slice(&starts));
    let flatten = Flatten::write(words.address(), DeviceFlat::new(&sections, bytes.address()));
    launch(Kernel::FlatWrite, &flatten, geometry.grid, geometry.shared_bytes, order)?;
    Ok(bytes.to_vec())
}

/// A matrix "on the device".
#[derive(Debug)]
pub struct OnDevice {
    memory: Guarded,
    flat: Option<DeviceFlat>,
    shape: Shape,
}

impl OnDevice {
    /// The bytes of a flat matrix with these sections. They may be any bytes.
    pub fn flat(bytes: &[u8], sections: &Sections) -> Self {
        let memory = Guarded::new(bytes, 64);
        let flat = Some(DeviceFlat::new(sections, memory.address()));
        Self { memory, flat, shape: sections.shape() }
    }

    /// BF16 words that begin at a multiple of `align`.
    pub fn bf16(weights: &[bf16], shape: Shape, align: usize) -> Self {
        Self { memory: uploaded(weights, align), flat: None, shape }
    }

    fn matrix(&self) -> DeviceMatrix {
        match self.flat {
            Some(flat) => DeviceMatrix::Flat(flat),
            None => DeviceMatrix::Bf16 { words: self.memory.address(), shape: self.shape },
        }
    }

    /// Expands `count` weights of a flat matrix from `first` on.
    ///
    /// # Errors
    /// `Fault`.
    ///
    /// # Panics
    /// If the matrix is not flat.
    pub fn expand(&self, first: u64, count: usize, order: Order) -> Result<Vec<bf16>, Fault> {
        #[repr(C)]
        struct Arguments {
            matrix: DeviceFlat,
            out: u64,
            first: u64,
            end: u64,
        }
        let output = Guarded::new(&vec![POISON; 2 * count], 2);
        let matrix = self.flat.expect("a flat matrix");
        let arguments = Arguments { matrix, out: output.address(), first, end: first + count as u64 };
        let geometry = flat_geometry(self.shape.rows());
        launch(Kernel::FlatExpand, &arguments, geometry.grid, geometry.shared_bytes, order)?;
        Ok(output.as_chunks().0.iter().map(|&word| bf16::from_le_bytes(word)).collect())
    }

    /// Multiplies with `vectors` vectors, on a device that holds `resident` thread blocks at a
    /// time. The vectors begin at a multiple of `align`. The results are the bits of f32, or of
    /// BF16.
    ///
    /// # Errors
    /// `Fault`.
    pub fn product(
        &self,
        x: &[bf16],
        bias: Option<&[f32]>,
        is_bf16: bool,
        align: usize,
        resident: u32,
        order: Order,
    ) -> Result<(Vec<u32>, Counts), Fault> {
        let vectors = x.len() / self.shape.columns() as usize;
        let (rows, vectors) = (self.shape.rows(), vectors as u32);
        let x = uploaded(x, align);
        let bias = bias.map(|bias| Guarded::new(bytemuck::cast_slice(bias), 4));
        let size = if is_bf16 { 2 } else { 4 };
        let y = Guarded::new(&vec![POISON; size * (rows * vectors) as usize], size);
        let to = if is_bf16 { DeviceArray::Bf16(y.address()) } else { DeviceArray::F32(y.address()) };
        let bias = bias.as_ref().map(|bias| DeviceArray::F32(bias.address()));
        let product = Product::new(self.matrix(), x.address(), vectors, bias, to, rows);
        let geometry = product.geometry(resident);
        let counts = launch_product(product.kernel(), &product, geometry.grid, geometry.shared_bytes, order)?;
        let bits = y.chunks_exact(size).map(|y| match *y {
            [a, b] => u16::from_le_bytes([a, b]).into(),
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
            _ => 0,
        });
        Ok((bits.collect(), counts))
    }
}
