//! What must hold whatever the bytes. A target returns, or panics with what does not hold.

mod codes;
mod damaged;
mod models;
mod sound;

pub use codes::{huffman_lengths, lookup_table};
pub use damaged::{decode_any_bytes, validate};
pub use models::{model_directory, safetensors_header};
pub use sound::{backends_agree, round_trip};

/// A target by name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. `fuzz_targets` has a file for each.
pub const ALL: [Target; 8] = [
    ("round_trip", round_trip),
    ("decode_any_bytes", decode_any_bytes),
    ("validate", validate),
    ("backends_agree", backends_agree),
    ("huffman_lengths", huffman_lengths),
    ("lookup_table", lookup_table),
    ("safetensors_header", safetensors_header),
    ("model_directory", model_directory),
];
