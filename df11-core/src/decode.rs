//! Decodes parts to weights, plainly. This is the definition of correct: every other decoder is
//! compared with it.
//!
//! ```text
//! for each block: go to its first bit
//!     for each of its weights: find the code, step over it, merge exponent and sign_mantissa
//! ```
//!
//! On the way it checks that the stream agrees with each gap and each output position that it
//! passes.

use half::bf16;

use crate::bf16_word;
use crate::error::Error;
use crate::limits::{BLOCK_CHUNKS, CHUNK_BITS};
use crate::unit::Unit;

/// Decodes all weights of a unit. `weights` has one element for each.
///
/// # Errors
/// `BufferSize`, and what FORMAT.md, "What a reader refuses", lists as refused while decoding.
/// After an error `weights` holds some of the weights.
pub fn decode(unit: &Unit<'_>, weights: &mut [bf16]) -> Result<(), Error> {
    let expected = unit.view().sign_mantissa.len();
    if weights.len() != expected {
        return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
    }
    decode_range(unit, 0, weights)
}

/// Decodes the weights from `first` on, as many as `weights` has elements. Reads only the blocks in
/// which their codes start.
///
/// # Errors
/// `RangePastEnd`, and the errors of `decode` for the blocks that are read.
pub fn decode_range(unit: &Unit<'_>, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
    let mut free = weights.iter_mut();
    for_each(unit, first, free.len(), |value| {
        if let Some(weight) = free.next() {
            *weight = value;
        }
    })
}

/// Decodes `count` weights from `first` on, calling `take` with each of them in order.
///
/// # Errors
/// Those of `decode_range`.
pub(crate) fn for_each(unit: &Unit<'_>, first: u64, count: usize, mut take: impl FnMut(bf16)) -> Result<(), Error> {
    let blocks = unit.blocks_of(first, count)?;
    let end = first + count as u64;
    for block in blocks {
        decode_block(unit, block, |weight, value| {
            if (first..end).contains(&weight) {
                take(value);
            }
        })?;
    }
    Ok(())
}

/// Decodes one block, calling `take(index, weight)` for each of its weights in order.
fn decode_block(unit: &Unit<'_>, block: usize, mut take: impl FnMut(u64, bf16)) -> Result<(), Error> {
    let (place, sign_mantissa) = (unit.block(block), unit.view().sign_mantissa);
    let mut bits = unit.bits_at(place.first_bit);
    let block_chunks = (block * BLOCK_CHUNKS) as u64..((block + 1) * BLOCK_CHUNKS) as u64;
    let mut next_chunk = block_chunks.start;
    for weight in place.weights.clone() {
        let (chunk, offset) = (bits.position() / CHUNK_BITS, (bits.position() % CHUNK_BITS) as u32);
        if !block_chunks.contains(&chunk) {
            return Err(Error::BlockContradictsPositions { block });
        }
        if chunk >= next_chunk {
            let gap = unit.gap(chunk as usize);
            if gap != offset {
                return Err(Error::GapContradictsStream { chunk, gap, stream: offset });
            }
            next_chunk = chunk + 1;
        }
        let (exponent, length) = unit.lookup().find(bits.peek()).ok_or(Error::NoSuchCode { weight })?;
        if !bits.skip(length) {
            return Err(Error::StreamEndsEarly { weight });
        }
        take(weight, bf16_word::merge(exponent, sign_mantissa[weight as usize]));
    }
    // The codes must end where those of the next block begin. After the unit's last weight any bits
    // may follow.
    let next = unit.block(block + 1);
    if place.weights.end < unit.weights() && bits.position() != next.first_bit {
        return Err(Error::BlockContradictsPositions { block });
    }
    Ok(())
}
