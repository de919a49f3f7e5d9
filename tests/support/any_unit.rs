//! Valid units that no encoder writes: any prefix-free code that the tables can express, with bit
//! strings that begin no code; tables numbered in any order; misleading entries where no code
//! reaches; anything after the last code.
//!
//! ```text
//! grow tables from the first one     each entry: a run for an exponent, a pointer to a new table,
//!                                    or a hole
//! number the tables                  level by level, or in any order
//! fill the holes                     with anything that FORMAT.md, "Tables", lets a reader ignore
//! write a stream, its gaps and output positions
//! ```

use super::draw::Draw;
use super::library::Coded;
use super::random::Random;

const LAST_LEVEL: usize = 3;
const MAX_TABLES: usize = 17;

/// A unit, and what it decodes to.
#[derive(Clone, Debug)]
pub struct AnyUnit {
    /// BF16 words.
    pub weights: Vec<u16>,
    pub coded: Coded,
    /// Whether a table points to one with a lower number. The reference decoder does not read
    /// those.
    pub points_back: bool,
}

/// A unit of 1 to `most` weights.
pub fn write(draw: &mut dyn Draw, most: usize) -> AnyUnit {
    let shape = Shape {
        tables: 1 + draw.below(MAX_TABLES as u64) as usize,
        pointers: draw.below(60),
        holes: draw.below(30),
        longest_run: draw.below(8) as u32,
        leaves: 1 + draw.below(64) as usize,
    };
    let (in_any_order, skew) = (draw.chance(30), draw.below(6));
    let weights = 1 + draw.below(most as u64) as usize;
    let mut random = Random::new(draw.below(1 << 32));
    let mut tree = Tree::grow(&shape, &mut random);
    let points_back = in_any_order && tree.renumber(&mut random);
    tree.fill_holes(&mut random, points_back);
    let (weights, mut coded) = stream(&tree.codes, weights, skew, &mut random);
    coded.luts = tree.luts();
    AnyUnit { weights, coded, points_back }
}

struct Shape {
    tables: usize,
    /// Of 100 entries, how many are pointers, and how many are holes.
    pointers: u64,
    holes: u64,
    /// The logarithm of the number of entries that a code may fill.
    longest_run: u32,
    /// The number of codes that may end in one table.
    leaves: usize,
}

#[derive(Clone, Copy)]
enum Entry {
    Hole,
    Byte(u8),
    Pointer(usize),
}

struct Table {
    level: usize,
    prefix: u32,
    entries: [Entry; 256],
}

#[derive(Clone, Copy)]
struct Code {
    exponent: u8,
    length: u32,
    bits: u32,
}

struct Tree {
    /// In the order of their numbers.
    tables: Vec<Table>,
    codes: Vec<Code>,
    /// An exponent below 240 without a code.
    spare: u8,
}

impl Tree {
    fn grow(shape: &Shape, random: &mut Random) -> Tree {
        let mut low: Vec<u8> = (0..240).collect();
        let mut high: Vec<u8> = (240..=255).collect();
        random.shuffle(&mut low);
        random.shuffle(&mut high);
        let spare = low.pop().expect("240 exponents");
        let root = Table { level: 0, prefix: 0, entries: [Entry::Hole; 256] };
        let mut tree = Tree { tables: vec![root], codes: Vec::new(), spare };
        let mut number = 0;
        while number < tree.tables.len() {
            let (level, prefix) = (tree.tables[number].level, tree.tables[number].prefix);
            let (mut index, mut leaves) = (0_usize, 0);
            while index < 256 {
                let kind = random.below(100);
                // The last table that may be pointed to goes as deep as it can.
                let more = level < LAST_LEVEL && tree.tables.len() < shape.tables;
                if more && (kind < shape.pointers || index == 255) {
                    tree.tables[number].entries[index] = Entry::Pointer(tree.tables.len());
                    let prefix = prefix << 8 | index as u32;
                    tree.tables.push(Table { level: level + 1, prefix, entries: [Entry::Hole; 256] });
                    index += 1;
                    continue;
                }
                let largest = index.trailing_zeros().min(shape.longest_run);
                let log = random.below(u64::from(largest) + 1) as u32;
                let run = 1 << log;
                let may_be_high = level == LAST_LEVEL && random.below(2) == 0;
                let pool = if may_be_high { &mut high } else { &mut low };
                let full = leaves == shape.leaves || kind >= 100 - shape.holes;
                if let Some(exponent) = (!full).then(|| pool.pop()).flatten() {
                    tree.tables[number].entries[index..index + run].fill(Entry::Byte(exponent));
                    let inside = 8 - log;
                    let bits = prefix.checked_shl(inside).unwrap_or(0) | (index >> log) as u32;
                    tree.codes.push(Code { exponent, length: 8 * level as u32 + inside, bits });
                    leaves += 1;
                }
                index += run;
            }
            number += 1;
        }
        if tree.codes.is_empty() {
            tree.tables[0].entries[0] = Entry::Byte(1);
            tree.codes.push(Code { exponent: 1, length: 8, bits: 0 });
            tree.spare = 2;
        }
        tree
    }

    /// Shuffles the numbers of all tables but the first. Returns whether one then points to a lower
    /// number.
    fn renumber(&mut self, random: &mut Random) -> bool {
        let mut order: Vec<usize> = (1..self.tables.len()).collect();
        random.shuffle(&mut order);
        order.insert(0, 0);
        let mut number = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| number[old] = new);
        let mut old: Vec<Option<Table>> = std::mem::take(&mut self.tables).into_iter().map(Some).collect();
        self.tables = order.iter().map(|&at| old[at].take().expect("each table once")).collect();
        let mut points_back = false;
        for (at, table) in self.tables.iter_mut().enumerate() {
            for entry in &mut table.entries {
                if let Entry::Pointer(to) = entry {
                    *to = number[*to];
                    points_back |= *to < at;
                }
            }
        }
        points_back
    }

    /// Fills entries that no code reaches: with the entry before, as the published compressor does,
    /// or with anything that the reader must ignore.
    fn fill_holes(&mut self, random: &mut Random, points_back: bool) {
        let lengths = self.lengths();
        let tables = self.tables.len();
        let (mut pointed, mut seen, mut last) = ([false; MAX_TABLES], [false; 256], self.spare);
        for table in &mut self.tables {
            let ends_here =
                |exponent: u8| usize::from(lengths[usize::from(exponent)].wrapping_sub(1)) / 8 == table.level;
            for entry in &mut table.entries {
                match *entry {
                    Entry::Byte(exponent) => (seen[usize::from(exponent)], last) = (true, exponent),
                    Entry::Pointer(to) => (pointed[to], last) = (true, (256 - to) as u8),
                    Entry::Hole => {
                        let wish = if random.below(2) == 0 { last } else { random.next() as u8 };
                        let passed_over = if wish >= 240 && table.level < LAST_LEVEL {
                            let to = 256 - usize::from(wish);
                            to >= tables || !points_back && pointed[to]
                        } else {
                            lengths[usize::from(wish)] == 0 || !ends_here(wish) || seen[usize::from(wish)]
                        };
                        last = if passed_over { wish } else { self.spare };
                        *entry = Entry::Byte(last);
                    }
                }
            }
        }
    }

    fn lengths(&self) -> [u8; 256] {
        let mut lengths = [0; 256];
        self.codes.iter().for_each(|code| lengths[usize::from(code.exponent)] = code.length as u8);
        lengths
    }

    fn luts(&self) -> Vec<u8> {
        let entries = self.tables.iter().flat_map(|table| table.entries);
        let bytes = entries.map(|entry| match entry {
            Entry::Byte(byte) => byte,
            Entry::Pointer(to) => (256 - to) as u8,
            Entry::Hole => unreachable!("holes are filled"),
        });
        bytes.chain(self.lengths()).collect()
    }
}

/// The weights, and everything but the tables.
fn stream(codes: &[Code], weights: usize, skew: u64, random: &mut Random) -> (Vec<u16>, Coded) {
    let (mut coded, mut words) = (Coded::default(), Vec::new());
    let (mut bits, mut gaps, mut positions) = (Bits::default(), Vec::new(), Vec::new());
    for weight in 0..weights {
        // The least of several draws, so that the first codes are frequent.
        let at = (0..=skew).map(|_| random.below(codes.len() as u64)).min().expect("one at least");
        let (code, rest) = (codes[at as usize], random.next() as u8);
        if bits.written / 64 >= gaps.len() as u64 {
            gaps.push((bits.written % 64) as u32);
        }
        if bits.written / (4096 * 8) >= positions.len() as u64 {
            positions.push(weight as u32);
        }
        bits.put(code.bits, code.length);
        coded.sign_mantissa.push(rest);
        words.push(u16::from(rest & 0x80) << 8 | u16::from(code.exponent) << 7 | u16::from(rest & 0x7F));
    }
    let blocks = bits.bytes.len().div_ceil(4096);
    let left_out = positions.len() < blocks && random.below(2) == 0;
    positions.resize(blocks + usize::from(!left_out), weights as u32);
    coded.output_positions = positions.iter().flat_map(|position| position.to_le_bytes()).collect();
    gaps.resize_with(blocks * 512, || random.below(32) as u32);
    let mut packed = Bits::default();
    gaps.iter().for_each(|&gap| packed.put(gap, 5));
    coded.gaps = packed.bytes;
    while bits.written % 8 > 0 {
        bits.put(random.below(2) as u32, 1);
    }
    coded.encoded_exponent = bits.bytes;
    (words, coded)
}

/// Appends bits, most significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    written: u64,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        for at in (0..bits).rev() {
            if self.written.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().expect("a byte was begun") |= ((value >> at & 1) as u8) << (7 - self.written % 8);
            self.written += 1;
        }
    }
}
