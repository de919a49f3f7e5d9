//! Decodes units in tiles, each a run of whole blocks, so that a decoded unit is never in memory as
//! a whole.

use std::ops::Range;

use df11_core::{BackendError, Unit, Work, bf16, check_index, decode_range};
use rayon::prelude::*;

use crate::Error;
use crate::backend::Choice;

/// Target size of a tile in weights: 16 MiB of BF16. It is enough work for many threads, and small
/// compared with a unit.
const TILE_WEIGHTS: u64 = 8 << 20;

/// How a unit is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decoding<'a> {
    /// With a backend, as fast as it can.
    Fast(&'a Choice),
    /// With a backend; afterwards every gap and every output position is checked.
    Checked(&'a Choice),
    /// With the plain decoder, the definition of correct. It checks every gap and every output
    /// position while it decodes.
    Plain,
}

/// What stopped the decoding of a unit.
pub(crate) enum Stopped<E> {
    /// The unit does not decode.
    Unit(df11_core::Error),
    /// The backend failed. This says nothing about the unit.
    Backend(Error),
    /// The callback returned an error.
    Taker(E),
}

impl<E> From<BackendError> for Stopped<E> {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Unit(fault) => Stopped::Unit(fault),
            failed => Stopped::Backend(Error::from_backend(failed)),
        }
    }
}

impl<E> From<df11_core::Error> for Stopped<E> {
    fn from(fault: df11_core::Error) -> Self {
        Stopped::Unit(fault)
    }
}

/// Decodes a unit from front to back. Calls `take` for each tile with the index of its first
/// weight. `buffer` can be reused from call to call.
pub(crate) fn decode_tiles<E>(
    unit: &Unit<'_>,
    decoding: Decoding<'_>,
    buffer: &mut Vec<bf16>,
    mut take: impl FnMut(u64, &[bf16]) -> Result<(), E>,
) -> Result<(), Stopped<E>> {
    let decoder = match decoding {
        Decoding::Fast(backend) | Decoding::Checked(backend) => Some(backend.load(unit)?),
        Decoding::Plain => None,
    };
    for tile in unit.tiles(TILE_WEIGHTS) {
        let (first, end) = (tile.start, tile.end);
        let blocks = unit.block_of(first)..unit.block_of(end - 1) + 1;
        buffer.resize((end - first) as usize, bf16::ZERO);
        match &decoder {
            Some(decoder) => decoder.decode_range(first, buffer, Work::Pool)?,
            None => {
                each_block(unit, blocks.clone(), buffer, |block, weights| {
                    decode_range(unit, unit.block(block).weights.start, weights)
                })?;
            }
        }
        if let Decoding::Checked(_) = decoding {
            each_block(unit, blocks.clone(), buffer, |block, weights| check_index(unit, block, weights))?;
        }
        take(first, buffer).map_err(Stopped::Taker)?;
    }
    Ok(())
}

/// Calls `work` in parallel for every block of the tile and its weights. Returns the fault of the
/// first block that has one.
fn each_block(
    unit: &Unit<'_>,
    blocks: Range<usize>,
    tile: &mut [bf16],
    work: impl Fn(usize, &mut [bf16]) -> Result<(), df11_core::Error> + Sync,
) -> Result<(), df11_core::Error> {
    let mut rest = tile;
    let mut jobs = Vec::with_capacity(blocks.len());
    for block in blocks {
        let weights = unit.block(block).weights;
        let (own, after) = rest.split_at_mut((weights.end - weights.start) as usize);
        jobs.push((block, own));
        rest = after;
    }
    let fault = jobs.into_par_iter().find_map_first(|(block, weights)| work(block, weights).err());
    fault.map_or(Ok(()), Err)
}
