//! A flat matrix in the memory of the caller or its own, after its bytes are checked.

use half::bf16;

use crate::bytes::Bytes;
use crate::error::Error;
use crate::flat::error::FlatError;
use crate::flat::exponents::Exponents;
use crate::flat::row::{FlatRow, place, read_code};
use crate::flat::shape::{Sections, Shape};
use crate::limits::{
    ESCAPE, FLAT_EXPONENTS, FLAT_HEADER_BYTES, FLAT_MAGIC, FLAT_VERSION, GROUP, GROUP_CODE_BYTES, SECTION_BYTES,
};

/// A flat matrix whose bytes are checked: every row can be read, and means one thing.
///
/// It keeps its bytes, borrowed or owned. A `Flat<'static>` borrows nothing and can be kept for any
/// time.
///
/// Invariant, on which unsafe code may rest: `bytes` are `sections.total()` bytes that nobody
/// changes. The row starts begin at 0, ascend, and end at `sections.escapes()`. In each row the
/// columns of escapes ascend and are less than the columns of the matrix.
///
/// Codes and escapes agree, and the padding is 0: `from_bytes` checks this too, `flatten` and
/// `flatten_unit` write it so, and who calls `from_written` has to. Only the meaning depends on it.
#[derive(Debug)]
pub struct Flat<'a> {
    bytes: Bytes<'a>,
    sections: Sections,
    exponents: Exponents,
}

impl<'a> Flat<'a> {
    /// Checks the bytes of a flat matrix, which then keeps them. Reads everything but the signs and
    /// mantissas, once.
    ///
    /// # Errors
    /// What FLAT.md, "What a reader refuses", lists.
    pub fn from_bytes(bytes: impl Into<Bytes<'a>>) -> Result<Self, FlatError> {
        let bytes = bytes.into();
        let (sections, exponents) = read_header(&bytes)?;
        let flat = Self { bytes, sections, exponents };
        flat.check()?;
        Ok(flat)
    }

    /// As `from_bytes`, for bytes that the caller has just written and that nobody else could
    /// change. Checks all that memory safety depends on, but not the codes, which are nearly all of
    /// the work. If these disagree with the list of escapes, products and weights may differ.
    ///
    /// # Errors
    /// Those of `from_bytes`, except for what the codes alone tell; with debug assertions for that,
    /// too.
    pub fn from_written(bytes: impl Into<Bytes<'a>>) -> Result<Self, FlatError> {
        let bytes = bytes.into();
        let (sections, exponents) = read_header(&bytes)?;
        let flat = Self { bytes, sections, exponents };
        flat.check_sections()?;
        for row in 0..flat.shape().rows() {
            flat.checked_row(row).and_then(|of_row| check_columns(row, &of_row))?;
        }
        if cfg!(debug_assertions) {
            flat.check()?;
        }
        Ok(flat)
    }

    /// What `flatten` or `flatten_unit` has written.
    #[cfg(feature = "alloc")]
    pub(crate) fn written(bytes: Bytes<'a>, sections: Sections, exponents: Exponents) -> Self {
        Self { bytes, sections, exponents }
    }

    /// All bytes, as FLAT.md lays them out.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the bytes back.
    pub fn into_bytes(self) -> Bytes<'a> {
        self.bytes
    }

    /// The same matrix, with bytes borrowed from this one.
    pub fn borrowed(&self) -> Flat<'_> {
        Flat { bytes: self.bytes.borrowed(), sections: self.sections, exponents: self.exponents }
    }

    /// Rows and columns.
    pub fn shape(&self) -> Shape {
        self.sections.shape()
    }

    /// Where each section lies among the bytes.
    pub fn sections(&self) -> &Sections {
        &self.sections
    }

    /// The exponents that have a code.
    pub fn exponents(&self) -> &Exponents {
        &self.exponents
    }

    /// A row; `None` after the last. It costs a few additions and checks nothing again.
    pub fn row(&self, row: u32) -> Option<FlatRow<'_>> {
        let (shape, index) = (self.shape(), row as usize);
        if row >= shape.rows() {
            return None;
        }
        let (start, end) = (self.row_start(index)?, self.row_start(index + 1)?);
        let (bytes, groups) = (&*self.bytes, shape.groups());
        let columns = bytes[self.sections.escape_columns()].as_chunks().0;
        Some(FlatRow {
            columns: shape.columns() as usize,
            exponents: &self.exponents,
            sign_mantissa: bytes[self.sections.sign_mantissa()].get(index * groups * GROUP..)?.get(..groups * GROUP)?,
            codes: bytes[self.sections.codes()]
                .get(index * groups * GROUP_CODE_BYTES..)?
                .get(..groups * GROUP_CODE_BYTES)?,
            escape_columns: columns.get(start..end)?,
            escape_exponents: bytes[self.sections.escape_exponents()].get(start..end)?,
        })
    }

    /// The number of escapes before a row; `None` after the end.
    fn row_start(&self, row: usize) -> Option<usize> {
        let starts = self.bytes[self.sections.row_starts()].as_chunks().0;
        starts.get(row).map(|&start| u32::from_le_bytes(start) as usize)
    }

    fn check(&self) -> Result<(), FlatError> {
        self.check_sections()?;
        (0..self.shape().rows()).try_for_each(|row| check_row(row, &self.checked_row(row)?))
    }

    /// A row, which exists if the row starts are right.
    fn checked_row(&self, row: u32) -> Result<FlatRow<'_>, FlatError> {
        self.row(row).ok_or(FlatError::RowStart { row })
    }

    fn check_sections(&self) -> Result<(), FlatError> {
        let sections = &self.sections;
        let (found, expected) = (self.bytes.len(), sections.total());
        if found != expected {
            return Err(FlatError::Size { found, expected });
        }
        let ends = [
            sections.sign_mantissa().end,
            sections.codes().end,
            sections.row_starts().end,
            sections.escape_columns().end,
            sections.escape_exponents().end,
        ];
        for end in ends {
            zeros(&self.bytes, end, end.next_multiple_of(SECTION_BYTES))?;
        }
        self.check_row_starts()
    }

    fn check_row_starts(&self) -> Result<(), FlatError> {
        let (starts, escapes) = (self.bytes[self.sections.row_starts()].as_chunks().0, self.sections.escapes());
        let mut before = 0;
        for (row, &start) in (0..).zip(starts) {
            let start = u32::from_le_bytes(start);
            let is_first_right = row > 0 || start == 0;
            let is_last_right = row < self.shape().rows() || start == escapes;
            if start < before || !is_first_right || !is_last_right {
                return Err(FlatError::RowStart { row });
            }
            before = start;
        }
        Ok(())
    }
}

/// The sections and exponents that a header gives.
fn read_header(bytes: &[u8]) -> Result<(Sections, Exponents), FlatError> {
    let header: &[u8; FLAT_HEADER_BYTES] = bytes.first_chunk().ok_or(FlatError::NotFlat)?;
    let (magic, fields) = header.split_first_chunk().ok_or(FlatError::NotFlat)?;
    if *magic != FLAT_MAGIC {
        return Err(FlatError::NotFlat);
    }
    let (numbers, rest) = fields.as_chunks().0.split_first_chunk().ok_or(FlatError::NotFlat)?;
    let [version, rows, columns, escapes] = numbers.map(u32::from_le_bytes);
    if version != FLAT_VERSION {
        return Err(FlatError::Version { found: version });
    }
    let sections = Shape::new(rows.into(), columns.into()).and_then(|shape| Sections::new(shape, escapes.into()));
    let sections = sections.map_err(|_| FlatError::Shape { rows, columns, escapes })?;
    let (table, _) = rest.as_flattened().split_first_chunk::<{ FLAT_EXPONENTS + 1 }>().ok_or(FlatError::NotFlat)?;
    let exponents = Exponents::checked(*table).ok_or(FlatError::Exponents)?;
    zeros(header, HEADER_FIELDS_END, FLAT_HEADER_BYTES)?;
    Ok((sections, exponents))
}

/// Bytes of the header that have a meaning: magic, four numbers, the table.
pub(crate) const HEADER_FIELDS_END: usize = FLAT_MAGIC.len() + 4 * size_of::<u32>() + FLAT_EXPONENTS + 1;

fn zeros(bytes: &[u8], start: usize, end: usize) -> Result<(), FlatError> {
    match bytes[start..end].iter().position(|&byte| byte != 0) {
        Some(at) => Err(FlatError::NotZero { offset: start + at }),
        None => Ok(()),
    }
}

/// Checks that the columns of escapes ascend and are those of the matrix.
fn check_columns(row: u32, of_row: &FlatRow<'_>) -> Result<(), FlatError> {
    let mut least = 0;
    for (column, _) in of_row.escapes() {
        if column < least || column >= of_row.columns {
            return Err(FlatError::Escape { row, group: (column / GROUP) as u32 });
        }
        least = column + 1;
    }
    Ok(())
}

/// Walks through the groups of a row and its escapes together. Within a group the listed columns
/// ascend, each has code `ESCAPE`, and they are as many as there are such codes: so they are all of
/// them.
fn check_row(row: u32, of_row: &FlatRow<'_>) -> Result<(), FlatError> {
    for column in of_row.columns..of_row.sign_mantissa.len() {
        if read_code(of_row.codes, column) != 0 || of_row.sign_mantissa[place(column)] != 0 {
            return Err(FlatError::Padding { row });
        }
    }
    let mut listed = of_row.escapes().map(|(column, _)| column).peekable();
    for (group, codes) in of_row.codes.as_chunks().0.iter().enumerate() {
        let (mut least, end) = (group * GROUP, (group + 1) * GROUP);
        let found = escape_bits(codes);
        if found == [0; 4] && listed.peek().is_none_or(|&column| column >= end) {
            continue;
        }
        let mut left = found.map(u64::count_ones).iter().sum::<u32>();
        while let Some(column) = listed.next_if(|&column| column < end) {
            if column < least || left == 0 || read_code(of_row.codes, column) != ESCAPE {
                return Err(FlatError::Escape { row, group: group as u32 });
            }
            (least, left) = (column + 1, left - 1);
        }
        if left > 0 {
            return Err(FlatError::Escape { row, group: group as u32 });
        }
    }
    match listed.next() {
        Some(column) => Err(FlatError::Escape { row, group: (column / GROUP) as u32 }),
        None => Ok(()),
    }
}

/// A bit for each code of a group that is `ESCAPE`: all four of its bits are set. A word has 16
/// codes, in an order that does not matter here.
fn escape_bits(codes: &[u8; GROUP_CODE_BYTES]) -> [u64; 4] {
    const LOWEST_BITS: u64 = 0x1111_1111_1111_1111;
    let mut words = [0; 4];
    for (found, &word) in words.iter_mut().zip(codes.as_chunks().0) {
        let word = u64::from_ne_bytes(word);
        let pairs = word & word >> 1;
        *found = pairs & pairs >> 2 & LOWEST_BITS;
    }
    words
}

/// Writes all weights of a flat matrix, row after row.
///
/// # Errors
/// `BufferSize` unless `weights` has one element for each.
pub fn expand(flat: &Flat<'_>, weights: &mut [bf16]) -> Result<(), Error> {
    let (found, expected) = (weights.len(), flat.shape().weights());
    if found as u64 != expected {
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        return Err(Error::BufferSize { buffer: "weights", found, expected });
    }
    expand_range(flat, 0, weights)
}

/// Writes the weights from `first` on, as many as `weights` has elements.
///
/// # Errors
/// `RangePastEnd`.
pub fn expand_range(flat: &Flat<'_>, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
    let (shape, count) = (flat.shape(), weights.len() as u64);
    if first.checked_add(count).is_none_or(|end| end > shape.weights()) {
        return Err(Error::RangePastEnd { first, count, weights: shape.weights() });
    }
    let columns = u64::from(shape.columns());
    let (first_row, skipped) = ((first / columns) as u32, (first % columns) as usize);
    let rows = (first_row..shape.rows()).map_while(|row| flat.row(row));
    let all = rows.flat_map(|row| row.weights()).skip(skipped);
    weights.iter_mut().zip(all).for_each(|(weight, value)| *weight = value);
    Ok(())
}
