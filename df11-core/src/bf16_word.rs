//! A BF16 word in its two halves: the exponent, which is coded, and sign and mantissa, which stay
//! raw.
//!
//! ```text
//!  s eeeeeeee mmmmmmm  ->  eeeeeeee  and  s mmmmmmm
//! ```
//!
//! FORMAT.md, "Splitting a weight".

use half::bf16;

/// Bits of the mantissa. The exponent is above them.
pub const MANTISSA_BITS: u32 = 7;
const SIGN: u16 = 1 << 15;
const MANTISSA: u16 = (1 << MANTISSA_BITS) - 1;

/// The biased exponent, 0 to 255.
pub const fn exponent(weight: bf16) -> u8 {
    (weight.to_bits() >> MANTISSA_BITS) as u8
}

/// The sign in bit 7, the mantissa in bits 6 to 0.
pub const fn sign_mantissa(weight: bf16) -> u8 {
    let word = weight.to_bits();
    ((word & SIGN) >> 8 | word & MANTISSA) as u8
}

/// The weight that was split into `exponent` and `sign_mantissa`.
pub const fn merge(exponent: u8, sign_mantissa: u8) -> bf16 {
    let rest = sign_mantissa as u16;
    bf16::from_bits((rest << 8) & SIGN | (exponent as u16) << MANTISSA_BITS | rest & MANTISSA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_survives_split_and_merge() {
        for word in 0..=u16::MAX {
            let weight = bf16::from_bits(word);
            assert_eq!(merge(exponent(weight), sign_mantissa(weight)).to_bits(), word);
        }
    }
}
