use df11_core::limits::{BLOCK_CHUNKS, CHUNK_BITS, GAP_BITS, MAX_CODE_BITS};
use df11_core::{Code, Ending, Error, bf16, bf16_word};

use super::sink::{Seam, Sink};

/// The code of each exponent: its bits in the lower half, its length in the upper.
pub(crate) struct Words([u64; 256]);

const _: () = assert!(MAX_CODE_BITS <= 32);

impl Words {
    pub fn new(code: &Code) -> Self {
        let word = |exponent: usize| u64::from(code.lengths()[exponent]) << 32 | u64::from(code.bits(exponent as u8));
        Self(core::array::from_fn(word))
    }

    /// Bits and length of an exponent's code. The length is 0 if it has none.
    #[inline(always)]
    pub fn of_exponent(&self, exponent: usize) -> (u64, u32) {
        (self.0[exponent] & u64::from(u32::MAX), (self.0[exponent] >> 32) as u32)
    }

    /// Bits and length of the code of a weight's exponent.
    #[inline(always)]
    pub fn of(&self, weight: bf16) -> (u64, u32) {
        self.of_exponent(usize::from(bf16_word::exponent(weight)))
    }
}

/// Weights encoded together, and all that is written for them.
pub(crate) struct Shard<'a> {
    /// The weights of the shard, without the last weight of the unit: no code starts after that
    /// one.
    pub weights: &'a [bf16],
    last: Option<bf16>,
    /// One byte per weight.
    pub sign_mantissa: &'a mut [u8],
    /// Whether signs and mantissas may bypass the cache.
    pub streams: bool,
    /// The next bit, counted in the whole stream.
    pub bit: u64,
    pub stream: Sink<'a>,
    gaps: Gaps<'a>,
    /// Output positions of the blocks that begin in the shard.
    positions: core::slice::IterMut<'a, [u8; 4]>,
    /// The index in the unit of the shard's first weight.
    first: u64,
    /// The bit of the whole stream at which the codes end, if the weights are those planned.
    end: u64,
    /// Whether a weight had no code, or a block began for which no output position was planned.
    strays: bool,
}

impl Shard<'_> {
    /// The position of the next bit within its chunk.
    #[inline(always)]
    fn bit_of_chunk(&self) -> u32 {
        (self.bit % CHUNK_BITS) as u32
    }

    /// Appends bits. Precondition: every chunk starting in or directly after these bits is already
    /// recorded.
    #[inline(always)]
    fn put(&mut self, value: u64, bits: u32) {
        self.stream.put(value, bits);
        self.bit += u64::from(bits);
    }

    /// Records that a chunk begins within or directly after the codes appended next. The first code
    /// of the chunk is that of `weights[index]`, `gap` bits after the chunk's start.
    #[inline(always)]
    fn chunk_starts(&mut self, index: usize, gap: u32) {
        self.gaps.room()[0] = gap as u8;
        self.gaps.held += 1;
        if chunks_to_block(self.bit) == 1 {
            self.block_starts(index);
        }
    }

    /// Room for the gaps of up to 64 chunks that begin within or directly after the codes appended
    /// next.
    #[inline(always)]
    pub fn gap_room(&mut self) -> &mut [u8; GAPS_AT_ONCE] {
        self.gaps.room()
    }

    /// Records that `count` gaps were written to that room.
    #[inline(always)]
    pub fn chunks_start(&mut self, count: usize) {
        self.gaps.held += count;
    }

    /// Records that the first code of the next block is that of `weights[index]`.
    pub fn block_starts(&mut self, index: usize) {
        if let Some(position) = self.positions.next() {
            *position = ((self.first + index as u64) as u32).to_le_bytes();
        }
    }

    /// Appends the code of `weights[index]`. Levels send every weight without a code here, where
    /// the shard notices it.
    #[inline(always)]
    pub fn put_one(&mut self, words: &Words, index: usize) {
        let (value, bits) = words.of(self.weights[index]);
        self.strays |= bits == 0;
        self.put_code(value, bits, index);
    }

    /// Appends the code of the shard's weight `index`. Another code starts after it.
    #[inline(always)]
    fn put_code(&mut self, value: u64, bits: u32, index: usize) {
        let end = self.bit_of_chunk() + bits;
        if end >= CHUNK_BITS as u32 {
            self.chunk_starts(index + 1, end - CHUNK_BITS as u32);
        }
        self.put(value, bits);
    }

    /// Appends the last code of the unit, and fills the rest.
    ///
    /// # Errors
    /// `WeightsNotPlanned` unless each weight has a code and the codes end at the planned bit. If
    /// all shards succeed, the codes of each begin where those before it end, and the unit decodes
    /// to its weights.
    pub fn finish(&mut self, words: &Words, ending: Option<Ending>) -> Result<(), Error> {
        let mut end = self.bit;
        if let Some(weight) = self.last {
            let (value, bits) = words.of(weight);
            self.strays |= bits == 0;
            end += u64::from(bits);
            match ending {
                Some(ending) => {
                    self.put_code(value, bits, self.weights.len());
                    self.put(u64::from(ending.bits), ending.count);
                }
                None => self.put(value, bits),
            }
            if let Some(byte) = self.sign_mantissa.last_mut() {
                *byte = bf16_word::sign_mantissa(weight);
            }
            // The last output position is the end of the unit. No block may take it.
            self.strays |= self.positions.len() == 0;
            let end = ((self.first + self.weights.len() as u64 + 1) as u32).to_le_bytes();
            (&mut self.positions).for_each(|position| *position = end);
        }
        self.stream.finish();
        self.gaps.finish();
        if self.strays || end != self.end { Err(Error::WeightsNotPlanned) } else { Ok(()) }
    }

    /// The bits that belong into bytes of the next shard: of the stream, and of the gaps.
    pub fn seams(&self) -> [Seam; 2] {
        [self.stream.seam(), self.gaps.sink.seam()]
    }
}

/// The number of chunks from the chunk of `bit` to the next block, 1 to `BLOCK_CHUNKS`.
#[inline(always)]
pub(crate) fn chunks_to_block(bit: u64) -> usize {
    BLOCK_CHUNKS - (bit / CHUNK_BITS) as usize % BLOCK_CHUNKS
}

/// Most gaps recorded at once.
pub(crate) const GAPS_AT_ONCE: usize = 64;
/// The gaps of `PACK` chunks fill whole bytes: 40 bits.
const PACK: usize = 8;
const WAITING: usize = 512;

/// Gaps not yet packed, one byte each, until there are enough of them.
struct Gaps<'a> {
    waiting: [u8; WAITING],
    held: usize,
    sink: Sink<'a>,
}

impl<'a> Gaps<'a> {
    fn new(sink: Sink<'a>) -> Self {
        Self { waiting: [0; WAITING], held: 0, sink }
    }

    /// Room for the next gaps.
    #[inline(always)]
    fn room(&mut self) -> &mut [u8; GAPS_AT_ONCE] {
        if self.held > WAITING - GAPS_AT_ONCE {
            self.pack();
        }
        // `pack` leaves fewer than PACK gaps.
        let first = self.held.min(WAITING - GAPS_AT_ONCE);
        self.waiting[first..].first_chunk_mut().expect("there is room")
    }

    #[inline(never)]
    fn pack(&mut self) {
        let (packs, rest) = self.waiting[..self.held].as_chunks::<PACK>();
        for pack in packs {
            let gaps = pack.iter().fold(0, |gaps, &gap| gaps << GAP_BITS | u64::from(gap));
            self.sink.put(gaps, (PACK * GAP_BITS) as u32);
        }
        let (first, left) = (packs.len() * PACK, rest.len());
        self.waiting.copy_within(first..first + left, 0);
        self.held = left;
    }

    fn finish(&mut self) {
        self.pack();
        for &gap in &self.waiting[..self.held] {
            self.sink.put(u64::from(gap), GAP_BITS as u32);
        }
        self.sink.finish();
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

    /// Cuts off the next `count` weights, or all that are left. Their codes are `bits` long.
    pub fn cut(&mut self, count: usize, bits: u64, streams: bool) -> Shard<'a> {
        let count = count.min(self.weights.len());
        let is_last = count == self.weights.len();
        let (start, end) = (self.bit, self.bit + bits);
        // The gap of the first chunk is 0. Each later gap is recorded by the shard that holds the
        // bit before its chunk.
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
        let (gaps, strays) = (Gaps::new(gaps), false);
        Shard { weights, last, sign_mantissa, streams, bit: start, stream, gaps, positions, first, end, strays }
    }
}
