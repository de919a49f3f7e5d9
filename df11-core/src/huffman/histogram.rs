use half::bf16;

use crate::bf16_word;
use crate::limits::{MAX_CODE_BITS, MAX_WEIGHTS};

/// How often each exponent occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; 256],
}

impl Histogram {
    /// Counts the exponents of `weights`.
    pub fn of(weights: &[bf16]) -> Self {
        let mut counts = [0; 256];
        for &weight in weights {
            counts[usize::from(bf16_word::exponent(weight))] += 1;
        }
        Self { counts }
    }

    /// A histogram counted elsewhere: how often each exponent occurs.
    pub fn from_counts(counts: [u64; 256]) -> Self {
        Self { counts }
    }

    /// Adds the counts of `other`. A count does not grow past `u64::MAX`.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
    }

    /// How often each exponent occurs, by exponent.
    pub fn counts(&self) -> &[u64; 256] {
        &self.counts
    }

    /// Number of weights counted, at most `u64::MAX`.
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |total, &count| total.saturating_add(count))
    }

    /// Number of exponents that occur.
    pub fn exponents_in_use(&self) -> usize {
        self.counts.iter().filter(|&&count| count > 0).count()
    }

    /// Shannon entropy of the exponent, in bits per weight.
    pub fn entropy(&self) -> f64 {
        entropy(&self.counts)
    }

    /// Bits of the stream under a code of these lengths. Precondition: `total` is at most
    /// `MAX_WEIGHTS`.
    pub(crate) fn stream_bits(&self, lengths: &[u8; 256]) -> u64 {
        self.counts.iter().zip(lengths).map(|(&count, &length)| count * u64::from(length)).sum()
    }
}

const _: () = assert!(MAX_WEIGHTS.checked_mul(MAX_CODE_BITS as u64).is_some(), "the bits of a unit fit their number");

/// Shannon entropy, in bits, of a source whose states occurred `counts` times; 0 if nothing
/// occurred.
pub fn entropy(counts: &[u64]) -> f64 {
    let total = counts.iter().map(|&count| count as f64).sum::<f64>();
    let surprise = |&count: &u64| {
        let share = count as f64 / total;
        -share * log2(share)
    };
    counts.iter().filter(|&&count| count > 0).map(surprise).sum::<f64>().max(0.0)
}

/// Binary logarithm of a positive normal number, to about 1e-15: `core` has none.
///
/// `x = 2^e m` with m in [2/3, 4/3]. Let `s = (m - 1) / (m + 1)`, so that `|s| <= 1/5`. Then
/// `ln m = 2 (s + s^3/3 + s^5/5 + ...)`.
fn log2(x: f64) -> f64 {
    const MANTISSA_BITS: u32 = 52;
    const BIAS: i64 = 1023;
    const TERMS: u32 = 11; // (1/5)^23 / 23 is below 1e-17
    let bits = x.to_bits();
    let mut exponent = (bits >> MANTISSA_BITS) as i64 - BIAS;
    let mut mantissa = f64::from_bits(bits & ((1 << MANTISSA_BITS) - 1) | (BIAS as u64) << MANTISSA_BITS);
    if mantissa > 4.0 / 3.0 {
        mantissa /= 2.0;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..=TERMS).rev().fold(0.0, |sum, term| sum * (s * s) + 1.0 / f64::from(2 * term + 1));
    exponent as f64 + 2.0 * s * series * core::f64::consts::LOG2_E
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_agrees_with_std() {
        for x in [1.0, 1.01, 0.5, 0.75, 1.0 / 3.0, 1e-9, 0.999_999, 2.0 / 3.0, 1.333_333_4, 12_345.678] {
            assert!((log2(x) - std::primitive::f64::log2(x)).abs() < 2e-14, "{x}");
        }
    }

    #[test]
    fn entropy_of_known_sources() {
        assert_eq!(entropy(&[]), 0.0);
        assert_eq!(entropy(&[7]), 0.0);
        assert!((entropy(&[5, 5, 0, 5, 5]) - 2.0).abs() < 1e-14);
        assert!((entropy(&[3, 1]) - 0.811_278_124_459_132_8).abs() < 1e-14);
    }

    #[test]
    fn histograms_add_up() {
        let weights = [1.0, -1.0, 3.0, 0.0].map(bf16::from_f32);
        let mut sum = Histogram::of(&weights[..1]);
        sum.add(&Histogram::of(&weights[1..]));
        assert_eq!(sum, Histogram::of(&weights));
        assert_eq!((sum.total(), sum.exponents_in_use(), sum.counts()[127]), (4, 3, 2));

        let full = Histogram::from_counts([u64::MAX; 256]);
        sum.add(&full);
        assert_eq!((sum.clone(), sum.total()), (full, u64::MAX));
        assert_eq!(sum.entropy(), 8.0);
    }
}
