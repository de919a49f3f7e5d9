//! The parameters of the kernels of the flat form, as `kernel/flat.cuh` and `kernel/product.cuh`
//! declare them.

use core::ops::Range;

use df11_core::limits::{FLAT_HEADER_BYTES, GROUP, GROUP_CODE_BYTES};
use df11_core::{Sections, Shape};

use crate::geometry::Geometry;

/// Where a flat matrix is in device memory, or some of its rows.
///
/// Whatever its bytes are, the kernels read nothing but them: what lies about escapes gives other
/// weights.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DeviceFlat {
    sign_mantissa: u64,
    codes: u64,
    row_starts: u64,
    escape_columns: u64,
    escape_exponents: u64,
    exponents: u64,
    rows: u32,
    columns: u32,
    escapes: u32,
    reserved: u32,
}

/// Where the table of exponents is in the header.
const TABLE: u64 = 24;

impl DeviceFlat {
    /// Fills the place of a matrix that is not there.
    const NONE: Self = Self {
        sign_mantissa: 0,
        codes: 0,
        row_starts: 0,
        escape_columns: 0,
        escape_exponents: 0,
        exponents: 0,
        rows: 0,
        columns: 0,
        escapes: 0,
        reserved: 0,
    };

    /// A matrix whose bytes are at `base`, a multiple of 64.
    ///
    /// # Panics
    /// If `base` is not a multiple of 64, or so large that the matrix would pass the end of all
    /// addresses.
    pub fn new(sections: &Sections, base: u64) -> Self {
        assert!(base.is_multiple_of(FLAT_HEADER_BYTES as u64), "a flat matrix at {base:#x}, no multiple of 64");
        assert!(
            base.checked_add(sections.total() as u64).is_some(),
            "a flat matrix at {base:#x}: addresses end before"
        );
        let at = |section: Range<usize>| base + section.start as u64;
        Self {
            sign_mantissa: at(sections.sign_mantissa()),
            codes: at(sections.codes()),
            row_starts: at(sections.row_starts()),
            escape_columns: at(sections.escape_columns()),
            escape_exponents: at(sections.escape_exponents()),
            exponents: base + TABLE,
            rows: sections.shape().rows(),
            columns: sections.shape().columns(),
            escapes: sections.escapes(),
            reserved: 0,
        }
    }

    /// The number of its rows.
    pub fn row_count(&self) -> u32 {
        self.rows
    }

    /// Some of its rows.
    ///
    /// # Panics
    /// If they are none or not all there.
    pub fn rows(&self, rows: Range<u32>) -> Self {
        assert!(rows.start < rows.end && rows.end <= self.rows, "rows {rows:?} of a flat matrix of {}", self.rows);
        let (before, groups) = (u64::from(rows.start), u64::from(self.columns.div_ceil(GROUP as u32)));
        Self {
            sign_mantissa: self.sign_mantissa + before * groups * GROUP as u64,
            codes: self.codes + before * groups * GROUP_CODE_BYTES as u64,
            row_starts: self.row_starts + before * size_of::<u32>() as u64,
            rows: rows.end - rows.start,
            ..*self
        }
    }
}

/// Rows of BF16 words that are made flat.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Flatten {
    words: u64,
    counts: u64,
    matrix: DeviceFlat,
}

impl Flatten {
    /// Counts the escapes of each row: a u32 for each at `counts`, a multiple of 4. `words` is the
    /// address of the rows, a multiple of 2, and `exponents` of the bytes of `Exponents::table`.
    pub fn count(words: u64, shape: Shape, exponents: u64, counts: u64) -> Self {
        let (rows, columns) = (shape.rows(), shape.columns());
        Self { words, counts, matrix: DeviceFlat { exponents, rows, columns, ..DeviceFlat::NONE } }
    }

    /// Writes the signs and mantissas, the codes and the lists of escapes of `matrix`, whose header
    /// and row starts are written.
    pub fn write(words: u64, matrix: DeviceFlat) -> Self {
        Self { words, counts: 0, matrix }
    }

    /// The number of rows.
    pub fn row_count(&self) -> u32 {
        self.matrix.rows
    }
}

/// The weights of a product, in device memory.
#[derive(Clone, Copy, Debug)]
pub enum DeviceMatrix {
    /// A flat matrix.
    Flat(DeviceFlat),
    /// BF16 words, row after row.
    Bf16 {
        /// The address of the first, a multiple of 2. It is fast if it and the bytes of a row are
        /// multiples of 8.
        words: u64,
        /// Rows and columns.
        shape: Shape,
    },
}

/// An array in device memory of f32 or of BF16.
#[derive(Clone, Copy, Debug)]
pub enum DeviceArray {
    /// Of f32, at a multiple of 4.
    F32(u64),
    /// Of BF16, at a multiple of 2.
    Bf16(u64),
}

impl DeviceArray {
    /// The address, and `bit` for BF16.
    fn parts(self, bit: u32) -> (u64, u32) {
        match self {
            Self::F32(address) => (address, 0),
            Self::Bf16(address) => (address, bit),
        }
    }
}

const BIAS_BF16: u32 = 1;
const Y_BF16: u32 = 2;

/// A product: `y = W x + bias`, as FLAT.md, "Products", defines it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Product {
    flat: DeviceFlat,
    words: u64,
    x: u64,
    bias: u64,
    y: u64,
    rows: u32,
    columns: u32,
    vectors: u32,
    y_rows: u32,
    kinds: u32,
    reserved: u32,
}

impl Product {
    /// The product of a matrix with vectors of BF16, one after another at `x` (a multiple of 2).
    ///
    /// `bias` has an element for each row. The result of vector `v` and row `r` is element
    /// `v * y_rows + r` of `y`, so that `y` may begin within the results of a larger matrix.
    pub fn new(
        matrix: DeviceMatrix,
        x: u64,
        vectors: u32,
        bias: Option<DeviceArray>,
        y: DeviceArray,
        y_rows: u32,
    ) -> Self {
        let (flat, words, rows, columns) = match matrix {
            DeviceMatrix::Flat(flat) => (flat, 0, flat.rows, flat.columns),
            DeviceMatrix::Bf16 { words, shape } => (DeviceFlat::NONE, words, shape.rows(), shape.columns()),
        };
        let (bias, bias_kind) = bias.map_or((0, 0), |bias| bias.parts(BIAS_BF16));
        let (y, y_kind) = y.parts(Y_BF16);
        Self { flat, words, x, bias, y, rows, columns, vectors, y_rows, kinds: bias_kind | y_kind, reserved: 0 }
    }

    /// Its kernel, one of `PRODUCTS`.
    pub fn kernel(&self) -> usize {
        let form = if self.flat.rows > 0 { 0 } else { VECTORS.len() };
        form + VECTORS.iter().position(|&most| self.vectors <= most).unwrap_or(VECTORS.len() - 1)
    }

    /// Bytes of shared memory that a thread block of it takes.
    pub fn shared_bytes(&self) -> u32 {
        let vectors = VECTORS[self.kernel() % VECTORS.len()];
        let groups = self.columns.div_ceil(GROUP as u32).min(CHUNK_VALUES / GROUP as u32 / vectors);
        groups * vectors * GROUP as u32 * size_of::<f32>() as u32
    }

    /// Its launch, of thread blocks of `PRODUCT_THREADS`, on a device that holds `resident` of them
    /// at a time. It starts no more than that; each takes several rows in turn.
    pub fn geometry(&self, resident: u32) -> Geometry {
        let blocks = self.rows.div_ceil(PRODUCT_THREADS / ROW_LANES);
        Geometry { grid: blocks.min(resident.max(1)), shared_bytes: self.shared_bytes() }
    }
}

/// Lanes that share a row.
pub(crate) const ROW_LANES: u32 = 8;
/// Threads of a thread block of a product.
pub const PRODUCT_THREADS: u32 = 128;
/// Most elements of x that a thread block keeps in shared memory.
pub(crate) const CHUNK_VALUES: u32 = 8192;
/// Vectors that the kernels take at a time, ascending. For more of them, the last kernel reads the
/// weights again.
const VECTORS: [u32; 4] = [1, 2, 4, 8];
/// Entry points: `(Product product)`. For flat matrices, then for BF16 words; in the order of
/// `VECTORS`.
pub const PRODUCTS: [&str; 8] = [
    "df11_product_flat_1",
    "df11_product_flat_2",
    "df11_product_flat_4",
    "df11_product_flat_8",
    "df11_product_bf16_1",
    "df11_product_bf16_2",
    "df11_product_bf16_4",
    "df11_product_bf16_8",
];

/// Threads of a thread block of the other kernels of the flat form.
pub const FLAT_THREADS: u32 = 256;
/// Entry point: `(Flatten rows)`. Writes the number of escapes of each row.
pub const FLAT_COUNT: &str = "df11_flat_count";
/// Entry point: `(Flatten rows)`. Writes all but the header and the row starts.
pub const FLAT_WRITE: &str = "df11_flat_write";
/// Entry point: `(FlatMatrix matrix, u64 out, u64 first, u64 end)`. Writes the weights `first` to
/// `end` of the matrix to the BF16 words at `out`.
pub const FLAT_EXPAND: &str = "df11_flat_expand";

/// The launch of `FLAT_COUNT`, `FLAT_WRITE` or `FLAT_EXPAND` for this number of rows, of thread blocks of
/// `FLAT_THREADS`.
pub fn flat_geometry(rows: u32) -> Geometry {
    // A code for each exponent, as u32.
    Geometry { grid: rows.div_ceil(FLAT_THREADS / ROW_LANES), shared_bytes: 4 * 256 }
}
