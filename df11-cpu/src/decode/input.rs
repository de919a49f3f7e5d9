//! Where a lane reads: a part of the stream that no round leaves.
//!
//! ```text
//! bytes:  | first bit ...... bound | ROUND_REACH bytes at least |
//!           ^ bit: a round begins only where bit <= bound       ^ so that it ends in here
//! ```
//!
//! Near the end of the stream, a lane reads a copy with zeros after it. Unsafe code relies on this
//! file.

use df11_core::limits::{BLOCK_BYTES, MAX_CODE_BITS};

use super::sizes::MAX_GROUPS;
use crate::memory::prefetch;

/// Most bits that a group steps over: those of one load, and of one code decoded slowly.
pub(crate) const GROUP_BITS: usize = (u64::BITS + MAX_CODE_BITS) as usize;
/// Bytes that a round may read, counted from the byte that holds its first bit.
pub(crate) const ROUND_REACH: usize = (MAX_GROUPS * GROUP_BITS).div_ceil(8) + 16;

/// Blocks at the end of a stream that are copied. A round that begins in an earlier block does not
/// reach the end.
const TAIL_BLOCKS: usize = 2;
const _: () = assert!(ROUND_REACH + MAX_CODE_BITS as usize / 8 < BLOCK_BYTES);

/// A copy of the end of a stream, with zeros after it.
pub(crate) struct Tail {
    bytes: Vec<u8>,
    /// The byte of the stream at which the copy begins.
    first: usize,
}

impl Tail {
    /// Copies the end of a stream.
    pub fn of(stream: &[u8]) -> Self {
        let first = stream.len().div_ceil(BLOCK_BYTES).saturating_sub(TAIL_BLOCKS) * BLOCK_BYTES;
        let mut bytes = Vec::with_capacity(stream.len() - first + ROUND_REACH);
        bytes.extend_from_slice(&stream[first..]);
        bytes.resize(bytes.len() + ROUND_REACH, 0);
        Self { bytes, first }
    }
}

/// The stream of a unit, and its tail.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    pub bytes: &'a [u8],
    pub tail: &'a Tail,
}

/// Where a lane reads.
///
/// Invariant: `bytes` holds `ROUND_REACH` bytes, counted from the byte that holds bit `bound`. Only
/// `new` and `idle` set these two fields; nothing changes them.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    bound: usize,
    /// The next bit. It may have any value.
    bit: usize,
    /// The bit at which the input began.
    first: usize,
}

/// Enough zeros for a lane without a job.
static IDLE: [u8; ROUND_REACH] = [0; ROUND_REACH];

impl<'a> Input<'a> {
    /// Zeros, for a lane without a job.
    pub fn idle() -> Self {
        Self { bytes: &IDLE, bound: 0, bit: 0, first: 0 }
    }

    /// The stream from `first_bit` on. No round begins more than `bits` bits after it. Returns
    /// `None` if the stream ends before those bits do.
    pub fn new(stream: Stream<'a>, first_bit: u64, bits: usize) -> Option<Self> {
        let (byte, first) = ((first_bit / 8) as usize, (first_bit % 8) as usize);
        let bound = first + bits;
        if bound.div_ceil(8) > stream.bytes.len().checked_sub(byte)? {
            return None;
        }
        let reaches = |bytes: &&[u8]| bytes.len() >= bound / 8 + ROUND_REACH;
        let stream_from = stream.bytes.get(byte..).filter(reaches);
        let tail_from = || stream.tail.bytes.get(byte.checked_sub(stream.tail.first)?..).filter(reaches);
        Some(Self { bytes: stream_from.or_else(tail_from)?, bound, bit: first, first })
    }

    /// Whether a round may begin here. It reads at most `ROUND_REACH` bytes, counted from the byte
    /// of the next bit, and they exist.
    #[inline(always)]
    pub fn may_begin_round(&self) -> bool {
        self.bit <= self.bound
    }

    /// The byte that holds the next bit. A round reads from it.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn next_byte(&self) -> *const u8 {
        self.bytes.as_ptr().wrapping_add(self.bit / 8)
    }

    /// The position of the next bit within its byte.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn bit_of_byte(&self) -> usize {
        self.bit % 8
    }

    /// The next bits of the stream. Below them, where no look-up of a group reaches, a marker bit
    /// shows later how far the window was shifted.
    #[inline(always)]
    pub fn window(&self) -> u64 {
        let load = self.bytes.get(self.bit / 8..).and_then(<[u8]>::first_chunk);
        load.map_or(0, |&load| u64::from_be_bytes(load)) << (self.bit % 8) | 1
    }

    /// Steps over `bits` bits.
    #[inline(always)]
    pub fn step(&mut self, bits: usize) {
        self.bit += bits;
    }

    /// The number of bits stepped over.
    pub fn stepped(&self) -> usize {
        self.bit - self.first
    }

    /// Prefetches the memory `ahead` bytes after the next bit.
    #[inline(always)]
    pub fn prefetch(&self, ahead: usize) {
        prefetch(self.bytes, self.bit / 8 + ahead);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use df11_core::limits::BLOCK_BITS;

    /// Whatever arguments `new` gets, an input can be read as far as a round reaches, and holds the
    /// stream or zeros.
    #[test]
    fn a_round_reaches_no_byte_outside() {
        for bytes in [1, 7, 400, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 5] {
            let all: Vec<u8> = (0..bytes).map(|byte| byte as u8 | 1).collect();
            let (tail, end) = (Tail::of(&all), 8 * bytes as u64);
            let stream = Stream { bytes: &all, tail: &tail };
            for first_bit in (0..end + 100).step_by(if bytes < 1000 { 1 } else { 61 }) {
                for bits in [0, 1, 31, BLOCK_BYTES * 8, end as usize, usize::MAX / 2] {
                    let is_held = first_bit + bits as u64 <= end;
                    let is_block = first_bit % BLOCK_BITS + bits as u64 <= BLOCK_BITS + u64::from(MAX_CODE_BITS);
                    let Some(input) = Input::new(stream, first_bit, bits) else {
                        assert!(!is_held || !is_block, "{first_bit}+{bits} of {end}");
                        continue;
                    };
                    assert!(is_held, "{first_bit}+{bits} of {end}");
                    let reached = &input.bytes[..input.bound / 8 + ROUND_REACH];
                    let expected = all[(first_bit / 8) as usize..].iter().copied().chain(core::iter::repeat(0));
                    assert!(reached.iter().copied().eq(expected.take(reached.len())), "{first_bit}+{bits} of {end}");
                }
            }
        }
    }
}
