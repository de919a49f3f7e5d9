//! Encodes weights to parts: the bytes of `df11_core::encode`, at every level and with any number
//! of threads.
//!
//! ```text
//! plan:    each shard of the weights: histogram                    in parallel
//!          sum of the histograms -> code; each shard's histogram and the code -> its start bit
//!          a code of 1 bit: does every block launch? if not, another code    in parallel
//! encode:  each shard: pack its codes from its start bit on,       in parallel, into its own bytes
//!          record gaps and output positions, split off sign and mantissa
//!          seams: put together the byte in which one shard ends and the next begins
//! ```

mod launch;
mod parts;
mod shard;
mod sink;

#[cfg(test)]
mod tests;

pub(crate) use launch::every_block_launches;
pub use parts::Parts;
pub(crate) use shard::{Cutter, GAPS_AT_ONCE, Shard, Words, chunks_to_block};
