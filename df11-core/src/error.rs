use core::fmt;

/// What is wrong with weights, arrays or arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There are no weights: a unit has at least one.
    NoWeights,
    /// A unit has more weights than output positions, which are u32, can count.
    TooManyWeights {
        /// Weights given.
        found: u64,
    },
    /// The stream is longer than `MAX_STREAM_BYTES`.
    StreamTooLong {
        /// Its bytes.
        found: u64,
    },
    /// There is no stream: a unit has at least one byte of it.
    NoStream,
    /// A caller's buffer or array has another size than the unit's.
    BufferSize {
        /// The array, by its published name, or `weights`.
        buffer: &'static str,
        /// Its elements.
        found: usize,
        /// Elements needed.
        expected: usize,
    },
    /// A range ends after the last weight.
    RangePastEnd {
        /// First weight asked for.
        first: u64,
        /// Weights asked for.
        count: u64,
        /// Weights in the unit.
        weights: u64,
    },
    /// A block after the unit's last.
    NoSuchBlock {
        /// The block asked for.
        block: usize,
        /// Blocks of the unit.
        blocks: usize,
    },
    /// The weights are not those that the plan was made from, and the plan does not hold for them.
    WeightsNotPlanned,
    /// The system has no memory for a buffer.
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },

    /// A matrix has no rows, no columns, or too many of them.
    MatrixSize {
        /// Its rows.
        rows: u64,
        /// Its columns.
        columns: u64,
    },
    /// The flat form of a matrix would be larger than the address space, or more than 2^32 - 1 of
    /// its weights escape.
    FlatTooLarge {
        /// Its rows.
        rows: u32,
        /// Its columns.
        columns: u32,
        /// Weights that escape.
        escapes: u64,
    },
    /// The matrices of a product do not all have as many columns.
    ColumnsDiffer {
        /// The columns of one.
        found: u32,
        /// The columns of the first.
        expected: u32,
    },
    /// The rows asked for are not rows of a matrix as it was made flat.
    NotRowsOfMatrix {
        /// The first weight asked for.
        first: u64,
        /// The columns asked for.
        columns: u32,
    },

    /// The published compressor's code needs more than 17 tables.
    TooManyTables {
        /// Tables needed.
        found: usize,
    },
    /// The published compressor's end-of-stream symbol takes the first entry of the first table,
    /// and that compressor cannot fill this entry.
    EndTakesFirstEntry,

    /// `luts` is not 2 to 18 rows of 256 bytes.
    TablesSize {
        /// Its bytes.
        found: usize,
    },
    /// No exponent has a code.
    NoCodes,
    /// A code has more than 32 bits.
    CodeTooLong {
        /// Its exponent.
        exponent: u8,
        /// Its bits.
        length: u8,
    },
    /// An exponent from 240 on has a code of 24 bits or fewer; its entries would be pointers.
    HighExponentCodeTooShort {
        /// The exponent.
        exponent: u8,
        /// Bits of its code.
        length: u8,
    },
    /// The row of lengths gives an exponent a code that the tables do not hold.
    CodeNotInTables {
        /// Its exponent.
        exponent: u8,
        /// Its bits.
        length: u8,
    },
    /// One code is the beginning of another.
    CodesOverlap {
        /// The exponent of one.
        exponent: u8,
        /// The exponent of the other.
        other: u8,
    },

    /// `gaps` does not have 320 bytes for each block.
    GapsSize {
        /// Its bytes.
        found: usize,
        /// Bytes that the stream needs.
        expected: usize,
    },
    /// The first gap is not 0, but the first code starts at the first bit.
    FirstGapNotZero {
        /// The first gap.
        found: u32,
    },
    /// `output_positions` does not have 4 bytes for each block and 4 more.
    OutputPositionsSize {
        /// Its bytes.
        found: usize,
        /// Bytes that the stream needs.
        expected: usize,
    },
    /// The first output position is not 0, but the first block begins with the first weight.
    FirstOutputPositionNotZero {
        /// The first output position.
        found: u64,
    },
    /// An output position is less than the one before.
    OutputPositionsFall {
        /// The block.
        block: usize,
        /// Its output position.
        first: u64,
        /// The next one.
        end: u64,
    },
    /// The output positions give a block more weights than codes can start in it.
    BlockHoldsTooManyWeights {
        /// The block.
        block: usize,
        /// Weights that it would have.
        found: u64,
        /// Most weights that its shortest code allows.
        most: u64,
    },
    /// The output positions give a block before the last fewer weights than fill it.
    BlockHoldsTooFewWeights {
        /// The block.
        block: usize,
        /// Weights that it would have.
        found: u64,
        /// Fewest weights that its longest code allows.
        least: u64,
    },
    /// The last output position is not the number of weights.
    OutputPositionsEnd {
        /// The last output position.
        found: u64,
        /// Bytes of `sign_mantissa`.
        expected: u64,
    },
    /// `split_positions` is not a list of i64.
    SplitPositionsSize {
        /// Its bytes.
        found: usize,
    },
    /// A split position is less than the one before, or more than the number of weights.
    SplitPositionOutOfOrder {
        /// Its index.
        index: usize,
        /// Its value.
        found: i64,
        /// The one before.
        least: u64,
        /// The number of weights.
        most: u64,
    },

    /// No code begins with the next bits of the stream.
    NoSuchCode {
        /// The weight to be decoded.
        weight: u64,
    },
    /// The stream ends within a code.
    StreamEndsEarly {
        /// The weight to be decoded.
        weight: u64,
    },
    /// The first code of a chunk does not start where its gap says.
    GapContradictsStream {
        /// The chunk.
        chunk: u64,
        /// Its gap.
        gap: u32,
        /// Where the code starts.
        stream: u32,
    },
    /// A block has fewer or more codes than the output positions say, or its codes do not end where
    /// those of the next block begin.
    BlockContradictsPositions {
        /// The block.
        block: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoWeights => write!(f, "a unit needs at least one weight"),
            Self::TooManyWeights { found } => {
                write!(f, "{found} weights are too many for one unit, which has fewer than 2^32: use several units")
            }
            Self::StreamTooLong { found } => {
                write!(
                    f,
                    "a stream of {found} bytes is too long for one unit, which has at most 2^31 - 4096: use several units"
                )
            }
            Self::NoStream => write!(f, "encoded_exponent is empty, expected at least one byte"),
            Self::BufferSize { buffer, found, expected } => {
                write!(f, "the buffer for {buffer} has {found} elements, expected {expected}")
            }
            Self::RangePastEnd { first, count, weights } => {
                write!(f, "{count} weights from {first} on are out of bounds: the weights end at {weights}")
            }
            Self::NoSuchBlock { block, blocks } => {
                write!(f, "there is no block {block}: the unit has {blocks}, counted from 0")
            }
            Self::WeightsNotPlanned => {
                write!(f, "the weights are not those that the plan was made from: make a plan of these weights")
            }
            Self::OutOfMemory { bytes } => {
                write!(f, "the system has no memory for a buffer of {bytes} bytes: free some and try again")
            }
            Self::MatrixSize { rows, columns } => {
                write!(f, "a matrix has {rows} rows and {columns} columns, expected 1 to 2^32 - 1 of each")
            }
            Self::FlatTooLarge { rows, columns, escapes } => {
                write!(
                    f,
                    "a matrix of {rows} rows and {columns} columns of which {escapes} weights escape is too large for the flat form: keep it in BF16"
                )
            }
            Self::ColumnsDiffer { found, expected } => {
                write!(f, "matrices that share x have {found} and {expected} columns: multiply them one by one")
            }
            Self::NotRowsOfMatrix { first, columns } => {
                write!(
                    f,
                    "the weights from {first} on are not rows of {columns} columns of one flat matrix: ask for rows of the matrices that were made flat"
                )
            }
            Self::TooManyTables { found } => {
                write!(f, "the published code needs {found} tables, but a unit has at most 17")
            }
            Self::EndTakesFirstEntry => {
                write!(
                    f,
                    "the published tool cannot code it: its end-of-stream symbol takes the first entry of the first table"
                )
            }
            Self::TablesSize { found } => {
                write!(f, "luts has {found} bytes, expected 2 to 18 rows of 256")
            }
            Self::NoCodes => write!(f, "the last row of luts gives no exponent a code"),
            Self::CodeTooLong { exponent, length } => {
                write!(f, "the code of exponent {exponent} has {length} bits, expected at most 32")
            }
            Self::HighExponentCodeTooShort { exponent, length } => {
                write!(f, "the code of exponent {exponent} has {length} bits, expected 25 to 32")
            }
            Self::CodeNotInTables { exponent, length } => {
                write!(f, "luts gives exponent {exponent} a code of {length} bits, but its tables hold no such code")
            }
            Self::CodesOverlap { exponent, other } => {
                write!(f, "the codes of exponents {exponent} and {other} overlap")
            }
            Self::GapsSize { found, expected } => {
                write!(f, "gaps has {found} bytes, expected {expected}")
            }
            Self::FirstGapNotZero { found } => write!(f, "the first gap is {found}, expected 0"),
            Self::OutputPositionsSize { found, expected } => {
                write!(f, "output_positions has {found} bytes, expected {expected}")
            }
            Self::FirstOutputPositionNotZero { found } => {
                write!(f, "the first output position is {found}, expected 0")
            }
            Self::OutputPositionsFall { block, first, end } => {
                write!(f, "output positions fall from {first} to {end} after block {block}")
            }
            Self::BlockHoldsTooManyWeights { block, found, most } => {
                write!(f, "output_positions gives {found} weights to block {block}, expected at most {most}")
            }
            Self::BlockHoldsTooFewWeights { block, found, least } => {
                write!(
                    f,
                    "output_positions gives {found} weights to block {block}, but it takes at least {least} to fill it"
                )
            }
            Self::OutputPositionsEnd { found, expected } => {
                write!(f, "output positions end at {found}, but sign_mantissa holds {expected} weights")
            }
            Self::SplitPositionsSize { found } => {
                write!(f, "split_positions has {found} bytes, expected a multiple of 8")
            }
            Self::SplitPositionOutOfOrder { index, found, least, most } => {
                write!(f, "split position {index} is {found}, expected {least} to {most}")
            }
            Self::NoSuchCode { weight } => write!(f, "the stream has no valid code for weight {weight}"),
            Self::StreamEndsEarly { weight } => write!(f, "the stream ends before weight {weight} is decoded"),
            Self::GapContradictsStream { chunk, gap, stream } => {
                write!(f, "the gap of chunk {chunk} is {gap}, but its first code starts at bit {stream}")
            }
            Self::BlockContradictsPositions { block } => {
                write!(f, "the codes of block {block} do not end where its output positions and the next gap say")
            }
        }
    }
}

impl core::error::Error for Error {}
