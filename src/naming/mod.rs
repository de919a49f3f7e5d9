//! Which tensors make a unit, and what it is called: by patterns, or from names and shapes alone.

mod family;
pub(crate) mod infer;
pub(crate) mod names;
mod owners;
pub(crate) mod pattern;
mod pattern_cost;
pub(crate) mod units;
