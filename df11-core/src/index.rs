use half::bf16;

use crate::bf16_word;
use crate::error::Error;
use crate::limits::{BLOCK_CHUNKS, CHUNK_BITS};
use crate::unit::Unit;

/// Checks the gaps and output positions of one block against all its weights. Some decoders do not
/// look at every gap. Such a decoder, followed by this check, finds all that `decode` finds.
///
/// # Errors
/// `NoSuchBlock`; `BufferSize`; `GapContradictsStream`, `BlockContradictsPositions`; `NoSuchCode`
/// and `StreamEndsEarly` if `weights` are not those of the unit.
pub fn check_index(unit: &Unit<'_>, block: usize, weights: &[bf16]) -> Result<(), Error> {
    let place = unit.existing_block(block)?;
    let expected = (place.weights.end - place.weights.start) as usize;
    if weights.len() != expected {
        return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
    }
    let lengths = unit.code().lengths();
    let end_chunk = ((block + 1) * BLOCK_CHUNKS) as u64;
    let (mut bit, mut next_chunk_bit) = (place.first_bit, 0);
    for (weight, &value) in place.weights.clone().zip(weights) {
        if bit >= next_chunk_bit {
            let (chunk, offset) = (bit / CHUNK_BITS, (bit % CHUNK_BITS) as u32);
            if chunk >= end_chunk {
                return Err(Error::BlockContradictsPositions { block });
            }
            let gap = unit.gap(chunk as usize);
            if gap != offset {
                return Err(Error::GapContradictsStream { chunk, gap, stream: offset });
            }
            next_chunk_bit = (chunk + 1) * CHUNK_BITS;
        }
        match lengths[usize::from(bf16_word::exponent(value))] {
            0 => return Err(Error::NoSuchCode { weight }),
            length => bit += u64::from(length),
        }
    }
    if !weights.is_empty() && bit > unit.view().encoded_exponent.len() as u64 * 8 {
        return Err(Error::StreamEndsEarly { weight: place.weights.end - 1 });
    }
    if place.weights.end < unit.weights() && bit != unit.block(block + 1).first_bit {
        return Err(Error::BlockContradictsPositions { block });
    }
    Ok(())
}
