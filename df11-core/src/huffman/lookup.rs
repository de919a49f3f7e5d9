//! Finds the code that a bit string begins with.
//!
//! A window is the next 32 bits of a stream. A code of length l, left-aligned to 32 bits, covers
//! the 2^(32-l) windows from its own bits on. The codes are sorted by these bits. So only the last
//! code at or before a window can cover it, and a binary search finds that code. For codes of at
//! most 8 bits, a table by the first 8 bits gives the answer at once.

use crate::huffman::{Code, span};
use crate::limits::{MAX_CODE_BITS, TABLE_BITS, TABLE_ENTRIES};

/// A prefix-free code, ready to be read.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The left-aligned codes in ascending order, `size` of them. `exponents` and `lengths` are in
    /// the same order.
    first: [u32; 256],
    exponents: [u8; 256],
    lengths: [u8; 256],
    size: usize,
    /// By the first 8 bits: (exponent, length) of the code of at most 8 bits that they begin with;
    /// length 0 if there is none.
    short: [(u8, u8); TABLE_ENTRIES],
}

impl Lookup {
    /// Prepares a code for look-ups.
    pub fn new(code: &Code) -> Self {
        let (sorted, size) = code.sorted();
        let mut lookup = Self { first: [0; 256], exponents: [0; 256], lengths: [0; 256], size, short: [(0, 0); 256] };
        for (index, &(first, exponent, length)) in sorted[..size].iter().enumerate() {
            (lookup.first[index], lookup.exponents[index], lookup.lengths[index]) = (first, exponent, length);
            if u32::from(length) <= TABLE_BITS {
                let entry = (first >> (MAX_CODE_BITS - TABLE_BITS)) as usize;
                lookup.short[entry..][..1 << (TABLE_BITS - u32::from(length))].fill((exponent, length));
            }
        }
        lookup
    }

    /// Exponent and length of the code that `window`, the next 32 bits, begins with; `None` if none
    /// does.
    pub fn find(&self, window: u32) -> Option<(u8, u32)> {
        let (exponent, length) = self.short[(window >> (MAX_CODE_BITS - TABLE_BITS)) as usize];
        if length > 0 {
            return Some((exponent, u32::from(length)));
        }
        let index = self.first[..self.size].partition_point(|&first| first <= window).checked_sub(1)?;
        let length = self.lengths[index];
        let covered = u64::from(window - self.first[index]) < span(length);
        covered.then_some((self.exponents[index], u32::from(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(lengths: &[(u8, u8)]) -> Code {
        let mut all = [0; 256];
        for &(exponent, length) in lengths {
            all[usize::from(exponent)] = length;
        }
        Code::canonical(&all).unwrap()
    }

    #[test]
    fn every_code_is_found_and_nothing_else() {
        let code = code(&[(5, 1), (6, 3), (7, 9), (8, 17), (255, 32), (254, 32)]);
        let lookup = Lookup::new(&code);
        for exponent in code.exponents() {
            let length = u32::from(code.lengths()[usize::from(exponent)]);
            let below = (1u64 << (32 - length)) as u32 - 1;
            for window in [code.aligned(exponent), code.aligned(exponent) | below] {
                assert_eq!(lookup.find(window), Some((exponent, length)));
            }
        }
        assert_eq!(lookup.find(code.aligned(255) + 1), None);
        assert_eq!(lookup.find(u32::MAX), None);
    }
}
