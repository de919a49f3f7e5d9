use crate::error::Error;
use crate::limits::MAX_CODE_BITS;

/// A prefix-free code: for each exponent a bit string of 1 to 32 bits, or none.
///
/// Invariant: at least one exponent has a code. No length is above `MAX_CODE_BITS`. The bits of a
/// code are right-aligned, with zeros above its length. No code begins another. `canonical` and
/// `prefix_free` are the only constructors, and check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    lengths: [u8; 256],
    bits: [u32; 256],
}

impl Code {
    /// The canonical code of these lengths, 0 for none: numbered in the order of (length,
    /// exponent).
    ///
    /// # Errors
    /// `CodeTooLong` for a length above 32; `CodesOverlap` where there are not enough bit strings
    /// (the Kraft sum is above 1); `NoCodes` if all lengths are 0.
    pub fn canonical(lengths: &[u8; 256]) -> Result<Self, Error> {
        check_lengths(lengths)?;
        let mut bits = [0; 256];
        let mut first = None;
        // At most 2^length at the end of each turn of the loop, so at most 2^32.
        let mut next = 0u64;
        for length in 1..=MAX_CODE_BITS as u8 {
            next <<= 1;
            for exponent in (0..=255).filter(|&exponent| lengths[usize::from(exponent)] == length) {
                let first = *first.get_or_insert(exponent);
                if next >> length != 0 {
                    // All bit strings are taken. The next one would be all zeros again, like the
                    // first.
                    return Err(Error::CodesOverlap { exponent: first, other: exponent });
                }
                bits[usize::from(exponent)] = next as u32;
                next += 1;
            }
        }
        Ok(Self { lengths: *lengths, bits })
    }

    /// A code of given lengths and bit strings, which are right-aligned.
    ///
    /// # Errors
    /// `CodeTooLong`; `CodesOverlap` if one code begins another; `NoCodes` if there is none.
    pub(crate) fn prefix_free(lengths: [u8; 256], bits: [u32; 256]) -> Result<Self, Error> {
        check_lengths(&lengths)?;
        let code = Self { lengths, bits };
        let (sorted, size) = code.sorted();
        for pair in sorted[..size].windows(2) {
            let ((first, exponent, length), (next, other, _)) = (pair[0], pair[1]);
            if u64::from(first) + span(length) > u64::from(next) {
                return Err(Error::CodesOverlap { exponent, other });
            }
        }
        Ok(code)
    }

    /// The codes as (left-aligned bits, exponent, length), sorted by their bits, and their number.
    pub(crate) fn sorted(&self) -> ([(u32, u8, u8); 256], usize) {
        let mut sorted = [(0, 0, 0); 256];
        let mut size = 0;
        for exponent in self.exponents() {
            sorted[size] = (self.aligned(exponent), exponent, self.lengths[usize::from(exponent)]);
            size += 1;
        }
        sorted[..size].sort_unstable();
        (sorted, size)
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

    /// Bits of the shortest code, 1 to 32.
    pub fn shortest(&self) -> u8 {
        self.lengths.iter().copied().filter(|&length| length > 0).min().unwrap_or(0)
    }

    /// Bits of the longest code, 1 to 32.
    pub fn longest(&self) -> u8 {
        self.lengths.iter().copied().max().unwrap_or(0)
    }
}

/// Number of 32-bit strings that begin with a given code of `length` bits.
pub(crate) fn span(length: u8) -> u64 {
    1 << (MAX_CODE_BITS - u32::from(length))
}

fn check_lengths(lengths: &[u8; 256]) -> Result<(), Error> {
    match (0..=255).zip(lengths).find(|&(_, &length)| u32::from(length) > MAX_CODE_BITS) {
        Some((exponent, &length)) => Err(Error::CodeTooLong { exponent, length }),
        None if lengths.iter().all(|&length| length == 0) => Err(Error::NoCodes),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_by_length_then_exponent() {
        let mut lengths = [0; 256];
        (lengths[3], lengths[200], lengths[7], lengths[9], lengths[255]) = (2, 1, 4, 4, 32);
        let code = Code::canonical(&lengths).unwrap();
        assert_eq!([200, 3, 7, 9].map(|exponent| code.bits(exponent)), [0b0, 0b10, 0b1100, 0b1101]);
        assert_eq!((code.bits(255), code.bits(0)), (0xE000_0000, 0));
        assert_eq!((code.aligned(7), code.aligned(255), code.aligned(0)), (0xC000_0000, 0xE000_0000, 0));
        assert_eq!((code.shortest(), code.longest()), (1, 32));
        assert!(code.exponents().eq([3, 7, 9, 200, 255]));
    }

    #[test]
    fn lengths_that_no_code_can_have_are_refused() {
        let refused = |lengths: [u8; 256]| Code::canonical(&lengths).unwrap_err();
        assert_eq!(refused([0; 256]), Error::NoCodes);
        for length in [33, 64, 255] {
            let mut lengths = [0; 256];
            (lengths[3], lengths[9]) = (1, length);
            assert_eq!(refused(lengths), Error::CodeTooLong { exponent: 9, length });
        }
        // 2^7 bit strings for 256 exponents: exponent 127 takes the last one
        assert_eq!(refused([7; 256]), Error::CodesOverlap { exponent: 0, other: 128 });
        assert_eq!(refused([1; 256]), Error::CodesOverlap { exponent: 0, other: 2 });
        let mut whole = [32; 256];
        (1..=31).zip(&mut whole).for_each(|(length, of_exponent)| *of_exponent = length);
        // codes of 1 to 31 bits and two of 32 bits fill the code space; a third code of 32 bits is
        // one too many
        assert_eq!(refused(whole), Error::CodesOverlap { exponent: 0, other: 33 });
        whole[33..].fill(0);
        let code = Code::canonical(&whole).unwrap();
        assert_eq!((code.bits(31), code.bits(32)), (u32::MAX - 1, u32::MAX));
    }

    #[test]
    fn bit_strings_that_begin_each_other_are_no_code() {
        let (mut lengths, mut bits) = ([0; 256], [0; 256]);
        assert_eq!(Code::prefix_free(lengths, bits).unwrap_err(), Error::NoCodes);
        (lengths[1], bits[1], lengths[2], bits[2]) = (2, 0b10, 5, 0b10111);
        assert_eq!(Code::prefix_free(lengths, bits).unwrap_err(), Error::CodesOverlap { exponent: 1, other: 2 });
        bits[2] = 0b11000;
        assert_eq!(Code::prefix_free(lengths, bits).unwrap().aligned(2), 0b11000 << 27);
        lengths[2] = 33;
        assert_eq!(Code::prefix_free(lengths, bits).unwrap_err(), Error::CodeTooLong { exponent: 2, length: 33 });
    }
}
