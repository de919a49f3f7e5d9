/// Appends bits, most significant first, to bytes that begin within the last byte of another sink.
///
/// A sink owns the bytes from the one that holds its first bit up to, but not including, the one
/// that holds the bit after its last. That byte belongs to the next sink. The bits for it are
/// handed over as a `Seam`.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    bytes: &'a mut [u8],
    /// Bytes fully written.
    at: usize,
    /// The bits after these bytes, left-aligned. Fewer than 8 between two calls.
    pending: u64,
    pending_bits: u32,
    /// The offset of `bytes` in the whole array.
    offset: usize,
}

/// The last bits of a sink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seam {
    byte: usize,
    bits: u8,
}

impl<'a> Sink<'a> {
    /// Writes to `bytes`, which begin `offset` bytes into the whole array. Their first `skip` bits
    /// (at most
    /// 7) belong to another sink.
    pub fn new(bytes: &'a mut [u8], offset: usize, skip: u32) -> Self {
        Self { bytes, at: 0, pending: 0, pending_bits: skip, offset }
    }

    /// Appends the lowest `bits` bits (at most 56) of `value`. The other bits of `value` must be
    /// zero.
    #[inline(always)]
    pub fn put(&mut self, value: u64, bits: u32) {
        let held = self.pending_bits + bits;
        // `held` is 0 only if there are no bits at all.
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

    /// The bytes to write next, and the bits that come first in them: left-aligned, fewer than 8.
    pub fn open(&mut self) -> (&mut [u8], u64) {
        (self.bytes.get_mut(self.at..).unwrap_or_default(), self.pending)
    }

    /// Records that `bits` bits were added there. `pending` holds, left-aligned, those after the
    /// last whole byte.
    pub fn advance(&mut self, bits: usize, pending: u64) {
        let held = self.pending_bits as usize + bits;
        (self.at, self.pending, self.pending_bits) = (self.at + held / 8, pending, (held % 8) as u32);
    }

    /// Takes the sink out of its place, so that its counters live in registers.
    pub fn take(&mut self) -> Self {
        let empty = Self { bytes: &mut [], at: 0, pending: 0, pending_bits: 0, offset: 0 };
        core::mem::replace(self, empty)
    }

    /// Zero-fills the rest. A final partial byte belongs to the next shard; see `seam`.
    pub fn finish(&mut self) {
        self.bytes.get_mut(self.at..).unwrap_or_default().fill(0);
    }

    /// The bits of the final partial byte.
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
    /// Puts the bits into their byte.
    pub fn close(self, bytes: &mut [u8]) {
        if let Some(byte) = bytes.get_mut(self.byte) {
            *byte |= self.bits;
        }
    }
}
