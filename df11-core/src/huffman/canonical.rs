use crate::limits::MAX_CODE_BITS;

/// A prefix code: for each exponent a bit string of 1 to 32 bits, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    lengths: [u8; 256],
    bits: [u32; 256],
}

impl Code {
    /// The canonical code of these lengths, 0 for none: numbered in the order of (length, exponent). The lengths are at most 32 and
    /// fit (Kraft sum at most 1); otherwise the codes overlap, which `Lookup::new` finds.
    pub fn canonical(lengths: &[u8; 256]) -> Self {
        let mut bits = [0; 256];
        let mut next = 0u64;
        for length in 1..=MAX_CODE_BITS as u8 {
            next <<= 1;
            for exponent in (0..256).filter(|&exponent| lengths[exponent] == length) {
                bits[exponent] = next as u32;
                next += 1;
            }
        }
        Self { lengths: *lengths, bits }
    }

    /// A code of given lengths and bit strings, which must be right-aligned.
    pub(crate) fn from_parts(lengths: [u8; 256], bits: [u32; 256]) -> Self {
        Self { lengths, bits }
    }

    /// Bits of each exponent's code, by exponent; 0 for none.
    pub fn lengths(&self) -> &[u8; 256] {
        &self.lengths
    }

    /// The code of an exponent, right-aligned; 0 if it has none.
    pub fn bits(&self, exponent: u8) -> u32 {
        self.bits[usize::from(exponent)]
    }

    /// The code of an exponent, left-aligned; 0 if it has none.
    pub fn aligned(&self, exponent: u8) -> u32 {
        let length = self.lengths[usize::from(exponent)];
        self.bits(exponent).checked_shl(MAX_CODE_BITS - u32::from(length)).unwrap_or(0)
    }

    /// The exponents that have a code, in ascending order.
    pub fn exponents(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=255).filter(|&exponent| self.lengths[usize::from(exponent)] > 0)
    }

    /// Bits of the shortest code; 0 if there is none.
    pub fn shortest(&self) -> u8 {
        self.lengths.iter().copied().filter(|&length| length > 0).min().unwrap_or(0)
    }

    /// Bits of the longest code; 0 if there is none.
    pub fn longest(&self) -> u8 {
        self.lengths.iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_by_length_then_exponent() {
        let mut lengths = [0; 256];
        (lengths[3], lengths[200], lengths[7], lengths[9], lengths[255]) = (2, 1, 4, 4, 32);
        let code = Code::canonical(&lengths);
        assert_eq!([200, 3, 7, 9].map(|exponent| code.bits(exponent)), [0b0, 0b10, 0b1100, 0b1101]);
        assert_eq!((code.bits(255), code.bits(0)), (0xE000_0000, 0));
        assert_eq!((code.aligned(7), code.aligned(255), code.aligned(0)), (0xC000_0000, 0xE000_0000, 0));
        assert_eq!((code.shortest(), code.longest()), (1, 32));
        assert!(code.exponents().eq([3, 7, 9, 200, 255]));
    }
}
