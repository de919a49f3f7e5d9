//! Packs eight codes at a time, by pairs.
//!
//! ```text
//! four weights, a lane of 16 bits each: exponent - base       all 0 to 31, or the eight go singly
//! two lanes -> one index -> both codes and their lengths      a table of all pairs of 32 exponents
//! four pairs -> one number, appended at once                  at most 56 bits, or they go singly
//! ```

use core::ops::Range;

use df11_core::limits::CHUNK_BITS;
use df11_core::{bf16, bf16_word};

use crate::encode::{Shard, Words, chunks_to_block};

/// Rows of a histogram.
const ROWS: usize = 8;
/// Weights whose codes are put together before they are appended.
const STEP: usize = 8;
/// Steps that are merged, then put. One loop of both would need more registers than there are.
const BATCH: usize = 64;
/// Bits of an exponent within the window of exponents that have pairs.
const WINDOW_BITS: u32 = 5;
const WINDOW: usize = 1 << WINDOW_BITS;
/// Bits of a lane.
const LANE_BITS: u32 = 16;
/// A one in each lane.
const EACH_LANE: u64 = 0x0001_0001_0001_0001;
/// The bits of a lane that are zero for an exponent within the window, in all lanes.
const OUTSIDE: u64 = (u16::MAX as u64 - (WINDOW as u64 - 1)) * EACH_LANE;
/// A one in each byte, and the highest bit of each byte.
const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x80 * EACH_BYTE;
/// Most bits appended at once.
const MOST_BITS: u64 = 56;
/// The entry of a pair that has no codes, or codes of more than 32 bits.
const NOT_MERGED: u64 = (MOST_BITS + 1) << 32;
const _: () = assert!((STEP as u64 / 2) * (MOST_BITS + 1) <= 0xFF, "ends have a byte each");

/// Counts exponents in several rows, so that equal neighbours do not wait for each other.
#[inline(always)]
pub(crate) fn histogram(weights: &[bf16]) -> [u32; 256] {
    let mut rows = [[0u32; 256]; ROWS];
    let (steps, rest) = weights.as_chunks::<ROWS>();
    for step in steps {
        for (row, &weight) in rows.iter_mut().zip(step) {
            row[usize::from(bf16_word::exponent(weight))] += 1;
        }
    }
    for &weight in rest {
        rows[0][usize::from(bf16_word::exponent(weight))] += 1;
    }
    core::array::from_fn(|exponent| rows.iter().map(|row| row[exponent]).sum())
}

/// The codes of all pairs of exponents of a window.
struct Pairs {
    /// The first exponent of the window, in each lane.
    base: u64,
    /// Indexed by `first | second << WINDOW_BITS`. From the lowest bit: both codes (32 bits), the
    /// length of the first (8 bits), of the second (8 bits), of both (8 bits). A pair that is not
    /// merged has `NOT_MERGED`, which is too long for a step.
    entries: [u64; WINDOW * WINDOW],
}

/// The codes of a step, right-aligned, and the end of each, one byte each, counted from the start
/// of the first. The codes are not merged if the last byte is more than `MOST_BITS`.
#[derive(Clone, Copy)]
struct Merged {
    codes: u64,
    ends: u64,
}

impl Pairs {
    fn new(words: &Words) -> Self {
        // The share of weights that an exponent has, as its code length predicts it.
        let share = |exponent| match words.of_exponent(exponent) {
            (_, 0) => 0,
            (_, length) => 1 << (u32::BITS - length),
        };
        let shares: [u64; 256] = core::array::from_fn(share);
        let base = (0..=256 - WINDOW).max_by_key(|&base| shares[base..][..WINDOW].iter().sum::<u64>()).unwrap_or(0);
        let entry = |index| {
            let [(first, first_bits), (second, second_bits)] =
                [index % WINDOW, index / WINDOW].map(|distance| words.of_exponent(base + distance));
            let bits = first_bits + second_bits;
            if first_bits == 0 || second_bits == 0 || bits > u32::BITS {
                return NOT_MERGED;
            }
            let lengths = [0, 0, 0, 0, first_bits as u8, second_bits as u8, bits as u8, 0];
            first << second_bits | second | u64::from_le_bytes(lengths)
        };
        Self { base: base as u64 * EACH_LANE, entries: core::array::from_fn(entry) }
    }

    /// Merges the codes of a step.
    #[inline(always)]
    fn merge(&self, weights: &[bf16; STEP]) -> Merged {
        let [a, b, c, d, e, f, g, h] = *weights;
        let (low, high) = (self.distances([a, b, c, d]), self.distances([e, f, g, h]));
        if (low | high) & OUTSIDE != 0 {
            return Merged { codes: 0, ends: u64::MAX };
        }
        let entry = |distances: u64| {
            self.entries[(distances | distances >> (LANE_BITS - WINDOW_BITS)) as usize % self.entries.len()]
        };
        let (a, b, c, d) = (entry(low), entry(low >> 32), entry(high), entry(high >> 32));
        let lengths = lengths(a) | lengths(b) << 16 | lengths(c) << 32 | lengths(d) << 48;
        let codes = ((codes(a) << bits(b) | codes(b)) << bits(c) | codes(c)) << bits(d) | codes(d);
        Merged { codes, ends: lengths.wrapping_mul(EACH_BYTE) }
    }

    /// `exponent - base` of each weight, one lane each. An exponent below the base sets bits
    /// outside the window.
    #[inline(always)]
    fn distances(&self, [a, b, c, d]: [bf16; 4]) -> u64 {
        let words = [a.to_bits().to_le(), b.to_bits().to_le(), c.to_bits().to_le(), d.to_bits().to_le()];
        let lanes = u64::from_le_bytes(bytemuck::cast(words));
        ((lanes >> bf16_word::MANTISSA_BITS) & (0xFF * EACH_LANE)).wrapping_sub(self.base)
    }
}

/// The codes of an entry.
#[inline(always)]
fn codes(entry: u64) -> u64 {
    entry & u64::from(u32::MAX)
}

/// The lengths of an entry's codes, one byte each.
#[inline(always)]
fn lengths(entry: u64) -> u64 {
    entry >> 32 & 0xFFFF
}

/// The length of an entry's codes together.
#[inline(always)]
fn bits(entry: u64) -> u32 {
    (entry >> 48) as u32
}

/// Encodes a shard.
#[inline(always)]
pub(crate) fn pack(words: &Words, shard: &mut Shard<'_>) {
    for (byte, &weight) in shard.sign_mantissa.iter_mut().zip(shard.weights) {
        *byte = bf16_word::sign_mantissa(weight);
    }
    let weights = shard.weights;
    let steps = weights.as_chunks::<STEP>().0;
    let pairs = Pairs::new(words);
    let mut merged = [Merged { codes: 0, ends: 0 }; BATCH];
    for (number, steps) in steps.chunks(BATCH).enumerate() {
        for (merged, step) in merged.iter_mut().zip(steps) {
            *merged = pairs.merge(step);
        }
        put_steps(words, shard, number * BATCH * STEP, &merged[..steps.len()]);
    }
    put_singly(words, shard, steps.len() * STEP..weights.len());
}

/// Appends the codes of steps from `weights[first]` on.
#[inline(always)]
fn put_steps(words: &Words, shard: &mut Shard<'_>, first: usize, merged: &[Merged]) {
    // Taken out of the shard, so that they live in registers.
    let (mut stream, mut bit) = (shard.stream.take(), shard.bit);
    for (number, &Merged { codes, ends }) in merged.iter().enumerate() {
        let first = first + number * STEP;
        let bits = ends >> 56;
        if bits > MOST_BITS {
            (shard.stream, shard.bit) = (stream, bit);
            put_singly(words, shard, first..first + STEP);
            (stream, bit) = (shard.stream.take(), shard.bit);
            continue;
        }
        // Up to 56 bits reach at most into the next chunk. The first code end that reaches it is
        // where the chunk's first code starts. No branch asks whether there is one: it could not be
        // predicted.
        let to_chunk = CHUNK_BITS - bit % CHUNK_BITS;
        let reach = ((ends | HIGH_BITS) - to_chunk * EACH_BYTE) & HIGH_BITS;
        let at = reach.trailing_zeros() / 8;
        shard.gap_room()[0] = (ends.wrapping_shr(at * 8) as u8).wrapping_sub(to_chunk as u8);
        shard.chunks_start(usize::from(reach != 0));
        if chunks_to_block(bit) == 1 && reach != 0 {
            shard.block_starts(first + at as usize + 1);
        }
        stream.put(codes, bits as u32);
        bit += bits;
    }
    (shard.stream, shard.bit) = (stream, bit);
}

#[inline(never)]
fn put_singly(words: &Words, shard: &mut Shard<'_>, range: Range<usize>) {
    range.for_each(|index| shard.put_one(words, index));
}
