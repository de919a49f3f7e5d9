//! One row of a flat matrix. FLAT.md, "Groups".

use half::bf16;

use crate::bf16_word;
use crate::flat::exponents::Exponents;
use crate::limits::{GROUP, GROUP_CODE_BYTES};

/// Where a weight stands in its group: the position of column `column % 64`.
///
/// ```text
/// position  0..8   8..16   16..24  24..32   32..40  40..48   48..56  56..64
/// column    0..8   32..40  8..16   40..48   16..24  48..56   24..32  56..64
/// ```
pub const fn position(column: usize) -> usize {
    let column = column % GROUP;
    let (half, eighth) = (column / 32, column % 32 / 8);
    16 * eighth + 8 * half + column % 8
}

/// The code of a column, from the codes of a row.
pub(crate) fn read_code(codes: &[u8], column: usize) -> u8 {
    let position = position(column);
    let byte = codes[column / GROUP * GROUP_CODE_BYTES + position % GROUP_CODE_BYTES];
    if position < GROUP_CODE_BYTES { byte & 0xF } else { byte >> 4 }
}

/// Sets the code of a column, which was 0, in the codes of a row.
pub(crate) fn write_code(codes: &mut [u8], column: usize, code: u8) {
    let position = position(column);
    let byte = &mut codes[column / GROUP * GROUP_CODE_BYTES + position % GROUP_CODE_BYTES];
    *byte |= if position < GROUP_CODE_BYTES { code } else { code << 4 };
}

/// The place of a column in the signs and mantissas of a row.
pub(crate) fn place(column: usize) -> usize {
    column / GROUP * GROUP + position(column)
}

/// A row of a flat matrix.
///
/// Invariant, kept by `Flat`: `sign_mantissa` has 64 bytes and `codes` 32 for each group. The
/// escapes have as many columns as exponents. Their columns ascend and are less than `columns`.
///
/// They are exactly those whose code is `ESCAPE`, and in the padding everything is 0. No unsafe
/// code may rest on this: see `Flat`.
#[derive(Clone, Copy, Debug)]
pub struct FlatRow<'a> {
    pub(crate) columns: usize,
    pub(crate) exponents: &'a Exponents,
    pub(crate) sign_mantissa: &'a [u8],
    pub(crate) codes: &'a [u8],
    pub(crate) escape_columns: &'a [[u8; 4]],
    pub(crate) escape_exponents: &'a [u8],
}

impl<'a> FlatRow<'a> {
    /// Signs and mantissas, 64 bytes for each group.
    pub const fn sign_mantissa(&self) -> &'a [u8] {
        self.sign_mantissa
    }

    /// Codes, 32 bytes for each group.
    pub const fn codes(&self) -> &'a [u8] {
        self.codes
    }

    /// The column of each escape, little-endian, ascending.
    pub const fn escape_columns(&self) -> &'a [[u8; 4]] {
        self.escape_columns
    }

    /// The exponent of each escape.
    pub const fn escape_exponents(&self) -> &'a [u8] {
        self.escape_exponents
    }

    /// Column and exponent of each escape, in ascending order of columns. The columns are less than
    /// those of the matrix.
    pub fn escapes(&self) -> impl ExactSizeIterator<Item = (usize, u8)> + use<'a> {
        let columns = self.escape_columns.iter().map(|&column| u32::from_le_bytes(column) as usize);
        columns.zip(self.escape_exponents.iter().copied())
    }

    /// The weights, in the order of columns.
    pub fn weights(&self) -> impl Iterator<Item = bf16> + use<'a> {
        let (row, mut escapes) = (*self, self.escapes().peekable());
        (0..row.columns).map(move |column| {
            let exponent = match escapes.next_if(|&(escape, _)| escape == column) {
                Some((_, exponent)) => exponent,
                None => row.exponents.table()[usize::from(read_code(row.codes, column))],
            };
            bf16_word::merge(exponent, row.sign_mantissa[place(column)])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_a_group_has_a_position_of_its_own() {
        let mut columns = [usize::MAX; GROUP];
        for column in 0..GROUP {
            columns[position(column)] = column;
            assert_eq!(position(column + 5 * GROUP), position(column));
        }
        for (eighth, run) in columns.chunks(8).enumerate() {
            let first = 32 * (eighth % 2) + 8 * (eighth / 2);
            assert!(run.iter().copied().eq(first..first + 8), "positions {} to {}", 8 * eighth, 8 * eighth + 7);
        }
    }
}
