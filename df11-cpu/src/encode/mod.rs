//! Weights to parts: the bytes of `df11_core::encode`, for every level and any number of threads.
//!
//! ```text
//! plan:    each shard of the weights: histogram                     in parallel
//!          sum of the histograms -> code; each shard's histogram and the code -> the bit at which it starts
//! encode:  each shard: pack its codes from its start bit on,        in parallel, each into bytes of its own
//!          note gaps and output positions, split off sign and mantissa
//!          seams: the byte in which one shard ends and the next begins is put together
//! ```

mod parts;
mod shard;
mod sink;

#[cfg(test)]
mod tests;

pub use parts::Parts;
pub(crate) use shard::{Cutter, GAPS_AT_ONCE, Shard, Words, chunks_to_block};
