//! Decides which tensors make a unit and what the unit is called: by patterns, or from names and
//! shapes alone.

pub(crate) mod by_pattern;
mod family;
pub(crate) mod infer;
pub(crate) mod owners;
pub(crate) mod pattern;
mod pattern_cost;
pub(crate) mod unit_files;
pub(crate) mod units;
