//! The report on a unit.

use serde::Serialize;

/// A unit.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct UnitReport {
    /// The module path.
    pub name: String,
    /// The number of its weights.
    pub weights: u64,
    /// `bytes` in bits, divided by the number of weights.
    pub bits_per_weight: f64,
    /// The fewest bits that each field of its weights could be coded in.
    pub entropy: Entropy,
    /// The number of different exponents.
    pub exponents_in_use: usize,
    /// Bits of its longest code.
    pub longest_code: u32,
    /// Bytes of its six arrays.
    pub bytes: u64,
    /// What its flat form would take, made from the coded unit.
    pub flat: FlatReport,
    /// How often each exponent occurs.
    #[serde(skip)]
    pub histogram: Box<[u64; 256]>,
}

/// Shannon entropies, in bits per weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entropy {
    /// Of the sign, at most 1.
    pub sign: f64,
    /// Of the exponent, at most 8.
    pub exponent: f64,
    /// Of the mantissa, at most 7.
    pub mantissa: f64,
}

/// The flat form of a unit: fixed in length, for computing. It is made in memory, never in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FlatReport {
    /// Bytes that it takes at least: 12 bits for each weight and 5 bytes for each escape, or BF16
    /// for a matrix where that is not more. Headers, the starts of rows, and the padding of rows
    /// to multiples of 64 columns come on top: they depend on shapes, which a unit does not hold.
    pub least_bytes: u64,
    /// Weights that escape: their exponents are not among the 15 with the shortest codes.
    pub escapes: u64,
    /// Matrices kept in BF16, because so many of their weights would escape. Their weights do not
    /// count as escapes.
    pub kept_bf16: u64,
}
