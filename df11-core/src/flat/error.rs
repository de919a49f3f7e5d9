use core::fmt;

/// What is wrong with the bytes of a flat matrix. FLAT.md, "What a reader refuses".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlatError {
    /// The bytes do not begin as a flat matrix does.
    NotFlat,
    /// The version is not one that this crate reads.
    Version {
        /// The version found.
        found: u32,
    },
    /// There are no rows, no columns, or more bytes than can be addressed.
    Shape {
        /// Rows found.
        rows: u32,
        /// Columns found.
        columns: u32,
        /// Escapes found.
        escapes: u32,
    },
    /// The exponents of codes 0 to 14 do not ascend, or the entry of code 15 is not 0.
    Exponents,
    /// The bytes are not as many as rows, columns and escapes need.
    Size {
        /// Bytes given.
        found: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// A byte that belongs to nothing is not 0.
    NotZero {
        /// Its place among all bytes.
        offset: usize,
    },
    /// The row starts do not begin at 0, do not ascend, or do not end at the number of escapes.
    RowStart {
        /// The row whose start is wrong; the number of rows for the end.
        row: u32,
    },
    /// Code 15 and the list of escapes contradict each other.
    Escape {
        /// The row.
        row: u32,
        /// The first group where they do, or where a listed column does not ascend; that of a
        /// listed column after the last.
        group: u32,
    },
    /// The padding of a row has a code or a byte other than 0.
    Padding {
        /// The row.
        row: u32,
    },
}

impl fmt::Display for FlatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotFlat => write!(f, "the bytes are not a flat matrix: they do not begin with a header"),
            Self::Version { found } => write!(f, "the flat matrix has version {found}, expected 1: make it again"),
            Self::Shape { rows, columns, escapes } => {
                write!(f, "a flat matrix of {rows} rows, {columns} columns and {escapes} escapes cannot exist here")
            }
            Self::Exponents => write!(f, "the 15 exponents of the flat matrix do not ascend, or a 16th is given"),
            Self::Size { found, expected } => write!(f, "the flat matrix has {found} bytes, expected {expected}"),
            Self::NotZero { offset } => write!(f, "byte {offset} of the flat matrix has no meaning and must be 0"),
            Self::RowStart { row } => write!(f, "the first escape of row {row} is out of order"),
            Self::Escape { row, group } => {
                write!(f, "the codes of row {row} and the list of escapes disagree in group {group}")
            }
            Self::Padding { row } => write!(f, "the padding of row {row} is not 0"),
        }
    }
}

impl core::error::Error for FlatError {}
