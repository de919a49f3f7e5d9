//! One file for each structure of FORMAT.md: reading and writing side by side.

pub(crate) mod gaps;
pub(crate) mod luts;
pub(crate) mod positions;
pub(crate) mod splits;
