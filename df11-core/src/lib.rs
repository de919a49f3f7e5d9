//! Lossless compression of BF16 weights (DFloat11): what the bytes mean.
//!
//! The exponent of a trained weight carries about 2.6 of its 8 bits. DFloat11 Huffman-codes the
//! exponent and stores sign and mantissa as they are. An index of gaps and output positions lets
//! thousands of threads start in the middle of the stream. This crate reads and writes that layout
//! for any caller. It has no allocator, no operating system and no unsafe code; all buffers are the
//! caller's. It is not fast itself: it is the definition of correct for the faster crates.
//!
//! ```text
//! weights -> Histogram -> Plan (code, exact sizes) -> encode -> PartsMut, the caller's buffers
//! UnitView, borrowed -> validate -> Unit -> decode, decode_range, two_phase -> weights
//! weights or Unit -> Exponents -> flatten -> bytes -> Flat -> expand, product
//! ```
//!
//! ```
//! use df11_core::{PartsMut, Plan, UnitView, bf16, decode, encode};
//!
//! let weights: Vec<bf16> = (0..1000).map(|i| bf16::from_f32((i as f32 * 0.7).sin())).collect();
//!
//! let plan = Plan::new(&weights)?;
//! let sizes = plan.sizes();
//! let sizes = [
//!     sizes.encoded_exponent, sizes.sign_mantissa, sizes.luts, sizes.gaps, sizes.output_positions,
//! ];
//! let mut parts = sizes.map(|size| vec![0; size]);
//! let [encoded_exponent, sign_mantissa, luts, gaps, output_positions] = &mut parts;
//! let parts_mut = PartsMut { encoded_exponent, sign_mantissa, luts, gaps, output_positions };
//! encode(&weights, &plan, parts_mut)?;
//!
//! let [encoded_exponent, sign_mantissa, luts, gaps, output_positions] = &parts;
//! let split_positions = &[];
//! let unit =
//!     UnitView { encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions }
//!         .validate()?;
//! let mut restored = vec![bf16::ZERO; weights.len()];
//! decode(&unit, &mut restored)?;
//! assert_eq!(restored, weights);
//! # Ok::<(), df11_core::Error>(())
//! ```
//!
//! The format is specified in [`format`](mod@format); the flat form, which is made of it for
//! computing, and its products in [`flat_format`].
//!
//! # Features
//!
//! - `alloc` adds units that own their arrays, a unit made from weights in one call, and the
//!   contract of backends. Without it nothing here allocates.
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(not(feature = "alloc"), forbid(unsafe_code))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "alloc")]
mod backend;
pub mod bf16_word;
mod bits;
mod bytes;
mod decode;
mod encode;
mod error;
mod flat;
#[doc = include_str!("../FLAT.md")]
pub mod flat_format {}
mod form;
#[doc = include_str!("../FORMAT.md")]
pub mod format {}
mod huffman;
mod index;
pub mod limits;
mod linear;
#[cfg(feature = "alloc")]
mod plain;
mod plan;
pub mod product;
#[cfg(feature = "alloc")]
mod rows;
pub mod two_phase;
mod unit;
mod wire;

#[cfg(feature = "alloc")]
pub use backend::{Backend, BackendError, Flattened, Loaded, Work};
pub use bytes::Bytes;
#[cfg(feature = "alloc")]
pub use bytes::StableBytes;
pub use decode::{decode, decode_range};
#[cfg(feature = "alloc")]
pub use encode::check_matrices;
pub use encode::{PartsMut, encode, write_luts};
pub use error::Error;
pub use flat::{
    Exponents, Flat, FlatError, FlatRow, Sections, SectionsMut, Shape, expand, expand_range, flatten, flatten_unit,
    position, write_header,
};
pub use form::{Form, NoSuchForm};
pub use half::bf16;
pub use huffman::{Code, Histogram, Lookup, entropy};
pub use index::check_index;
pub use linear::{Linear, Rows, check_product};
#[cfg(feature = "alloc")]
pub use plain::Plain;
pub use plan::{Ending, PartSizes, Plan, fullest_block};
#[cfg(feature = "alloc")]
pub use rows::{RowGroup, SortedRows, row_starts};
pub use unit::{Arrays, Block, Unit, UnitView};
#[cfg(feature = "alloc")]
pub use wire::splits::split_positions;
