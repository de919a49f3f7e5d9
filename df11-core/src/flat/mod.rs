//! The flat form: 12 bits a weight, and a list of the few weights that these cannot hold. FLAT.md
//! says what the bytes mean; here they are written and read plainly.
//!
//! ```text
//! weights -> Histogram -> Exponents --+
//! DF11 unit -----> Code --> Exponents +-> flatten, flatten_unit -> bytes
//! bytes -> Flat::from_bytes, checked once -> Flat -> rows -> expand, products
//! ```

mod error;
mod exponents;
mod flatten;
mod matrix;
mod row;
mod shape;

pub use error::FlatError;
pub use exponents::Exponents;
pub use flatten::{flatten, flatten_unit, write_header};
pub use matrix::{Flat, expand, expand_range};
pub use row::{FlatRow, position};
pub use shape::{Sections, SectionsMut, Shape};
