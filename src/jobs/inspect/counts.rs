//! Counts the weights of a unit, matrix by matrix.

use std::ops::Range;

use df11_core::{Code, Exponents, Histogram, bf16, bf16_word, entropy};
use rayon::prelude::*;

use super::report::{Entropy, FlatReport, UnitReport};

/// Weights that one thread counts at a time: its tables of counts are then a small part of the
/// work.
const COUNT_WEIGHTS: usize = 1 << 16;
/// Bytes of an escape: its column and its exponent.
const ESCAPE_BYTES: u64 = 5;

/// The counts of a unit whose weights arrive from front to back.
pub(super) struct UnitCounts<'c, M> {
    code: &'c Code,
    /// The matrices after `matrix`.
    matrices: M,
    whole: Counts,
    matrix: Counts,
    /// Weights of `matrix` that are not counted yet.
    left: u64,
    flat: FlatReport,
}

impl<'c, M: Iterator<Item = Range<u64>>> UnitCounts<'c, M> {
    /// `matrices` follow one another and have all weights.
    pub fn new(code: &'c Code, matrices: M) -> Self {
        let (whole, matrix) = Default::default();
        UnitCounts { code, matrices, whole, matrix, left: 0, flat: FlatReport::default() }
    }

    /// Counts the next weights.
    pub fn add(&mut self, mut weights: &[bf16]) {
        while !weights.is_empty() {
            if self.left == 0 {
                self.end_matrix();
                let Some(next) = self.matrices.next() else { return };
                self.left = next.end - next.start;
            }
            let (own, rest) = weights.split_at(self.left.min(weights.len() as u64) as usize);
            self.matrix.add(own);
            self.left -= own.len() as u64;
            weights = rest;
        }
    }

    fn end_matrix(&mut self) {
        let counts = std::mem::take(&mut self.matrix);
        let histogram = Histogram::from_counts(*counts.exponent);
        let escapes = Exponents::of_code(self.code).escapes(&histogram);
        let (weights, flat) = (histogram.total(), &mut self.flat);
        let bytes = weights + weights.div_ceil(2) + ESCAPE_BYTES * escapes;
        let bf16 = size_of::<bf16>() as u64 * weights;
        if bytes < bf16 {
            flat.least_bytes += bytes;
            flat.escapes += escapes;
        } else if weights > 0 {
            flat.least_bytes += bf16;
            flat.kept_bf16 += 1;
        }
        self.whole = std::mem::take(&mut self.whole).merged(counts);
    }

    pub fn report(mut self, name: &str, bytes: u64) -> UnitReport {
        self.end_matrix();
        let mut sign = [0; 2];
        let mut mantissa = [0; 128];
        for (value, count) in self.whole.sign_mantissa.iter().enumerate() {
            sign[value >> 7] += count;
            mantissa[value & 0x7f] += count;
        }
        let exponents = Histogram::from_counts(*self.whole.exponent);
        let weights = exponents.total();
        UnitReport {
            name: name.to_owned(),
            weights,
            bits_per_weight: bytes as f64 * 8.0 / weights as f64,
            entropy: Entropy { sign: entropy(&sign), exponent: exponents.entropy(), mantissa: entropy(&mantissa) },
            exponents_in_use: exponents.exponents_in_use(),
            longest_code: u32::from(self.code.longest()),
            bytes,
            flat: self.flat,
            histogram: self.whole.exponent,
        }
    }
}

/// How often each exponent occurs, and each byte of sign and mantissa.
struct Counts {
    exponent: Box<[u64; 256]>,
    sign_mantissa: Box<[u64; 256]>,
}

impl Default for Counts {
    fn default() -> Self {
        Counts { exponent: Box::new([0; 256]), sign_mantissa: Box::new([0; 256]) }
    }
}

impl Counts {
    fn add(&mut self, weights: &[bf16]) {
        let all = weights.par_chunks(COUNT_WEIGHTS).map(Counts::of).reduce(Counts::default, Counts::merged);
        *self = std::mem::take(self).merged(all);
    }

    fn of(weights: &[bf16]) -> Counts {
        let mut counts = Counts::default();
        for &weight in weights {
            counts.exponent[usize::from(bf16_word::exponent(weight))] += 1;
            counts.sign_mantissa[usize::from(bf16_word::sign_mantissa(weight))] += 1;
        }
        counts
    }

    fn merged(mut self, other: Counts) -> Counts {
        let pairs = [(&mut self.exponent, &other.exponent), (&mut self.sign_mantissa, &other.sign_mantissa)];
        for (counts, more) in pairs {
            counts.iter_mut().zip(more.iter()).for_each(|(count, more)| *count += more);
        }
        self
    }
}
