//! What the tests of this package share. Apart from [`library`], nothing here shares a line with
//! the code under test.
//!
//! - [`reference`]: decodes the published layout bit by bit; slow, and strict about every number.
//! - [`published_kernel`]: the published CUDA kernel played on the CPU, its hazards included.
//! - [`published_writer`]: what the published compressor would write, byte for byte.
//! - [`safetensors`]: just enough of the container to open fixtures and our own output.
//! - [`library`]: every encoder and decoder under test, in two lists.
//! - [`agreement`]: bytes of any origin through every decoder, none of which may contradict
//!   another.
//! - [`cases`]: the named units that every coder must bring back bit for bit.
//! - [`products`]: products that every backend must give, bit for bit.
//! - [`models`]: model files to compress, damage and compare.
//! - [`model_damages`]: every damage of a model in one file.
//! - [`architectures`]: models of `vectors/architectures` as directories filled with seeded
//!   weights.
//! - [`adversarial`]: weights meant to break a coder, made from a few choices.
//! - [`any_unit`]: valid units that no encoder writes.
//! - [`lies`]: units whose structure lies.
//! - [`optimum`]: what the shortest code would cost; [`exact_lengths`]: what the best code within
//!   the rules costs, tables included.
//! - [`draw`]: where generators take their choices from.
//! - [`random`]: numbers that are the same on every machine.

// Each test file compiles this module for itself and uses a part of it.
#![allow(dead_code, unused_macros)]

pub mod adversarial;
pub mod agreement;
pub mod any_unit;
pub mod architectures;
pub mod cases;
pub mod draw;
pub mod exact_lengths;
pub mod library;
pub mod lies;
pub mod model_damages;
pub mod models;
pub mod optimum;
pub mod products;
pub mod published_kernel;
pub mod published_writer;
pub mod random;
pub mod reference;
pub mod safetensors;

/// Options that differ from others in some fields: what `Options { field, ..others }` is where a
/// struct is not `#[non_exhaustive]`.
macro_rules! with {
    (@value $field:ident) => { $field };
    (@value $field:ident $value:expr) => { $value };
    ($others:expr, $($field:ident $(: $value:expr)?),+ $(,)?) => {{
        let mut options = $others;
        $(options.$field = $crate::support::with!(@value $field $($value)?);)+
        options
    }};
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use with;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The six published tensors of one unit, as raw little-endian bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawUnit<'a> {
    pub encoded_exponent: &'a [u8],
    pub sign_mantissa: &'a [u8],
    pub luts: &'a [u8],
    pub gaps: &'a [u8],
    pub output_positions: &'a [u8],
    pub split_positions: &'a [u8],
}

/// `tests/vectors/NAME`.
pub fn vectors(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", name].iter().collect()
}

/// The little-endian BF16 words of a tensor's bytes.
pub fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// Fails with the first difference, instead of printing two long vectors.
#[track_caller]
pub fn assert_same_words(what: &str, expected: &[u16], found: &[u16]) {
    assert_eq!(expected.len(), found.len(), "{what}: number of weights");
    if let Some(at) = expected.iter().zip(found).position(|(e, f)| e != f) {
        panic!("{what}: weight {at} of {}: expected {:#06x}, found {:#06x}", expected.len(), expected[at], found[at]);
    }
}

/// Checks every item, several at a time.
pub fn on_all_processors<T: Sync>(items: &[T], check: impl Fn(&T) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(item);
                }
            });
        }
    });
}
