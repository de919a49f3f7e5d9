//! Where generators take their choices from: a random sequence, or bytes that a fuzzer or proptest
//! varies and shrinks.

use super::random::Random;

/// A source of choices.
pub trait Draw {
    /// A number in `0..bound`; `bound` is not 0.
    fn below(&mut self, bound: u64) -> u64;

    /// True in `percent` of 100 cases.
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

impl Draw for Random {
    fn below(&mut self, bound: u64) -> u64 {
        Random::below(self, bound)
    }
}

/// Takes choices from bytes, as many bytes for each as its bound needs. After the last byte the
/// choices are random and depend only on the number of bytes, so a changed byte changes one choice.
#[derive(Clone, Debug)]
pub struct Bytes<'a> {
    rest: &'a [u8],
    behind: Random,
}

impl<'a> Bytes<'a> {
    pub fn new(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes { rest: bytes, behind: Random::new(bytes.len() as u64) }
    }

    /// The bytes not yet drawn.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Draw for Bytes<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        let needed = (64 - (bound - 1).leading_zeros()).div_ceil(8) as usize;
        match self.rest.split_at_checked(needed) {
            Some((drawn, rest)) => {
                self.rest = rest;
                drawn.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)) % bound
            }
            None => {
                self.rest = &[];
                self.behind.below(bound)
            }
        }
    }
}
