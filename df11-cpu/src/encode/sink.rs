/// Appends bits, most significant first, to bytes that begin in the middle of another's last byte.
///
/// The bytes from the one that holds the first bit on are its own, up to the one that holds the bit behind its last, which is the next one's: what
/// belongs in there is handed over as a `Seam`.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    bytes: &'a mut [u8],
    /// Bytes written for good.
    at: usize,
    /// The bits behind them, left-aligned; fewer than 8 between two calls.
    pending: u64,
    pending_bits: u32,
    /// Where in the whole array `bytes` begins.
    offset: usize,
}

/// The last bits of a sink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seam {
    byte: usize,
    bits: u8,
}

impl<'a> Sink<'a> {
    /// Bytes that begin `offset` bytes into the whole array, in which the first `skip` (at most 7) bits are another's.
    pub fn new(bytes: &'a mut [u8], offset: usize, skip: u32) -> Self {
        Self { bytes, at: 0, pending: 0, pending_bits: skip, offset }
    }

    /// Appends the lowest `bits` (at most 56) bits of `value`, whose others are zero.
    #[inline(always)]
    pub fn put(&mut self, value: u64, bits: u32) {
        let held = self.pending_bits + bits;
        // 64 only for no bits at all.
        self.pending |= value.wrapping_shl(u64::BITS - held);
        let whole = held / 8;
        match self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            Some(window) => *window = self.pending.to_be_bytes(),
            None => put_near_end(self.bytes.get_mut(self.at..).unwrap_or_default(), self.pending, whole as usize),
        }
        self.at += whole as usize;
        self.pending <<= whole * 8;
        self.pending_bits = held % 8;
    }

    /// The bytes to be written, and the bits that belong in front of what goes there, left-aligned: fewer than 8.
    pub fn open(&mut self) -> (&mut [u8], u64) {
        (self.bytes.get_mut(self.at..).unwrap_or_default(), self.pending)
    }

    /// So many bits were added there, of which `pending`, left-aligned, are behind the last whole byte.
    pub fn advance(&mut self, bits: usize, pending: u64) {
        let held = self.pending_bits as usize + bits;
        (self.at, self.pending, self.pending_bits) = (self.at + held / 8, pending, (held % 8) as u32);
    }

    /// Takes it out, so that its counters live in registers.
    pub fn take(&mut self) -> Self {
        let empty = Self { bytes: &mut [], at: 0, pending: 0, pending_bits: 0, offset: 0 };
        core::mem::replace(self, empty)
    }

    /// Ends it: its last bits stand in the byte behind those written, which is the next one's unless there are more of its own.
    pub fn finish(&mut self) {
        self.bytes.get_mut(self.at..).unwrap_or_default().fill(0);
    }

    /// What is left for that byte.
    pub fn seam(&self) -> Seam {
        Seam { byte: self.offset + self.at, bits: self.pending.to_be_bytes()[0] }
    }
}

#[cold]
fn put_near_end(bytes: &mut [u8], pending: u64, whole: usize) {
    for (byte, value) in bytes.iter_mut().zip(pending.to_be_bytes()).take(whole) {
        *byte = value;
    }
}

impl Seam {
    /// Puts the bits where they belong.
    pub fn close(self, bytes: &mut [u8]) {
        if let Some(byte) = bytes.get_mut(self.byte) {
            *byte |= self.bits;
        }
    }
}
