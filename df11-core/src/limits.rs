//! Every number of the format: its name, its reason, and its relation to the others, checked by the
//! compiler.

/// Bytes of stream that one GPU thread decodes (`bytes_per_thread` in `dfloat11_config`).
pub const CHUNK_BYTES: usize = 8;
/// Bits of a chunk.
pub const CHUNK_BITS: u64 = CHUNK_BYTES as u64 * 8;
/// Chunks of a block (`threads_per_block` in `dfloat11_config`).
pub const BLOCK_CHUNKS: usize = 512;
/// Bytes of stream in a block.
pub const BLOCK_BYTES: usize = CHUNK_BYTES * BLOCK_CHUNKS;
/// Bits of stream in a block.
pub const BLOCK_BITS: u64 = BLOCK_BYTES as u64 * 8;

/// Longest code: four tables of 8 bits. With a longer code a gap would not fit into 5 bits.
pub const MAX_CODE_BITS: u32 = 32;
/// Bits of one gap.
pub const GAP_BITS: usize = 5;
/// Bytes of the gaps of a block.
pub const BLOCK_GAP_BYTES: usize = BLOCK_CHUNKS * GAP_BITS / 8;

/// Bits that one table looks up.
pub const TABLE_BITS: u32 = 8;
/// Entries of one table, and of the row of code lengths.
pub const TABLE_ENTRIES: usize = 1 << TABLE_BITS;
/// An entry from here on, on levels 1 to 3, points to table `256 - entry`.
pub const FIRST_POINTER: u8 = 240;
/// Tables of a unit: the first, and one for each pointer 240..=255.
pub const MAX_TABLES: usize = 1 + TABLE_ENTRIES - FIRST_POINTER as usize;
/// A code longer than this ends on level 4, where no entry is a pointer.
pub const POINTER_LEVEL_BITS: u32 = MAX_CODE_BITS - TABLE_BITS;

/// Longest stream: the published kernel holds chunk index times 8, up to the end of the last block,
/// in a signed 32-bit integer.
pub const MAX_STREAM_BYTES: u64 = (1 << 31) - BLOCK_BYTES as u64;
/// Most weights of a unit: output positions are u32.
pub const MAX_WEIGHTS: u64 = u32::MAX as u64;
/// Most weights of a block: every code at its shortest, 1 bit.
pub const MAX_BLOCK_WEIGHTS: usize = BLOCK_BITS as usize;
/// Most weights in a block that we write: the published launcher asks for 2052 bytes of shared
/// memory and 2 for each weight, and never raises the limit of 48 KiB.
pub const PUBLISHED_MAX_BLOCK_WEIGHTS: u64 = (48 * 1024 - 2052) / 2;

/// Weights of a group of the flat form: four vectors of 512 bits of f32, so that the 64 partial
/// sums of a product take one group a step.
pub const GROUP: usize = 64;
/// Bytes of the codes of a group: 4 bits for each weight.
pub const GROUP_CODE_BYTES: usize = GROUP / 2;
/// Exponents in the table of a flat matrix: one for each code of 4 bits but the last.
pub const FLAT_EXPONENTS: usize = 15;
/// The code of a weight whose exponent is in the list of escapes.
pub const ESCAPE: u8 = FLAT_EXPONENTS as u8;
/// Every section of a flat matrix begins at a multiple of this: a line of the cache, and the widest
/// vector.
pub const SECTION_BYTES: usize = 64;
/// Bytes of the header of a flat matrix, its first section.
pub const FLAT_HEADER_BYTES: usize = SECTION_BYTES;
/// The first bytes of every flat matrix.
pub const FLAT_MAGIC: [u8; 8] = *b"DF11FLAT";
/// The version of FLAT.md that this crate writes, and the only one that it reads.
pub const FLAT_VERSION: u32 = 1;

const _: () = {
    assert!(MAX_CODE_BITS as usize <= 1 << GAP_BITS, "a gap is at most one bit less than the longest code");
    assert!(MAX_CODE_BITS == 4 * TABLE_BITS, "the longest code ends on the fourth level");
    assert!(CHUNK_BITS >= 2 * MAX_CODE_BITS as u64, "a code starts in every chunk but the last");
    assert!(BLOCK_GAP_BYTES * 8 == BLOCK_CHUNKS * GAP_BITS, "the gaps of a block fill whole bytes");
    assert!(MAX_TABLES == 17);
    assert!(PUBLISHED_MAX_BLOCK_WEIGHTS == 23_550);
    assert!(ESCAPE == 0b1111, "the escape is the last code of 4 bits");
    assert!(BLOCK_BITS / 2 <= PUBLISHED_MAX_BLOCK_WEIGHTS, "codes of 2 bits and more always launch");
};
