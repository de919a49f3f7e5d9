//! Weights as a backend holds them, in each of the forms: the contract of `df11_core::Backend`.
//!
//! ```text
//! weights   the forms bf16 and flat; df11 is the decoder itself
//! product   one product, from any form:  prepare x -> share the rows -> each thread its tasks
//! make      one matrix into the flat form
//! ```

mod df11;
mod make;
mod matrices;
mod memory;
mod product;
mod share;
mod weights;
mod whole_rows;
mod words;
