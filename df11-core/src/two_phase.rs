//! The GPU algorithm, written plainly for one block. Every kernel must give its results.
//!
//! ```text
//! phase 1, each thread:  from the gap of its chunk on, count the codes that start in the chunk
//! scan:                  first weight of each thread =
//!                            the block's output position + the counts of all threads before
//! phase 2, each thread:  decode the same codes again, and write weights from its first on
//! ```
//!
//! A thread knows only the gaps of its neighbours. So it must end exactly where the next thread
//! starts. Checking this checks every gap.

use half::bf16;

use crate::bf16_word;
use crate::error::Error;
use crate::limits::{BLOCK_CHUNKS, CHUNK_BITS};
use crate::unit::Unit;

/// Decodes the weights whose codes start in `block` into `weights`, which has one element for each.
///
/// # Errors
/// `NoSuchBlock`, and those of `decode`.
pub fn decode_block(unit: &Unit<'_>, block: usize, weights: &mut [bf16]) -> Result<(), Error> {
    let range = unit.existing_block(block)?.weights;
    let expected = (range.end - range.start) as usize;
    if weights.len() != expected {
        return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
    }
    let mut first = [0u16; BLOCK_CHUNKS + 1];
    for thread in 0..BLOCK_CHUNKS {
        let left = expected - usize::from(first[thread]);
        let count = decode_chunk(unit, block, thread, range.start + u64::from(first[thread]), left, |_, _| {})?;
        first[thread + 1] = first[thread] + count as u16;
    }
    if usize::from(first[BLOCK_CHUNKS]) != expected {
        return Err(Error::BlockContradictsPositions { block });
    }
    let sign_mantissa = &unit.view().sign_mantissa[range.start as usize..];
    for thread in 0..BLOCK_CHUNKS {
        let (start, end) = (usize::from(first[thread]), usize::from(first[thread + 1]));
        let thread_weights = &mut weights[start..end];
        decode_chunk(unit, block, thread, range.start + start as u64, end - start, |index, exponent| {
            thread_weights[index] = bf16_word::merge(exponent, sign_mantissa[start + index]);
        })?;
    }
    Ok(())
}

/// One thread: decodes the codes that start in its chunk, at most `left`, and calls `take` with the
/// index and the exponent of each. Returns their number.
fn decode_chunk(
    unit: &Unit<'_>,
    block: usize,
    thread: usize,
    first_weight: u64,
    left: usize,
    mut take: impl FnMut(usize, u8),
) -> Result<usize, Error> {
    let chunk = block * BLOCK_CHUNKS + thread;
    let end = (chunk + 1) as u64 * CHUNK_BITS;
    let mut bits = unit.bits_at(end - CHUNK_BITS + u64::from(unit.gap(chunk)));
    let mut count = 0;
    while bits.position() < end && first_weight + (count as u64) < unit.weights() {
        if count == left {
            return Err(Error::BlockContradictsPositions { block });
        }
        let weight = first_weight + count as u64;
        let (exponent, length) = unit.lookup().find(bits.peek()).ok_or(Error::NoSuchCode { weight })?;
        if !bits.skip(length) {
            return Err(Error::StreamEndsEarly { weight });
        }
        take(count, exponent);
        count += 1;
    }
    let (gap, stream) = (unit.gap(chunk + 1), (bits.position().saturating_sub(end)) as u32);
    if first_weight + (count as u64) < unit.weights() && gap != stream {
        return Err(Error::GapContradictsStream { chunk: chunk as u64 + 1, gap, stream });
    }
    Ok(count)
}
