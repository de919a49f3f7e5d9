use df11_core::limits::{BLOCK_CHUNKS, CHUNK_BITS, GAP_BITS, MAX_CODE_BITS};
use df11_core::{Code, bf16, bf16_word};

use super::sink::{Seam, Sink};

/// The code by exponent: its bits in the lower half, its length in the upper.
pub(crate) struct Words([u64; 256]);

const _: () = assert!(MAX_CODE_BITS <= 32);

impl Words {
    pub fn new(code: &Code) -> Self {
        let word = |exponent: usize| u64::from(code.lengths()[exponent]) << 32 | u64::from(code.bits(exponent as u8));
        Self(core::array::from_fn(word))
    }

    /// Bits and length of the code of a weight's exponent.
    #[inline(always)]
    pub fn of(&self, weight: bf16) -> (u64, u32) {
        let word = self.0[usize::from(bf16_word::exponent(weight))];
        (word & u64::from(u32::MAX), (word >> 32) as u32)
    }
}

/// Weights that are encoded together, and everything of theirs that is written.
pub(crate) struct Shard<'a> {
    /// All of them, but for the last weight of the unit: behind its code no other starts.
    pub weights: &'a [bf16],
    last: Option<bf16>,
    /// One byte for each weight.
    pub sign_mantissa: &'a mut [u8],
    /// The next bit of the whole stream.
    bit: u64,
    stream: Sink<'a>,
    gaps: Sink<'a>,
    /// Output positions of the blocks that begin in it.
    positions: core::slice::IterMut<'a, [u8; 4]>,
    /// The unit's index of its first weight.
    first: u64,
}

impl Shard<'_> {
    /// The next bit's place in its chunk.
    #[inline(always)]
    pub fn bit_of_chunk(&self) -> u32 {
        (self.bit % CHUNK_BITS) as u32
    }

    /// Appends bits that end in the same chunk as they begin, or that `chunk_starts` has been told of.
    #[inline(always)]
    pub fn put(&mut self, value: u64, bits: u32) {
        self.stream.put(value, bits);
        self.bit += u64::from(bits);
    }

    /// A chunk begins within or right behind the codes that are about to be put: the first code in it is that of `weights[index]`, `gap` bits on.
    #[inline(always)]
    pub fn chunk_starts(&mut self, index: usize, gap: u32) {
        self.gaps.put(u64::from(gap), GAP_BITS as u32);
        if self.bit / CHUNK_BITS % BLOCK_CHUNKS as u64 == BLOCK_CHUNKS as u64 - 1
            && let Some(position) = self.positions.next()
        {
            *position = ((self.first + index as u64) as u32).to_le_bytes();
        }
    }

    /// Appends the code of `weights[index]`.
    #[inline(always)]
    pub fn put_one(&mut self, words: &Words, index: usize) {
        let (value, bits) = words.of(self.weights[index]);
        let end = self.bit_of_chunk() + bits;
        if end >= CHUNK_BITS as u32 {
            self.chunk_starts(index + 1, end - CHUNK_BITS as u32);
        }
        self.put(value, bits);
    }

    /// Appends the last code of the unit, and fills up.
    pub fn finish(&mut self, words: &Words) {
        if let Some(weight) = self.last {
            let (value, bits) = words.of(weight);
            self.put(value, bits);
            if let Some(byte) = self.sign_mantissa.last_mut() {
                *byte = bf16_word::sign_mantissa(weight);
            }
            let end = ((self.first + self.weights.len() as u64 + 1) as u32).to_le_bytes();
            (&mut self.positions).for_each(|position| *position = end);
        }
        self.stream.finish();
        self.gaps.finish();
    }

    /// What goes into bytes of the next shard: of the stream, and of the gaps.
    pub fn seams(&self) -> [Seam; 2] {
        [self.stream.seam(), self.gaps.seam()]
    }
}

/// Cuts the weights and buffers of a unit into shards.
pub(crate) struct Cutter<'a> {
    weights: &'a [bf16],
    sign_mantissa: &'a mut [u8],
    stream: &'a mut [u8],
    gaps: &'a mut [u8],
    positions: &'a mut [[u8; 4]],
    first: u64,
    bit: u64,
    /// Bits of `gaps` that belong to earlier shards.
    gap_bit: u64,
}

impl<'a> Cutter<'a> {
    pub fn new(
        weights: &'a [bf16],
        sign_mantissa: &'a mut [u8],
        stream: &'a mut [u8],
        gaps: &'a mut [u8],
        positions: &'a mut [u8],
    ) -> Self {
        let positions = positions.as_chunks_mut().0;
        Self { weights, sign_mantissa, stream, gaps, positions, first: 0, bit: 0, gap_bit: 0 }
    }

    /// The next `count` weights, or all that are left, whose codes are `bits` long.
    pub fn cut(&mut self, count: usize, bits: u64) -> Shard<'a> {
        let count = count.min(self.weights.len());
        let is_last = count == self.weights.len();
        let (start, end) = (self.bit, self.bit + bits);
        // The gap of the first chunk is 0. Each further one is noted by the shard that holds the bit before it.
        let gap_end = (end / CHUNK_BITS + 1) * GAP_BITS as u64;
        let gap_start = self.gap_bit;
        let block_of = |bit: u64| bit / (CHUNK_BITS * BLOCK_CHUNKS as u64);
        let blocks = (block_of(end) - block_of(start)) as usize;

        let cut = |bytes: &mut &'a mut [u8], start: u64, end: u64| {
            let own = if is_last { bytes.len() } else { ((end / 8 - start / 8) as usize).min(bytes.len()) };
            Sink::new(bytes.split_off_mut(..own).unwrap_or_default(), (start / 8) as usize, (start % 8) as u32)
        };
        let stream = cut(&mut self.stream, start, end);
        let mut gaps = cut(&mut self.gaps, gap_start, gap_end);
        let mut own_positions = if is_last { self.positions.len() } else { blocks + usize::from(start == 0) };
        own_positions = own_positions.min(self.positions.len());
        let mut positions = self.positions.split_off_mut(..own_positions).unwrap_or_default().iter_mut();
        if start == 0 {
            gaps.put(0, GAP_BITS as u32);
            if let Some(position) = positions.next() {
                *position = [0; 4];
            }
        }
        let weights = self.weights.split_off(..count).unwrap_or_default();
        let sign_mantissa = self.sign_mantissa.split_off_mut(..count).unwrap_or_default();
        let (last, weights) = match weights.split_last() {
            Some((&last, others)) if is_last => (Some(last), others),
            _ => (None, weights),
        };
        let first = self.first;
        (self.bit, self.gap_bit, self.first) = (end, gap_end, first + count as u64);
        Shard { weights, last, sign_mantissa, bit: start, stream, gaps, positions, first }
    }
}
