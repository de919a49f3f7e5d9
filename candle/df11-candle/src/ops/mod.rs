//! What a model computes beside its products, on BF16 tensors on the CPU.
//!
//! Each operation computes in F32, one element after another in a fixed order, and rounds where
//! transformers rounds in BF16. Nothing here depends on the number of threads, on the vectors of
//! the processor or on the mathematics library of the system. candle's own operations are used
//! where they do the same; its norms and activations in BF16 round in the middle.

mod activation;
mod attention;
mod layer_norm;
mod norm;

pub use activation::Activation;
pub(crate) use activation::{activated, gated};
pub(crate) use attention::{Attention, Sees, attend};
pub(crate) use layer_norm::LayerNorm;
pub(crate) use norm::RmsNorm;
