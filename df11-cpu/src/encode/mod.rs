//! Encodes weights to parts: the bytes of `df11_core::encode`, at every level and with any number
//! of threads.
//!
//! ```text
//! plan:    each shard of the weights: histogram                    in parallel
//!          sum of the histograms -> code; each shard's histogram and the code -> its start bit
//! encode:  each shard: pack its codes from its start bit on,       in parallel, into its own bytes
//!          record gaps and output positions, split off sign and mantissa
//!          seams: put together the byte in which one shard ends and the next begins
//! ```

mod parts;
mod shard;
mod sink;

#[cfg(test)]
mod tests;

pub use parts::Parts;
pub(crate) use shard::{Cutter, GAPS_AT_ONCE, Shard, Words, chunks_to_block};
