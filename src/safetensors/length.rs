//! The length of a header, the first bytes of a file.

/// Longest JSON header, in bytes. This is the limit of the reference implementation, so files read
/// here are read there too.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Bytes of the length before the JSON.
pub(crate) const LENGTH_BYTES: u64 = 8;
