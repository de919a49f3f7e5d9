//! The product of a matrix with vectors, plainly: `y = W x + bias`, with the same bits on every
//! processor. FLAT.md, "Products".
//!
//! ```text
//! 64 partial sums, each +0
//! for each column, ascending:  sums[column % 64] = round_f32(w * x + sums[column % 64])
//! for half in 32, 16, 8, 4, 2, 1:  sums[i] = round_f32(sums[i] + sums[i + half]), i < half
//! y = round_f32(sums[0] + bias), NaN as one fixed NaN, then BF16 if y is that
//! ```

use half::bf16;

/// Partial sums of a product.
pub const SUMS: usize = 64;

/// The one NaN that a product writes as f32.
const NAN_F32: u32 = 0x7FC0_0000;
/// The one NaN that a product writes as BF16.
const NAN_BF16: u16 = 0x7FC0;

/// The value of a BF16 word, exactly.
const fn value(word: bf16) -> f32 {
    f32::from_bits((word.to_bits() as u32) << 16)
}

/// One fused step: `weight * x + sum`, rounded once to f32.
///
/// It is what `f32::mul_add` gives, which `core` does not have. The product of two BF16 is exact in
/// f64, and rounding their sum to f64 before f32 changes nothing: FLAT.md, "Why f64 gives the fused
/// step", has the proof. The bits of a NaN are not fixed here.
pub const fn step(weight: bf16, x: bf16, sum: f32) -> f32 {
    (value(weight) as f64 * value(x) as f64 + sum as f64) as f32
}

/// Adds the partial sums as a tree: the upper half to the lower half, until one is left.
pub const fn fold(mut sums: [f32; SUMS]) -> f32 {
    let mut half = SUMS / 2;
    while half > 0 {
        let mut i = 0;
        while i < half {
            sums[i] += sums[i + half];
            i += 1;
        }
        half /= 2;
    }
    sums[0]
}

/// A row times x: the partial sums, and their tree. Weights and x are as many; what is left over of
/// either does not count.
pub fn dot(weights: impl IntoIterator<Item = bf16>, x: &[bf16]) -> f32 {
    let mut sums = [0.0; SUMS];
    for (column, (weight, &x)) in weights.into_iter().zip(x).enumerate() {
        let sum = &mut sums[column % SUMS];
        *sum = step(weight, x, *sum);
    }
    fold(sums)
}

/// What is added to each row of a product: an element for each row.
#[derive(Clone, Copy, Debug)]
pub enum Bias<'a> {
    /// As f32.
    F32(&'a [f32]),
    /// As BF16.
    Bf16(&'a [bf16]),
}

impl Bias<'_> {
    /// Number of elements.
    pub const fn count(&self) -> usize {
        match self {
            Self::F32(bias) => bias.len(),
            Self::Bf16(bias) => bias.len(),
        }
    }

    /// The element of a row; `None` after the last.
    pub fn of_row(&self, row: usize) -> Option<f32> {
        match self {
            Self::F32(bias) => bias.get(row).copied(),
            Self::Bf16(bias) => bias.get(row).copied().map(value),
        }
    }
}

/// Where a product writes.
#[derive(Debug)]
pub enum Output<'a> {
    /// As f32.
    F32(&'a mut [f32]),
    /// Rounded to BF16, to the nearest, ties to even. Subnormals stay.
    Bf16(&'a mut [bf16]),
}

impl Output<'_> {
    /// Number of elements.
    pub const fn count(&self) -> usize {
        match self {
            Self::F32(y) => y.len(),
            Self::Bf16(y) => y.len(),
        }
    }

    /// Adds the bias to a sum and writes it as the element `index`. Nothing happens after the last
    /// element.
    pub fn set(&mut self, index: usize, sum: f32, bias: Option<f32>) {
        let sum = bias.map_or(sum, |bias| sum + bias);
        match self {
            Self::F32(y) => y.get_mut(index).into_iter().for_each(|y| *y = fixed_nan(sum)),
            Self::Bf16(y) => y.get_mut(index).into_iter().for_each(|y| *y = to_bf16(sum)),
        }
    }
}

/// The f32 that a product writes: the sum, or the one NaN.
pub const fn fixed_nan(sum: f32) -> f32 {
    if sum.is_nan() { f32::from_bits(NAN_F32) } else { sum }
}

/// The BF16 that a product writes: the sum rounded to the nearest, ties to even, or the one NaN.
pub const fn to_bf16(sum: f32) -> bf16 {
    const HALF_LESS_ONE: u32 = (1 << 15) - 1;
    if sum.is_nan() {
        return bf16::from_bits(NAN_BF16);
    }
    // The bits of f32 are in the order of its values, infinity is next after the largest. So a
    // carry into the exponent is right, and no sum that is not NaN overflows 32 bits.
    let bits = sum.to_bits();
    bf16::from_bits(((bits + HALF_LESS_ONE + (bits >> 16 & 1)) >> 16) as u16)
}
