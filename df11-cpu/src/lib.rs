//! DFloat11 on this processor: the same bytes and the same weights as `df11_core`, fast.
//!
//! ```
//! use df11_core::{Work, bf16};
//! use df11_cpu::{Decoder, Encoder, Level};
//!
//! let weights: Vec<bf16> = (0..10_000).map(|i| bf16::from_f32((i as f32 * 0.7).sin())).collect();
//!
//! let unit = Encoder::new(Level::best(), Work::Pool).unit(&weights, &[])?;
//!
//! let mut restored = df11_cpu::buffer(weights.len())?;
//! Decoder::new(unit, Level::best()).decode(&mut restored, Work::Pool)?;
//! assert_eq!(restored, weights);
//! # Ok::<(), df11_core::Error>(())
//! ```
#![deny(unsafe_code)]

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod decode;
mod decoder;
// Only the vectors of x86-64 use steps of 64 codes and stores that bypass the cache.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unused_imports))]
mod encode;
mod encoder;
mod flat;
mod level;
mod loaded;
mod memory;
mod portable;
mod product;
mod table;
mod threads;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use decoder::{Decoder, decode_batch};
pub use encode::Parts;
pub use encoder::{Encoder, Plan};
pub use level::{Level, LevelError, Listing};
pub use memory::buffer;
