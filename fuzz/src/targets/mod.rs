//! What must hold for any bytes. `../files.rs` has the targets of the facade. A target returns, or
//! panics with what does not hold.

mod api;
mod codes;
mod damaged;
mod flat;
mod sound;

use crate::support::adversarial;
use crate::support::draw::{Bytes, Draw};

pub use api::api;
pub use codes::{huffman_lengths, lookup_table};
pub use damaged::{decode_any_bytes, validate};
pub use flat::flat;
pub use sound::{backends_agree, round_trip};

/// Most exponents of a unit, by a draw; 256 in one unit of 64. The plans of its encoders take
/// longer than all the rest.
const FEW_EXPONENTS: [usize; 8] = [1, 2, 3, 5, 8, 12, 16, 24];

/// Adversarial weights, most of them of a few exponents.
fn any_words(draw: &mut Bytes, most: usize) -> Vec<u16> {
    let few = if draw.below(64) == 0 { 256 } else { FEW_EXPONENTS[draw.below(8) as usize] };
    let mut words = adversarial::weights(draw, most);
    if few < 256 {
        adversarial::fold(draw, &mut words, few);
    }
    words
}

/// A target by name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of core and of the CPU levels. `fuzz_targets` has a file for each.
pub const ALL: [Target; 8] = [
    ("round_trip", round_trip),
    ("decode_any_bytes", decode_any_bytes),
    ("validate", validate),
    ("backends_agree", backends_agree),
    ("huffman_lengths", huffman_lengths),
    ("lookup_table", lookup_table),
    ("flat", flat),
    ("api", api),
];
