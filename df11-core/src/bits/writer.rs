/// Writes a bit string into a byte slice, most significant bit first.
#[derive(Debug)]
pub struct BitWriter<'a> {
    bytes: &'a mut [u8],
    full: usize,
    /// Bits not yet written, right-aligned.
    pending: u64,
    pending_bits: u32,
}

impl<'a> BitWriter<'a> {
    /// Starts at the first bit of `bytes`. The old content of `bytes` does not matter.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, full: 0, pending: 0, pending_bits: 0 }
    }

    /// Index of the next bit.
    pub fn position(&self) -> u64 {
        self.full as u64 * 8 + u64::from(self.pending_bits)
    }

    /// Appends the lowest `bits` bits of `value`, at most 32. The other bits of `value` must be
    /// zero. Bits after the end of the slice are dropped.
    pub fn put(&mut self, value: u32, bits: u32) {
        debug_assert!(bits <= 32 && u64::from(value) >> bits == 0);
        self.pending = self.pending << bits | u64::from(value);
        self.pending_bits += bits;
        while self.pending_bits >= 8 {
            self.pending_bits -= 8;
            if let Some(byte) = self.bytes.get_mut(self.full) {
                *byte = (self.pending >> self.pending_bits) as u8;
            }
            self.full += 1;
        }
    }

    /// Fills the rest of the last byte, and every byte after it, with zeros.
    pub fn finish(mut self) {
        if self.pending_bits > 0 {
            self.put(0, 8 - self.pending_bits);
        }
        if let Some(rest) = self.bytes.get_mut(self.full..) {
            rest.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_stands_in_order_and_zeros_fill_the_rest() {
        let mut bytes = [0xAA; 7];
        let mut bits = BitWriter::new(&mut bytes);
        bits.put(0b101, 3);
        bits.put(0xFFFF_FFFF, 32);
        bits.put(0, 1);
        bits.put(1, 1);
        assert_eq!(bits.position(), 37);
        bits.finish();
        assert_eq!(bytes, [0b1011_1111, 0xFF, 0xFF, 0xFF, 0b1110_1000, 0, 0]);
    }
}
