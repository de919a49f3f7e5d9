//! Encodes weights to parts, plainly, into the caller's buffers.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use half::bf16;

use crate::bf16_word;
use crate::bits::BitWriter;
use crate::error::Error;
use crate::limits::{BLOCK_BITS, CHUNK_BITS};
use crate::plan::{PartSizes, Plan};
use crate::wire::gaps::GapWriter;
use crate::wire::luts;
use crate::wire::positions::PositionWriter;
#[cfg(feature = "alloc")]
use crate::{Arrays, Unit, wire::splits::split_positions};

/// Where to write the parts of a unit: buffers of exactly the sizes of `Plan::sizes`.
#[derive(Debug)]
pub struct PartsMut<'a> {
    /// The stream.
    pub encoded_exponent: &'a mut [u8],
    /// Sign and mantissa of each weight.
    pub sign_mantissa: &'a mut [u8],
    /// Tables and lengths.
    pub luts: &'a mut [u8],
    /// 5 bits for each chunk.
    pub gaps: &'a mut [u8],
    /// One little-endian u32 for each block, and one more.
    pub output_positions: &'a mut [u8],
}

impl PartsMut<'_> {
    /// Checks that the buffers have the planned sizes.
    ///
    /// # Errors
    /// `BufferSize`.
    pub fn check(&self, sizes: &PartSizes) -> Result<(), Error> {
        let buffers = [
            ("encoded_exponent", self.encoded_exponent.len(), sizes.encoded_exponent),
            ("sign_mantissa", self.sign_mantissa.len(), sizes.sign_mantissa),
            ("luts", self.luts.len(), sizes.luts),
            ("gaps", self.gaps.len(), sizes.gaps),
            ("output_positions", self.output_positions.len(), sizes.output_positions),
        ];
        for (buffer, found, expected) in buffers {
            if found != expected {
                return Err(Error::BufferSize { buffer, found, expected });
            }
        }
        Ok(())
    }
}

/// Encodes the weights that `plan` was made from. The parts decode to these weights.
///
/// # Errors
/// `BufferSize` if `weights` or a buffer has another size than planned. `WeightsNotPlanned` if the
/// plan does not hold for `weights`: an exponent has no code, or the total length of the codes is
/// not the planned one. The buffers then hold no unit.
pub fn encode(weights: &[bf16], plan: &Plan, parts: PartsMut<'_>) -> Result<(), Error> {
    parts.check(&plan.sizes())?;
    if weights.len() as u64 != plan.weights() {
        let expected = plan.sizes().sign_mantissa;
        return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
    }
    write_luts(plan, parts.luts)?;
    for (byte, &weight) in parts.sign_mantissa.iter_mut().zip(weights) {
        *byte = bf16_word::sign_mantissa(weight);
    }
    let mut stream = BitWriter::new(parts.encoded_exponent);
    let mut gaps = GapWriter::new(parts.gaps);
    let mut positions = PositionWriter::new(parts.output_positions);
    for (index, &weight) in weights.iter().enumerate() {
        let (bit, exponent) = (stream.position(), bf16_word::exponent(weight));
        let (block, length) = ((bit / BLOCK_BITS) as usize, plan.code().lengths()[usize::from(exponent)]);
        if length == 0 || block >= plan.begun_blocks {
            return Err(Error::WeightsNotPlanned);
        }
        gaps.code_starts((bit / CHUNK_BITS) as usize, (bit % CHUNK_BITS) as u32);
        positions.code_starts(block, index as u64);
        stream.put(plan.code().bits(exponent), u32::from(length));
    }
    if stream.position() != plan.stream_bits {
        return Err(Error::WeightsNotPlanned);
    }
    if let Some(ending) = plan.ending() {
        let bit = stream.position();
        gaps.code_starts((bit / CHUNK_BITS) as usize, (bit % CHUNK_BITS) as u32);
        stream.put(ending.bits, ending.count);
    }
    stream.finish();
    gaps.finish();
    positions.finish(plan.weights());
    Ok(())
}

/// Writes the `luts` of a plan into a buffer of the planned size. This part of encoding is the same
/// for every encoder.
///
/// # Errors
/// `BufferSize`.
pub fn write_luts(plan: &Plan, luts: &mut [u8]) -> Result<(), Error> {
    let (found, expected) = (luts.len(), plan.sizes().luts);
    if found != expected {
        return Err(Error::BufferSize { buffer: "luts", found, expected });
    }
    luts::write(plan.code(), luts);
    Ok(())
}

#[cfg(feature = "alloc")]
impl Unit<'static> {
    /// Plans and encodes weights into a unit that owns its arrays. `matrices` holds the number of
    /// weights of each matrix, in order. It may be empty for a single matrix.
    ///
    /// # Errors
    /// Those of `Plan::new`. `OutOfMemory`. `BufferSize` unless the matrices have as many
    /// weights as there are.
    pub fn encode(weights: &[bf16], matrices: &[u64]) -> Result<Self, Error> {
        check_matrices(weights, matrices)?;
        let plan = Plan::new(weights)?;
        let sizes = plan.sizes();
        let mut encoded_exponent = zeros(sizes.encoded_exponent)?;
        let mut sign_mantissa = zeros(sizes.sign_mantissa)?;
        let [mut luts, mut gaps] = [zeros(sizes.luts)?, zeros(sizes.gaps)?];
        let mut output_positions = zeros(sizes.output_positions)?;
        let parts = PartsMut {
            encoded_exponent: &mut encoded_exponent,
            sign_mantissa: &mut sign_mantissa,
            luts: &mut luts,
            gaps: &mut gaps,
            output_positions: &mut output_positions,
        };
        encode(weights, &plan, parts)?;
        Arrays {
            encoded_exponent: encoded_exponent.into(),
            sign_mantissa: sign_mantissa.into(),
            luts: luts.into(),
            gaps: gaps.into(),
            output_positions: output_positions.into(),
            split_positions: split_positions(matrices.iter().copied()).into(),
        }
        .validate()
    }
}

/// Checks that the matrices of a unit, unless there are none, have as many weights as there are.
///
/// # Errors
/// `BufferSize`.
#[cfg(feature = "alloc")]
pub fn check_matrices(weights: &[bf16], matrices: &[u64]) -> Result<(), Error> {
    let (found, expected) = (matrices.iter().fold(0u64, |sum, &count| sum.saturating_add(count)), weights.len());
    if matrices.is_empty() || found == expected as u64 {
        return Ok(());
    }
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    Err(Error::BufferSize { buffer: "matrices", found, expected })
}

#[cfg(feature = "alloc")]
pub(crate) fn zeros(bytes: usize) -> Result<Vec<u8>, Error> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|_| Error::OutOfMemory { bytes })?;
    buffer.resize(bytes, 0);
    Ok(buffer)
}
