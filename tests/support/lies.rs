//! Units whose structure lies. Their sizes fit each other, so most of them count as valid. But
//! index, tables, stream or number of weights contradict one another.
//!
//! ```text
//! a sound unit       ours, the published compressor's, any code's, or a stream of random bits
//! one to three lies  each about one part of it, or about several that then fit each other
//! ```

use super::draw::Draw;
use super::library::Coded;
use super::random::Random;
use super::{adversarial, any_unit, published_writer};

const CHUNK_BITS: u64 = 64;
const BLOCK_CHUNKS: usize = 512;
const BLOCK_BYTES: usize = 4096;
const BLOCK_BITS: u64 = 8 * BLOCK_BYTES as u64;
const GAP_BITS: usize = 5;
/// A gap has fewer values than this.
const GAPS: u64 = 1 << GAP_BITS;

/// A unit, and the lies it tells.
pub struct Lying {
    pub coded: Coded,
    pub lies: Vec<&'static str>,
}

/// The number of units that a test tries: from the environment, or `usual`.
pub fn units(usual: u64) -> u64 {
    std::env::var("DF11_LYING_UNITS").map_or(usual, |units| units.parse().expect("DF11_LYING_UNITS is a number"))
}

/// Unit number `seed`. Most units have a few blocks; one in 64 has enough for several threads.
pub fn numbered(seed: u64) -> Lying {
    const MOST: [usize; 8] = [40, 3000, 8000, 12_000, 20_000, 20_000, 30_000, 40_000];
    let most = if seed % 64 == 63 { 150_000 } else { MOST[seed as usize % MOST.len()] };
    write(&mut Random::new(seed), most)
}

/// All weights claimed for the first of three blocks. No size contradicts that, but the codes do.
pub fn positions_that_lie() -> Coded {
    let weights = 3 * 4096_u32;
    let mut lengths = [0; 256];
    lengths[1] = 1;
    lengths[2..130].fill(8);
    let exponents = (0..=255_u8).map(|entry| if entry < 128 { 1 } else { entry - 126 });
    Coded {
        encoded_exponent: (0..weights).map(|at| 128 + (at * 37 % 128) as u8).collect(),
        sign_mantissa: vec![0; weights as usize],
        luts: exponents.chain(lengths).collect(),
        gaps: vec![0; 3 * 320],
        output_positions: [0, weights, weights, weights].iter().flat_map(|entry| entry.to_le_bytes()).collect(),
        split_positions: Vec::new(),
    }
}

/// A unit of up to `most` weights that lies. Most have several blocks if `most` allows it.
pub fn write(draw: &mut dyn Draw, most: usize) -> Lying {
    let mut parts = Parts::sound(draw, most);
    let count = [1, 1, 1, 1, 2, 2, 2, 3][draw.below(8) as usize];
    let mut lies = Vec::new();
    for _ in 0..count {
        let (name, lie) = LIES[draw.below(LIES.len() as u64) as usize];
        lie(&mut parts, draw);
        lies.push(name);
    }
    Lying { coded: parts.coded(), lies }
}

type Lie = (&'static str, fn(&mut Parts, &mut dyn Draw));

const LIES: [Lie; 21] = [
    ("none", |_, _| {}),
    ("positions: all weights in one block", Parts::one_block_holds_all),
    ("positions: early blocks full", Parts::early_blocks_are_full),
    ("positions: early blocks as empty as can be", Parts::early_blocks_are_empty),
    ("positions: anything that ascends", Parts::any_positions),
    ("positions: equal neighbours", Parts::equal_neighbours),
    ("positions: one a little off", Parts::a_position_off),
    ("positions: last block without codes", Parts::last_block_without_codes),
    ("positions: last one missing", Parts::last_position_missing),
    ("first gap of a block", Parts::a_first_gap),
    ("first gap and position, consistent", Parts::a_block_begins_later),
    ("gaps within blocks", Parts::interior_gaps),
    ("stream cut", Parts::stream_cut),
    ("stream extended", Parts::stream_extended),
    ("stream: bits flipped", Parts::stream_flipped),
    ("stream: two blocks swapped", Parts::blocks_swapped),
    ("weights: fewer", Parts::fewer_weights),
    ("weights: more", Parts::more_weights),
    ("tables", Parts::tables),
    ("splits", Parts::splits),
    ("index of another unit", Parts::index_of_another),
];

/// A unit with its index as numbers.
struct Parts {
    stream: Vec<u8>,
    sign_mantissa: Vec<u8>,
    luts: Vec<u8>,
    /// One gap per chunk, for whole blocks.
    gaps: Vec<u8>,
    /// One position per block, and the end.
    positions: Vec<u32>,
    splits: Vec<i64>,
    /// Where each code starts in the sound stream.
    starts: Vec<u64>,
}

impl Parts {
    fn sound(draw: &mut dyn Draw, most: usize) -> Parts {
        let (weights, coded) = match draw.below(4) {
            0 => {
                let unit = any_unit::write(draw, most);
                (unit.weights, unit.coded)
            }
            1 => return Parts::of_random_bits(draw, most),
            writer => {
                let mut words = adversarial::weights(draw, most);
                let few = 1 + draw.below(24) as usize;
                adversarial::fold(draw, &mut words, few);
                let published = (writer == 2).then(|| published_writer::write(&words).ok()).flatten();
                let coded = published.unwrap_or_else(|| Coded::by_core(&words));
                (words, coded)
            }
        };
        let lengths = &coded.luts[coded.luts.len() - 256..];
        let mut bit = 0;
        let starts = weights.iter().map(|word| {
            let start = bit;
            bit += u64::from(lengths[usize::from(word >> 7 & 0xFF)]);
            start
        });
        let starts: Vec<u64> = starts.collect();
        Parts::with_starts(coded, starts)
    }

    /// A complete code, of one length or with one shorter code, so that any bits are codes; and a
    /// stream of random bits.
    fn of_random_bits(draw: &mut dyn Draw, most: usize) -> Parts {
        let long = 1 + draw.below(8);
        let short = draw.below(long.min(4)).max(u64::from(long == 8));
        let (mut table, mut lengths, mut at) = ([0_u8; 256], [0_u8; 256], 0);
        if short > 0 {
            at = 256 >> short;
            table[..at].fill(1);
            lengths[1] = short as u8;
        }
        for (run, exponent) in table[at..].chunks_mut(256 >> long).zip(2..) {
            run.fill(exponent);
            lengths[usize::from(exponent)] = long as u8;
        }
        let mut random = Random::new(draw.below(1 << 32));
        let bytes = 1 + draw.below((most as u64 * long).div_ceil(8).min(6 * BLOCK_BYTES as u64)) as usize;
        let stream: Vec<u8> = (0..bytes).map(|_| random.next() as u8).collect();
        let (mut starts, mut bit) = (Vec::new(), 0);
        loop {
            let length = if short > 0 && leading(&stream, bit, short) == 0 { short } else { long };
            if bit + length > 8 * bytes as u64 || starts.len() == most {
                break;
            }
            starts.push(bit);
            bit += length;
        }
        if starts.is_empty() {
            return Parts::of_random_bits(draw, most);
        }
        let stream = stream[..bit.div_ceil(8) as usize].to_vec();
        let coded = Coded {
            encoded_exponent: stream,
            sign_mantissa: starts.iter().map(|_| random.next() as u8).collect(),
            luts: [table, lengths].concat(),
            ..Coded::default()
        };
        let mut parts = Parts::with_starts(coded, starts);
        parts.index_anew();
        parts
    }

    fn with_starts(coded: Coded, starts: Vec<u64>) -> Parts {
        let gap = |chunk: usize| {
            let bit = chunk * GAP_BITS;
            (0..GAP_BITS).fold(0, |gap, at| gap << 1 | coded.gaps[(bit + at) / 8] >> (7 - (bit + at) % 8) & 1)
        };
        let mut positions: Vec<u32> =
            coded.output_positions.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        positions.resize(coded.encoded_exponent.len().div_ceil(BLOCK_BYTES) + 1, coded.sign_mantissa.len() as u32);
        let chunks = coded.gaps.len() * 8 / GAP_BITS;
        Parts {
            gaps: (0..chunks).map(gap).collect(),
            positions,
            stream: coded.encoded_exponent,
            sign_mantissa: coded.sign_mantissa,
            luts: coded.luts,
            splits: Vec::new(),
            starts,
        }
    }

    fn coded(self) -> Coded {
        let mut gaps = vec![0; (self.gaps.len() * GAP_BITS).div_ceil(8)];
        for (chunk, gap) in self.gaps.iter().enumerate() {
            for at in 0..GAP_BITS {
                let bit = chunk * GAP_BITS + at;
                gaps[bit / 8] |= (gap >> (GAP_BITS - 1 - at) & 1) << (7 - bit % 8);
            }
        }
        Coded {
            encoded_exponent: self.stream,
            sign_mantissa: self.sign_mantissa,
            luts: self.luts,
            gaps,
            output_positions: self.positions.iter().flat_map(|position| position.to_le_bytes()).collect(),
            split_positions: self.splits.iter().flat_map(|split| split.to_le_bytes()).collect(),
        }
    }

    /// Sets gaps and positions to what the starts of the codes imply.
    fn index_anew(&mut self) {
        self.resize_index();
        let (blocks, weights) = (self.blocks(), self.weights());
        self.positions.fill(weights);
        self.gaps.fill(0);
        for (weight, &start) in self.starts.iter().enumerate().rev() {
            self.gaps[(start / CHUNK_BITS) as usize] = (start % CHUNK_BITS) as u8;
            self.positions[((start / BLOCK_BITS) as usize).min(blocks)] = weight as u32;
        }
    }

    fn blocks(&self) -> usize {
        self.stream.len().div_ceil(BLOCK_BYTES)
    }

    fn weights(&self) -> u32 {
        self.sign_mantissa.len() as u32
    }

    /// A block other than the first, if there is one.
    fn later_block(&self, draw: &mut dyn Draw) -> usize {
        1 + draw.below(self.blocks().max(2) as u64 - 1) as usize
    }

    /// The fewest and most weights that a block may have, as far as is known without its stream.
    fn limits(&self) -> (u32, u32) {
        let lengths = self.luts.iter().rev().take(256).filter(|&&length| length > 0);
        let (shortest, longest) = lengths.fold((32, 1), |(s, l), &length| (s.min(length), l.max(length)));
        (BLOCK_BITS as u32 / u32::from(longest.min(32)), (BLOCK_BITS as u32).div_ceil(u32::from(shortest)))
    }

    /// Sets positions so that blocks hold as many weights as `of` says, within the limits and what
    /// is left.
    fn positions_by(&mut self, mut of: impl FnMut(u32, u32) -> u32) {
        let (least, most) = self.limits();
        let (blocks, weights) = (self.blocks() as u32, self.weights());
        let mut at = 0;
        for block in 0..blocks {
            self.positions[block as usize] = at;
            // The later blocks get no more than they can hold, and no less than they must.
            let later = blocks - 1 - block;
            let fewest = least.max((weights - at).saturating_sub(later.saturating_mul(most)));
            let most = most.min((weights - at).saturating_sub(later.saturating_sub(1) * least));
            at = (at + of(fewest, most.max(fewest)).max(fewest)).min(weights);
        }
        self.end_positions();
    }

    fn end_positions(&mut self) {
        let weights = self.weights();
        if let Some(last) = self.positions.last_mut() {
            *last = weights;
        }
    }

    /// Resizes gaps and positions to the blocks of the stream. New ones say that no code starts
    /// there.
    fn resize_index(&mut self) {
        let (blocks, weights) = (self.blocks(), self.weights());
        self.gaps.resize(blocks * BLOCK_CHUNKS, 0);
        self.positions.truncate(blocks + 1);
        self.positions.resize(blocks + 1, weights);
        self.end_positions();
    }

    fn one_block_holds_all(&mut self, draw: &mut dyn Draw) {
        let block = draw.below(self.blocks() as u64) as usize;
        let weights = self.weights();
        self.positions[..=block].fill(0);
        self.positions[block + 1..].fill(weights);
    }

    fn early_blocks_are_full(&mut self, _: &mut dyn Draw) {
        self.positions_by(|_, most| most);
    }

    fn early_blocks_are_empty(&mut self, _: &mut dyn Draw) {
        self.positions_by(|fewest, _| fewest);
    }

    fn any_positions(&mut self, draw: &mut dyn Draw) {
        self.positions_by(|fewest, most| fewest + draw.below(u64::from(most - fewest) + 1) as u32);
    }

    fn equal_neighbours(&mut self, draw: &mut dyn Draw) {
        let block = self.later_block(draw);
        if block < self.positions.len() {
            self.positions[block] = self.positions[block - 1];
        }
        self.end_positions();
    }

    fn a_position_off(&mut self, draw: &mut dyn Draw) {
        let block = self.later_block(draw).min(self.positions.len() - 1);
        let by = [1, 1, 2, 3, 5, 8, 40, 700][draw.below(8) as usize];
        let position = &mut self.positions[block];
        *position = if draw.chance(50) { position.saturating_add(by) } else { position.saturating_sub(by) };
        self.end_positions();
    }

    fn last_block_without_codes(&mut self, _: &mut dyn Draw) {
        let (blocks, weights) = (self.blocks(), self.weights());
        self.positions[blocks - 1] = if blocks > 1 { weights } else { 0 };
    }

    fn last_position_missing(&mut self, draw: &mut dyn Draw) {
        if draw.chance(50) {
            self.last_block_without_codes(draw);
        }
        self.positions.truncate(self.blocks());
        self.end_positions();
    }

    fn a_first_gap(&mut self, draw: &mut dyn Draw) {
        let block = self.later_block(draw);
        if let Some(gap) = self.gaps.get_mut(block * BLOCK_CHUNKS) {
            *gap = match draw.chance(50) {
                true => draw.below(GAPS) as u8,
                false => *gap ^ 1 << draw.below(GAP_BITS as u64),
            };
        }
    }

    /// Counts the first code of a block as the last one of the block before: gap and position
    /// agree, only the block is wrong.
    fn a_block_begins_later(&mut self, draw: &mut dyn Draw) {
        let block = self.later_block(draw);
        let Some(&first) = self.positions.get(block) else { return };
        let weight = first as usize + 1 + draw.below(3) as usize;
        let offset = self.starts.get(weight).and_then(|start| start.checked_sub(block as u64 * BLOCK_BITS));
        let gap = self.gaps.get_mut(block * BLOCK_CHUNKS);
        if let (Some(offset), Some(gap)) = (offset.filter(|&offset| offset < GAPS), gap) {
            self.positions[block] = weight as u32;
            *gap = offset as u8;
        }
    }

    fn interior_gaps(&mut self, draw: &mut dyn Draw) {
        let mut random = Random::new(draw.below(1 << 32));
        let count = [1, 10, self.gaps.len()][draw.below(3) as usize];
        for _ in 0..count {
            let chunk = random.below(self.gaps.len() as u64) as usize;
            if !chunk.is_multiple_of(BLOCK_CHUNKS) {
                self.gaps[chunk] = random.below(GAPS) as u8;
            }
        }
    }

    fn stream_cut(&mut self, draw: &mut dyn Draw) {
        let length = self.stream.len();
        let left = match draw.below(4) {
            0 => length.saturating_sub(1 + draw.below(8) as usize),
            1 => length.saturating_sub(draw.below(2 * BLOCK_BYTES as u64) as usize),
            2 => draw.below(length as u64) as usize,
            // A few bytes of a block are left: fewer than a gap may span.
            _ => (self.later_block(draw) * BLOCK_BYTES).min(length - 1) + draw.below(6) as usize,
        };
        let left = left.clamp(1, length);
        self.stream.truncate(left);
        self.resize_index();
        // As many weights as before; or as many as have codes that start in what is left; or one
        // fewer, which is sound again.
        let starting = self.starts.partition_point(|&start| start < 8 * left as u64);
        let count = [self.sign_mantissa.len(), starting, starting.saturating_sub(1)][draw.below(3) as usize];
        self.of_weights(count.clamp(1, self.sign_mantissa.len()));
    }

    fn stream_extended(&mut self, draw: &mut dyn Draw) {
        let to_block = (self.blocks() * BLOCK_BYTES - self.stream.len()) as u64;
        let by = match draw.below(4) {
            0 => 1 + draw.below(8),
            1 => to_block + draw.below(6),
            2 => BLOCK_BYTES as u64,
            _ => draw.below(3 * BLOCK_BYTES as u64),
        };
        let mut random = Random::new(draw.below(2));
        let zeros = draw.chance(50);
        self.stream.extend((0..by).map(|_| if zeros { 0 } else { random.next() as u8 }));
        self.resize_index();
    }

    fn stream_flipped(&mut self, draw: &mut dyn Draw) {
        for _ in 0..1 + draw.below(10) {
            let bit = draw.below(8 * self.stream.len() as u64) as usize;
            self.stream[bit / 8] ^= 1 << (bit % 8);
        }
    }

    fn blocks_swapped(&mut self, draw: &mut dyn Draw) {
        let whole = self.stream.len() / BLOCK_BYTES;
        if whole > 1 {
            let [one, other] = [0, 1].map(|_| draw.below(whole as u64) as usize * BLOCK_BYTES);
            if one != other {
                let (low, high) = self.stream.split_at_mut(one.max(other));
                low[one.min(other)..][..BLOCK_BYTES].swap_with_slice(&mut high[..BLOCK_BYTES]);
            }
        }
    }

    fn fewer_weights(&mut self, draw: &mut dyn Draw) {
        let weights = self.sign_mantissa.len();
        let by = [1 + draw.below(3), draw.below(weights as u64)][draw.below(2) as usize];
        self.of_weights(weights.saturating_sub(by as usize).max(1));
    }

    fn more_weights(&mut self, draw: &mut dyn Draw) {
        let by = [1 + draw.below(3), draw.below(3000)][draw.below(2) as usize];
        self.of_weights(self.sign_mantissa.len() + by as usize);
    }

    /// Sets the number of weights, with no position beyond it.
    fn of_weights(&mut self, count: usize) {
        self.sign_mantissa.resize(count, 0x55);
        self.positions.iter_mut().for_each(|position| *position = (*position).min(count as u32));
        self.end_positions();
    }

    fn tables(&mut self, draw: &mut dyn Draw) {
        let row = self.luts.len() - 256;
        let coded: Vec<usize> = (0..256).filter(|&exponent| self.luts[row + exponent] > 0).collect();
        let [one, other] = [0, 1].map(|_| coded[draw.below(coded.len() as u64) as usize]);
        match draw.below(4) {
            0 => self.luts[row + one] = draw.below(34) as u8,
            1 => self.luts[draw.below(row as u64) as usize] = draw.below(256) as u8,
            // Two exponents change places. The unit stays sound if their codes have one length or
            // one kind.
            2 => {
                for entry in &mut self.luts[..row] {
                    *entry = match usize::from(*entry) {
                        found if found == one => other as u8,
                        found if found == other => one as u8,
                        _ => *entry,
                    };
                }
                self.luts.swap(row + one, row + other);
            }
            _ => self.luts.swap(row + one, row + other),
        }
    }

    fn splits(&mut self, draw: &mut dyn Draw) {
        let weights = u64::from(self.weights());
        self.splits = (0..draw.below(4)).map(|_| draw.below(weights + 1) as i64).collect();
        if draw.chance(70) {
            self.splits.sort_unstable();
        }
    }

    fn index_of_another(&mut self, draw: &mut dyn Draw) {
        let mut random = Random::new(draw.below(1 << 32));
        let other = Parts::sound(&mut random, self.sign_mantissa.len());
        self.gaps = other.gaps;
        self.resize_index();
        if draw.chance(50) {
            self.positions = other.positions;
            self.resize_index();
        }
    }
}

/// The first `bits` bits from `bit` on, zeros after the end.
fn leading(stream: &[u8], bit: u64, bits: u64) -> u64 {
    (bit..bit + bits).fold(0, |value, at| {
        let byte = stream.get((at / 8) as usize).copied().unwrap_or(0);
        value << 1 | u64::from(byte >> (7 - at % 8) & 1)
    })
}
