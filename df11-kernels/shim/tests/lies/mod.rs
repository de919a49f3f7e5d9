//! Units whose structure lies, and what the stream says of them.
//!
//! ```text
//! a sound unit: ours, of codes of 1 bit, of one exponent, of any code
//!                                      some of its bit strings begin no code
//! 1 to 4 damages: gaps, output positions, luts, splits, stream, its end, the number of weights
//! ```
#![allow(dead_code)] // each test file uses a part

#[path = "../../../../tests/support/any_unit.rs"]
mod any_unit;
#[path = "../../../../tests/support/draw.rs"]
mod draw;
/// What `any_unit` writes its arrays into.
mod library {
    pub use crate::unit::Parts as Coded;
}

use std::ops::Range;

use df11_core::limits::{BLOCK_BITS, BLOCK_BYTES, BLOCK_CHUNKS, BLOCK_GAP_BYTES, GAP_BITS};
use df11_core::{Error, Lookup, Unit, bf16};

use crate::random::{self, Random};
use crate::{cases, unit::Parts};

/// The unit before the damages, and after.
pub struct Lying {
    pub sound: Parts,
    pub parts: Parts,
    /// The names of the damages.
    pub damages: Vec<&'static str>,
}

/// A unit with 1 to 4 damages.
pub fn unit(random: &mut Random) -> Lying {
    let sound = sound(random);
    let mut parts = sound.clone();
    let damages = (0..1 + random.below(4)).map(|_| damage(&mut parts, random)).collect();
    Lying { sound, parts, damages }
}

fn sound(random: &mut Random) -> Parts {
    let most = [40, 400, 3000, 9000][random.below(4) as usize];
    match random.below(8) {
        0 => Parts::new(&cases::gauss(1 + random.below(4 * most) as usize, random.next())),
        1 | 2 => Parts::new(&words(random, [120, 120], 1 + 6 * most as usize)),
        3 => Parts::of_one_bit_codes(&words(random, [120, 121], 1 + 6 * most as usize), [120, 121]),
        _ => any_unit::write(random, most as usize).coded,
    }
}

fn words(random: &mut Random, exponents: [u16; 2], count: usize) -> Vec<u16> {
    (0..count).map(|_| exponents[random.below(2) as usize] << 7 | random.next() as u16 & 0x807F).collect()
}

fn damage(parts: &mut Parts, random: &mut Random) -> &'static str {
    match random.below(8) {
        0 => gaps(parts, random),
        1 | 2 => positions(parts, random),
        3 => luts(parts, random),
        4 => stream(parts, random),
        5 => end(parts, random),
        6 => weights(parts, random),
        _ => splits(parts, random),
    }
}

fn gaps(parts: &mut Parts, random: &mut Random) -> &'static str {
    let chunks = parts.gaps.len() * 8 / GAP_BITS;
    let (any, value) = (random.below(chunks as u64) as usize, random.below(32) as u32);
    match random.below(5) {
        0 => set_gap(&mut parts.gaps, any / BLOCK_CHUNKS * BLOCK_CHUNKS, value),
        1 => parts.gaps.fill(0),
        2 => (any..chunks).for_each(|chunk| set_gap(&mut parts.gaps, chunk, value)),
        // The gap that follows the last code.
        3 => set_gap(&mut parts.gaps, (parts.encoded_exponent.len() / 8).min(chunks - 1), value),
        _ => set_gap(&mut parts.gaps, any, value),
    }
    "gaps"
}

pub fn set_gap(gaps: &mut [u8], chunk: usize, value: u32) {
    for bit in 0..GAP_BITS {
        let (at, of_value) = (chunk * GAP_BITS + bit, value >> (GAP_BITS - 1 - bit) & 1);
        let mask = 0x80 >> (at % 8);
        gaps[at / 8] = gaps[at / 8] & !mask | if of_value == 1 { mask } else { 0 };
    }
}

fn positions(parts: &mut Parts, random: &mut Random) -> &'static str {
    let all = parts.sign_mantissa.len() as u32;
    let mut entries = entries(&parts.output_positions);
    let any = random.below(entries.len().max(1) as u64) as usize;
    match random.below(6) {
        // All weights in the first blocks: [0, N, N, N].
        0 => entries.iter_mut().skip(1 + any / 2).for_each(|entry| *entry = all),
        // A block without weights.
        1 if any > 0 => entries[any] = entries[any - 1],
        2 if !entries.is_empty() => entries[any] = entries[any].wrapping_add(random.below(5) as u32).wrapping_sub(2),
        3 if !entries.is_empty() => entries[any] = random.below(u64::from(all) + 2) as u32,
        4 => entries.truncate(entries.len().saturating_sub(1)),
        _ => entries.push(all),
    }
    parts.output_positions = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
    "positions"
}

fn luts(parts: &mut Parts, random: &mut Random) -> &'static str {
    let row = parts.luts.len().saturating_sub(256);
    let coded: Vec<usize> = (row..parts.luts.len()).filter(|&at| parts.luts[at] > 0).collect();
    let at = random.below(parts.luts.len().max(1) as u64) as usize;
    match random.below(4) {
        0 if !coded.is_empty() => {
            let length = &mut parts.luts[coded[random.below(coded.len() as u64) as usize]];
            *length = length.wrapping_add(random.below(3) as u8).wrapping_sub(1);
        }
        // An exponent that the stream uses loses its code.
        1 if coded.len() > 1 => parts.luts[coded[random.below(coded.len() as u64) as usize]] = 0,
        2 if coded.len() > 1 => {
            let two = [0, 1].map(|_| coded[random.below(coded.len() as u64) as usize]);
            parts.luts.swap(two[0], two[1]);
        }
        _ if !parts.luts.is_empty() => parts.luts[at] = random.next() as u8,
        _ => {}
    }
    "luts"
}

fn stream(parts: &mut Parts, random: &mut Random) -> &'static str {
    let bytes = &mut parts.encoded_exponent;
    let at = random.below(bytes.len() as u64 + 1) as usize;
    let end = (at + 1 + random.below(200) as usize).min(bytes.len());
    match random.below(4) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        // Whole lanes of two chunks.
        1 => bytes[at / 16 * 16..end].fill(0xFF),
        2 => bytes[at / 16 * 16..end].fill(0),
        _ => bytes[at..end].fill_with(|| random.next() as u8),
    }
    "stream"
}

/// Makes the stream longer or shorter, with the arrays that go with it.
fn end(parts: &mut Parts, random: &mut Random) -> &'static str {
    let bytes = &mut parts.encoded_exponent;
    let most = [3, 20, 600, 9000][random.below(4) as usize];
    let by = random.below(most) as usize;
    if random.below(2) == 0 {
        bytes.truncate(bytes.len().saturating_sub(by).max(1));
    } else {
        let filling = [0, 0xFF][random.below(2) as usize];
        let drawn = random.below(2) == 0;
        let grown = (0..by).map(|_| if drawn { random.next() as u8 } else { filling });
        bytes.extend(grown);
    }
    let blocks = bytes.len().div_ceil(BLOCK_BYTES);
    parts.gaps.resize(blocks * BLOCK_GAP_BYTES, 0);
    fit_positions(parts, blocks);
    "end"
}

fn weights(parts: &mut Parts, random: &mut Random) -> &'static str {
    let most = [2, 8, 200][random.below(3) as usize];
    let by = 1 + random.below(most) as usize;
    let weights = parts.sign_mantissa.len();
    let changed = if random.below(2) == 0 { weights.saturating_sub(by).max(1) } else { weights + by };
    parts.sign_mantissa.resize(changed, 0x2B);
    let blocks = parts.encoded_exponent.len().div_ceil(BLOCK_BYTES);
    fit_positions(parts, blocks);
    "weights"
}

/// Fits positions to `blocks` blocks, at most the number of weights.
fn fit_positions(parts: &mut Parts, blocks: usize) {
    let all = parts.sign_mantissa.len() as u32;
    let mut entries = entries(&parts.output_positions);
    entries.truncate(blocks);
    entries.iter_mut().for_each(|entry| *entry = (*entry).min(all));
    entries.resize(blocks + 1, all);
    parts.output_positions = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
}

fn splits(parts: &mut Parts, random: &mut Random) -> &'static str {
    let all = parts.sign_mantissa.len() as u64;
    parts.split_positions =
        (0..random.below(4)).flat_map(|_| (random.below(all + 2) as i64 - 1).to_le_bytes()).collect();
    "splits"
}

fn entries(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|&entry| u32::from_le_bytes(entry)).collect()
}

/// The parts with what the kernel knows and does not read: the first gap and position are 0, and
/// the last position is the number of weights.
pub fn as_known(parts: &Parts) -> Parts {
    let mut known = parts.clone();
    set_gap(&mut known.gaps, 0, 0);
    known.output_positions[..4].fill(0);
    known.output_positions.truncate(4 * parts.encoded_exponent.len().div_ceil(BLOCK_BYTES));
    known
}

/// Decodes these blocks by the arrays as they are, whatever validation says of them. Refuses what
/// the plain decoder refuses, with one exception, the licence: a gap that is not the first of its
/// block is not read.
pub fn judge(lookup: &Lookup, parts: &Parts, blocks: Range<usize>) -> Option<Vec<u16>> {
    let (all, positions) = (parts.sign_mantissa.len(), entries(&parts.output_positions));
    let bits = 8 * parts.encoded_exponent.len() as u64;
    let position = |block: usize| positions.get(block).map_or(all, |&entry| entry as usize);
    let first_bit = |block: usize| block as u64 * BLOCK_BITS + u64::from(gap(&parts.gaps, block * BLOCK_CHUNKS));
    let mut words = Vec::new();
    for block in blocks {
        let (mut bit, end) = (first_bit(block), position(block + 1));
        if position(block) > end || end > all {
            return None;
        }
        for weight in position(block)..end {
            if bit / BLOCK_BITS != block as u64 {
                return None;
            }
            let (exponent, length) = lookup.find(window(&parts.encoded_exponent, bit))?;
            bit += u64::from(length);
            if bit > bits {
                return None;
            }
            let rest = u16::from(parts.sign_mantissa[weight]);
            words.push((rest & 0x80) << 8 | u16::from(exponent) << 7 | rest & 0x7F);
        }
        if end < all && bit != first_bit(block + 1) {
            return None;
        }
    }
    Some(words)
}

/// The gap of a chunk; 0 past the end.
fn gap(gaps: &[u8], chunk: usize) -> u32 {
    window(gaps, (chunk * GAP_BITS) as u64) >> (32 - GAP_BITS)
}

/// The 32 bits from `bit` on, with zeros past the end.
fn window(bytes: &[u8], bit: u64) -> u32 {
    let from = (bit / 8) as usize;
    let eight: [u8; 8] = std::array::from_fn(|i| bytes.get(from + i).copied().unwrap_or(0));
    ((u64::from_be_bytes(eight) << (bit % 8)) >> 32) as u32
}

/// What the plain decoder says of a range of a valid unit, and what the licence allows besides.
pub struct Truth {
    pub plain: Result<Vec<u16>, Error>,
    /// `plain`, but wrong gaps inside a block are ignored.
    pub licensed: Option<Vec<u16>>,
}

impl Truth {
    /// # Panics
    /// If the plain decoder and the judge contradict each other.
    pub fn of(what: &str, unit: &Unit<'_>, parts: &Parts, first: u64, count: usize) -> Self {
        let mut weights = vec![bf16::NAN; count];
        let plain = df11_core::decode_range(unit, first, &mut weights)
            .map(|()| weights.iter().map(|weight| weight.to_bits()).collect());
        let blocks = unit.blocks_of(first, count).expect("a range of the unit");
        let skipped = (first - unit.block(blocks.start).weights.start) as usize;
        let licensed = judge(unit.lookup(), parts, blocks).map(|words| words[skipped..][..count].to_vec());
        match (&plain, &licensed) {
            (Ok(plain), licensed) => assert_eq!(Some(plain), licensed.as_ref(), "{what}: the judge"),
            (Err(Error::GapContradictsStream { .. }), _) => {}
            (Err(error), licensed) => assert!(licensed.is_none(), "{what}: the judge accepts what is {error}"),
        }
        Self { plain, licensed }
    }

    /// Checks a decoder: it accepts what the plain one accepts, with the same weights, and beyond
    /// that only what the licence allows.
    ///
    /// # Panics
    /// If it does not.
    pub fn hold(&self, what: &str, found: Option<&[bf16]>) {
        let found: Option<Vec<u16>> = found.map(|found| found.iter().map(|weight| weight.to_bits()).collect());
        match (&self.plain, &found) {
            (Ok(_), None) => panic!("{what}: refused, and the plain decoder accepts it"),
            (Err(error), Some(_)) if self.licensed.is_none() => {
                panic!("{what}: accepted, and the plain decoder says {error}")
            }
            (_, Some(found)) => assert!(self.licensed.as_ref() == Some(found), "{what}: other weights"),
            (Err(_), None) => {}
        }
    }
}
