//! One file for each structure of FORMAT.md, read and write side by side.

pub(crate) mod gaps;
pub(crate) mod luts;
pub(crate) mod positions;
pub(crate) mod splits;
