//! Packing four codes at a time.

use df11_core::limits::CHUNK_BITS;
use df11_core::{bf16, bf16_word};

use crate::encode::{Shard, Words};

/// Weights whose codes are put together before they are appended.
const QUAD: usize = 4;
/// Most bits that are appended at once.
const MOST_BITS: u32 = 56;

/// Counts exponents, in four rows so that equal neighbours do not wait for each other.
#[inline(always)]
pub(crate) fn histogram(weights: &[bf16]) -> [u32; 256] {
    let mut rows = [[0u32; 256]; QUAD];
    let (quads, rest) = weights.as_chunks::<QUAD>();
    for quad in quads {
        for (row, &weight) in rows.iter_mut().zip(quad) {
            row[usize::from(bf16_word::exponent(weight))] += 1;
        }
    }
    for &weight in rest {
        rows[0][usize::from(bf16_word::exponent(weight))] += 1;
    }
    core::array::from_fn(|exponent| rows.iter().map(|row| row[exponent]).sum())
}

/// Encodes a shard.
#[inline(always)]
pub(crate) fn pack(words: &Words, shard: &mut Shard<'_>) {
    for (byte, &weight) in shard.sign_mantissa.iter_mut().zip(shard.weights) {
        *byte = bf16_word::sign_mantissa(weight);
    }
    let (quads, rest) = shard.weights.as_chunks::<QUAD>();
    for (number, quad) in quads.iter().enumerate() {
        let [(a, a_bits), (b, b_bits), (c, c_bits), (d, d_bits)] = quad.map(|weight| words.of(weight));
        let ends = [a_bits, a_bits + b_bits, a_bits + b_bits + c_bits, a_bits + b_bits + c_bits + d_bits];
        if ends[QUAD - 1] > MOST_BITS {
            for index in 0..QUAD {
                shard.put_one(words, number * QUAD + index);
            }
            continue;
        }
        let value = ((a << b_bits | b) << c_bits | c) << d_bits | d;
        // Up to 56 bits reach at most into the next chunk.
        let to_chunk = CHUNK_BITS as u32 - shard.bit_of_chunk();
        if ends[QUAD - 1] >= to_chunk {
            let index = ends.iter().filter(|&&end| end < to_chunk).count();
            shard.chunk_starts(number * QUAD + index + 1, ends[index] - to_chunk);
        }
        shard.put(value, ends[QUAD - 1]);
    }
    for index in shard.weights.len() - rest.len()..shard.weights.len() {
        shard.put_one(words, index);
    }
}
