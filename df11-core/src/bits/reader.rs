/// Reads a byte slice as a bit string, most significant bit first.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    position: u64,
}

impl<'a> BitReader<'a> {
    /// Starts at bit `position`, which may be after the end.
    pub fn at(bytes: &'a [u8], position: u64) -> Self {
        Self { bytes, position }
    }

    /// Index of the next bit.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next 32 bits. Bits after the end are zeros.
    pub fn peek(&self) -> u32 {
        let first = usize::try_from(self.position / 8).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(first..).unwrap_or(&[]);
        let window = match bytes.first_chunk::<8>() {
            Some(whole) => u64::from_be_bytes(*whole),
            None => {
                let mut padded = [0; 8];
                padded[..bytes.len()].copy_from_slice(bytes);
                u64::from_be_bytes(padded)
            }
        };
        ((window << (self.position % 8)) >> 32) as u32
    }

    /// Skips `bits` bits. Returns `false`, and skips none, if fewer are left.
    #[must_use]
    pub fn skip(&mut self, bits: u32) -> bool {
        let end = self.position + u64::from(bits);
        let inside = end <= self.bytes.len() as u64 * 8;
        if inside {
            self.position = end;
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_most_significant_first_and_zeros_follow_the_end() {
        let mut bits = BitReader::at(&[0b1010_0000, 0xFF, 0, 0, 0x81], 1);
        assert_eq!(bits.peek(), 0b0100_0001_1111_1110_0000_0000_0000_0001);
        assert!(bits.skip(32));
        assert_eq!(bits.peek(), 1 << 25);
        assert!(!bits.skip(8));
        assert!(bits.skip(7));
        assert_eq!((bits.peek(), bits.position()), (0, 40));
        assert!(!bits.skip(1));
        assert_eq!(BitReader::at(&[1], u64::MAX / 2).peek(), 0);
    }
}
