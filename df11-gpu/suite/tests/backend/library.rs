//! What the products need of the tests' library.

use df11_core::bf16;

pub fn to_bf16s(words: &[u16]) -> Vec<bf16> {
    words.iter().map(|&word| bf16::from_bits(word)).collect()
}
