//! Lossless compression of BF16 weights (DFloat11): what the bytes mean.
//!
//! A trained weight's exponent carries about 2.6 of its 8 bits. It is Huffman-coded; sign and mantissa stay raw; an index of gaps and output
//! positions lets thousands of threads start anywhere in the stream. This crate reads and writes that layout for any caller: no allocator, no
//! operating system, no unsafe code, buffers always the caller's. It is the definition of correct for the faster crates, not fast itself.
//!
//! ```text
//! weights -> Histogram -> Plan (code, exact sizes) -> encode -> PartsMut, the caller's buffers
//! UnitView, borrowed -> validate -> Unit -> decode, decode_range, two_phase -> weights
//! ```
//!
//! ```
//! use df11_core::{PartsMut, Plan, UnitView, bf16, decode, encode};
//!
//! let weights: Vec<bf16> = (0..1000).map(|i| bf16::from_f32((i as f32 * 0.7).sin())).collect();
//!
//! let plan = Plan::new(&weights)?;
//! let sizes = plan.sizes();
//! let mut parts = [sizes.encoded_exponent, sizes.sign_mantissa, sizes.luts, sizes.gaps, sizes.output_positions].map(|size| vec![0; size]);
//! let [encoded_exponent, sign_mantissa, luts, gaps, output_positions] = &mut parts;
//! encode(&weights, &plan, PartsMut { encoded_exponent, sign_mantissa, luts, gaps, output_positions })?;
//!
//! let [encoded_exponent, sign_mantissa, luts, gaps, output_positions] = &parts;
//! let view = UnitView { encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions: &[] };
//! let unit = view.validate()?;
//! let mut restored = vec![bf16::ZERO; weights.len()];
//! decode(&unit, &mut restored)?;
//! assert_eq!(restored, weights);
//! # Ok::<(), df11_core::Error>(())
//! ```
//!
//! The format is specified in [`format`](mod@format).
//!
//! # Features
//!
//! - `alloc`: units that own their arrays, a unit of weights in one call, the contract of backends.
//!   Without it nothing here allocates.
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
mod form;
#[doc = include_str!("../FORMAT.md")]
pub mod format {}
mod huffman;
mod index;
pub mod limits;
mod plan;
pub mod two_phase;
mod unit;
mod wire;

#[cfg(feature = "alloc")]
pub use backend::{Backend, BackendError, Loaded, Plain, Work, row_starts};
pub use bytes::Bytes;
#[cfg(feature = "alloc")]
pub use bytes::StableBytes;
pub use decode::{decode, decode_range};
pub use encode::{PartsMut, encode, write_luts};
pub use error::Error;
pub use form::{Form, NoSuchForm};
pub use half::bf16;
pub use huffman::{Code, Histogram, Lookup, entropy};
pub use index::check_index;
pub use plan::{Ending, PartSizes, Plan, fullest_block};
pub use unit::{Arrays, Block, Unit, UnitView};
#[cfg(feature = "alloc")]
pub use wire::splits::split_positions;
