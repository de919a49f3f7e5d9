//! From weights to a code. In order of use: `histogram`, `lengths` (which uses `package_merge`) or
//! `published`, `canonical`, `lookup`.

mod canonical;
mod histogram;
mod lengths;
mod lookup;
mod package_merge;
mod published;

pub use canonical::Code;
pub(crate) use canonical::span;
pub use histogram::{Histogram, entropy};
pub(crate) use lengths::shortest;
pub use lookup::Lookup;
pub(crate) use published::{EndCode, PublishedCode, published};
