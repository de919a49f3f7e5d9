//! Sizes of a flat matrix. FLAT.md, "Sections".

use core::ops::Range;

use crate::error::Error;
use crate::limits::{FLAT_HEADER_BYTES, GROUP, GROUP_CODE_BYTES, SECTION_BYTES};

/// Rows and columns of a matrix, 1 to 2^32 - 1 of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    rows: u32,
    columns: u32,
}

impl Shape {
    /// Checks the numbers of rows and columns.
    ///
    /// # Errors
    /// `MatrixSize`.
    pub fn new(rows: u64, columns: u64) -> Result<Self, Error> {
        match (u32::try_from(rows), u32::try_from(columns)) {
            (Ok(rows @ 1..), Ok(columns @ 1..)) => Ok(Self { rows, columns }),
            _ => Err(Error::MatrixSize { rows, columns }),
        }
    }

    /// Number of rows, at least 1.
    pub const fn rows(self) -> u32 {
        self.rows
    }

    /// Number of columns, at least 1.
    pub const fn columns(self) -> u32 {
        self.columns
    }

    /// Number of weights.
    pub const fn weights(self) -> u64 {
        self.rows as u64 * self.columns as u64
    }

    /// Groups of a row. The last one is padded.
    pub const fn groups(self) -> usize {
        self.columns.div_ceil(GROUP as u32) as usize
    }
}

/// Where each section of a flat matrix lies among its bytes.
///
/// Invariant: the sections follow one another without overlap, each has the size that FLAT.md gives
/// for `shape` and `escapes`, and the last ends at or before `total`, which is at most
/// `isize::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sections {
    shape: Shape,
    escapes: u32,
    codes: usize,
    row_starts: usize,
    escape_columns: usize,
    escape_exponents: usize,
    total: usize,
}

/// The sections of a flat matrix that is being written, of exactly their sizes.
#[derive(Debug)]
pub struct SectionsMut<'a> {
    /// Signs and mantissas: a byte for each weight, whole groups.
    pub sign_mantissa: &'a mut [u8],
    /// Codes: 4 bits for each weight, whole groups.
    pub codes: &'a mut [u8],
    /// The number of escapes before each row, and of all: little-endian u32.
    pub row_starts: &'a mut [[u8; 4]],
    /// The column of each escape: little-endian u32.
    pub escape_columns: &'a mut [[u8; 4]],
    /// The exponent of each escape.
    pub escape_exponents: &'a mut [u8],
}

impl Sections {
    /// The sections of a matrix of which `escapes` weights escape.
    ///
    /// # Errors
    /// `FlatTooLarge`.
    pub fn new(shape: Shape, escapes: u64) -> Result<Self, Error> {
        let too_large = || Error::FlatTooLarge { rows: shape.rows, columns: shape.columns, escapes };
        let groups = u128::from(shape.rows) * shape.groups() as u128;
        let (rows, list) = (u128::from(shape.rows), u128::from(escapes));
        let sizes = [
            FLAT_HEADER_BYTES as u128,
            groups * GROUP as u128,
            groups * GROUP_CODE_BYTES as u128,
            (rows + 1) * size_of::<u32>() as u128,
            list * size_of::<u32>() as u128,
            list,
        ];
        // Each is below 2^65, so their sum does not overflow. Where the last end is addressable,
        // so are the others.
        let mut end = 0;
        let [_, codes, row_starts, escape_columns, escape_exponents, total] = sizes.map(|size| {
            end += size.next_multiple_of(SECTION_BYTES as u128);
            end
        });
        match (u32::try_from(escapes), isize::try_from(total)) {
            (Ok(escapes), Ok(total)) => Ok(Self {
                shape,
                escapes,
                codes: codes as usize,
                row_starts: row_starts as usize,
                escape_columns: escape_columns as usize,
                escape_exponents: escape_exponents as usize,
                total: total as usize,
            }),
            _ => Err(too_large()),
        }
    }

    /// Rows and columns.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of weights that escape.
    pub const fn escapes(&self) -> u32 {
        self.escapes
    }

    /// Bytes of the whole matrix, a multiple of 64.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Whether the flat form is smaller than BF16. A matrix for which it is not stays BF16: most of
    /// its weights escape, or its rows are mostly padding.
    pub const fn is_worth_it(&self) -> bool {
        (self.total as u128) < 2 * self.shape.weights() as u128
    }

    const fn padded_weights(&self) -> usize {
        self.shape.rows as usize * self.shape.groups() * GROUP
    }

    /// The bytes of signs and mantissas.
    pub const fn sign_mantissa(&self) -> Range<usize> {
        FLAT_HEADER_BYTES..FLAT_HEADER_BYTES + self.padded_weights()
    }

    /// The bytes of codes.
    pub const fn codes(&self) -> Range<usize> {
        self.codes..self.codes + self.padded_weights() / 2
    }

    /// The bytes of the row starts.
    pub const fn row_starts(&self) -> Range<usize> {
        self.row_starts..self.row_starts + (self.shape.rows as usize + 1) * size_of::<u32>()
    }

    /// The bytes of the columns of escapes.
    pub const fn escape_columns(&self) -> Range<usize> {
        self.escape_columns..self.escape_columns + self.escapes as usize * size_of::<u32>()
    }

    /// The bytes of the exponents of escapes.
    pub const fn escape_exponents(&self) -> Range<usize> {
        self.escape_exponents..self.escape_exponents + self.escapes as usize
    }

    /// The header, and the sections to write. Whoever writes them sets every byte; the bytes
    /// between sections must be zeros already.
    ///
    /// # Errors
    /// `BufferSize` unless there are `total` bytes.
    pub fn split_mut<'a>(
        &self,
        bytes: &'a mut [u8],
    ) -> Result<(&'a mut [u8; FLAT_HEADER_BYTES], SectionsMut<'a>), Error> {
        let wrong = Error::BufferSize { buffer: "flat", found: bytes.len(), expected: self.total };
        if bytes.len() != self.total {
            return Err(wrong);
        }
        let (header, rest) = bytes.split_first_chunk_mut().ok_or(wrong)?;
        let (sign_mantissa, rest) = rest.split_at_mut(self.codes - FLAT_HEADER_BYTES);
        let (codes, rest) = rest.split_at_mut(self.row_starts - self.codes);
        let (row_starts, rest) = rest.split_at_mut(self.escape_columns - self.row_starts);
        let (escape_columns, escape_exponents) = rest.split_at_mut(self.escape_exponents - self.escape_columns);
        Ok((
            header,
            SectionsMut {
                sign_mantissa: &mut sign_mantissa[..self.sign_mantissa().len()],
                codes: &mut codes[..self.codes().len()],
                row_starts: row_starts[..self.row_starts().len()].as_chunks_mut().0,
                escape_columns: escape_columns[..self.escape_columns().len()].as_chunks_mut().0,
                escape_exponents: &mut escape_exponents[..self.escapes as usize],
            },
        ))
    }
}
