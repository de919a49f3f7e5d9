//! BF16 words in a wider spelling: F32 or F16 tensors in which every value is a BF16 value, bit for
//! bit.
//!
//! ```text
//! F32   the upper half is the word, the lower half is 0
//! F16   has 5 exponent bits and 10 mantissa bits. A value fits a word if the last 3 mantissa bits
//!       are 0. A subnormal fits if all its 1 bits lie in the 8 bits that begin with the first 1.
//! ```
//!
//! Everything works on bits, so a NaN keeps its payload. A value that its word cannot give back
//! exactly is refused.

use std::borrow::Cow;

use half::bf16;

use super::words;

/// How the values of a coded tensor are spelled in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    Bf16,
    F32,
    F16,
}

impl Spelling {
    /// The spelling of a dtype; `None` for a dtype that never holds BF16 words.
    pub fn of(dtype: &str) -> Option<Spelling> {
        match dtype {
            "BF16" => Some(Spelling::Bf16),
            "F32" => Some(Spelling::F32),
            "F16" => Some(Spelling::F16),
            _ => None,
        }
    }

    /// Bytes of one value.
    pub fn bytes(self) -> usize {
        match self {
            Spelling::F32 => size_of::<u32>(),
            Spelling::Bf16 | Spelling::F16 => size_of::<u16>(),
        }
    }

    /// Reads one value from the file's bytes for each element of `weights`.
    ///
    /// # Errors
    /// The index of the first value that is not a BF16 value.
    pub fn read(self, bytes: &[u8], weights: &mut [bf16]) -> Result<(), usize> {
        let word_of = |value: &[u8]| match (self, value) {
            (Spelling::F32, &[0, 0, low, high]) => Some(u16::from_le_bytes([low, high])),
            (Spelling::F16, &[low, high]) => word_of_f16(u16::from_le_bytes([low, high])),
            (Spelling::Bf16, &[low, high]) => Some(u16::from_le_bytes([low, high])),
            _ => None,
        };
        for (index, (weight, value)) in weights.iter_mut().zip(bytes.chunks_exact(self.bytes())).enumerate() {
            *weight = bf16::from_bits(word_of(value).ok_or(index)?);
        }
        Ok(())
    }

    /// The bytes of the weights in a file. A weight that F16 cannot hold was never read from F16.
    /// It is written as 0, and then the tensor's checksum does not match.
    pub fn write(self, weights: &[bf16]) -> Cow<'_, [u8]> {
        match self {
            Spelling::Bf16 => words::to_file(weights),
            Spelling::F32 => {
                weights.iter().flat_map(|weight| (u32::from(weight.to_bits()) << 16).to_le_bytes()).collect()
            }
            Spelling::F16 => {
                weights.iter().flat_map(|weight| f16_of_word(weight.to_bits()).unwrap_or(0).to_le_bytes()).collect()
            }
        }
    }
}

const SIGN: u16 = 1 << 15;
const F16_MANTISSA_BITS: u32 = 10;
const F16_INFINITE: u16 = 31;
const BF16_MANTISSA_BITS: u32 = 7;
const BF16_INFINITE: u16 = 255;
/// How much larger a BF16 exponent is than the F16 exponent of the same value.
const BIAS_DIFFERENCE: u16 = 127 - 15;

/// The BF16 word with the value of an F16 word.
fn word_of_f16(half: u16) -> Option<u16> {
    let (sign, exponent, mantissa) = (half & SIGN, half >> F16_MANTISSA_BITS & F16_INFINITE, half & 0x3FF);
    let (exponent, mantissa) = match (exponent, mantissa) {
        (0, 0) => (0, 0),
        // mantissa * 2^-24: the first 1 becomes the hidden bit.
        (0, _) => {
            let shift = mantissa.leading_zeros() + F16_MANTISSA_BITS + 1 - u16::BITS;
            (BIAS_DIFFERENCE + 1 - shift as u16, mantissa << shift & 0x3FF)
        }
        (F16_INFINITE, _) => (BF16_INFINITE, mantissa),
        _ => (exponent + BIAS_DIFFERENCE, mantissa),
    };
    let lost = F16_MANTISSA_BITS - BF16_MANTISSA_BITS;
    (mantissa.trailing_zeros() >= lost).then_some(sign | exponent << BF16_MANTISSA_BITS | mantissa >> lost)
}

/// The F16 word with the same value.
fn f16_of_word(word: u16) -> Option<u16> {
    let (sign, exponent, mantissa) = (word & SIGN, word >> BF16_MANTISSA_BITS & 0xFF, word & 0x7F);
    let mantissa = mantissa << (F16_MANTISSA_BITS - BF16_MANTISSA_BITS);
    let magnitude = match exponent {
        0 if mantissa == 0 => 0,
        BF16_INFINITE => F16_INFINITE << F16_MANTISSA_BITS | mantissa,
        _ if (BIAS_DIFFERENCE + 1..BIAS_DIFFERENCE + F16_INFINITE).contains(&exponent) => {
            (exponent - BIAS_DIFFERENCE) << F16_MANTISSA_BITS | mantissa
        }
        _ if (BIAS_DIFFERENCE + 1 - F16_MANTISSA_BITS as u16..=BIAS_DIFFERENCE).contains(&exponent) => {
            let (whole, shift) = (1 << F16_MANTISSA_BITS | mantissa, BIAS_DIFFERENCE + 1 - exponent);
            if whole & ((1 << shift) - 1) != 0 {
                return None;
            }
            whole >> shift
        }
        _ => return None,
    };
    Some(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_word_that_is_taken_has_its_value_and_comes_back() {
        let mut taken = 0;
        for half in 0..=u16::MAX {
            let value = half::f16::from_bits(half);
            let exact = bf16::from_f32(value.to_f32()).to_f32() == value.to_f32();
            match word_of_f16(half) {
                Some(word) => {
                    taken += 1;
                    assert_eq!(f16_of_word(word), Some(half), "{half:#06x}");
                    let back = bf16::from_bits(word).to_f32();
                    assert!(back == value.to_f32() || (back.is_nan() && value.is_nan()), "{half:#06x}");
                }
                None => assert!(!exact, "{half:#06x}"),
            }
        }
        let words = (0..=u16::MAX).filter(|&word| f16_of_word(word).is_some()).count();
        assert_eq!(taken, words);
    }

    #[test]
    fn every_word_comes_back_from_f32_and_nothing_else_is_taken() {
        let words: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
        let mut bytes = Spelling::F32.write(&words).into_owned();
        let mut back = vec![bf16::ZERO; words.len()];
        assert_eq!(Spelling::F32.read(&bytes, &mut back), Ok(()));
        assert!(words.iter().zip(&back).all(|(a, b)| a.to_bits() == b.to_bits()));
        bytes[4 * 1000 + 1] = 1;
        assert_eq!(Spelling::F32.read(&bytes, &mut back), Err(1000));
    }
}
