//! What a decoder computes beside its products, on BF16 tensors on the CPU.
//!
//! Each operation computes in F32, one element after another in a fixed order, and rounds where
//! transformers rounds in BF16. Nothing here depends on the number of threads, on the vectors of
//! the processor or on the mathematics library of the system. candle's own operations are used
//! where they do the same; its norms and activations in BF16 round in the middle.

mod attention;
mod gated;
mod norm;

pub(crate) use attention::{Attention, attend};
pub(crate) use gated::{Activation, gated};
pub(crate) use norm::RmsNorm;
