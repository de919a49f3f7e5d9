//! Units in tiles: a run of whole blocks at a time, so that a decoded unit never stands in memory as a whole.

use std::ops::Range;

use df11_core::{BackendError, Unit, Work, bf16, check_index, decode_range};
use rayon::prelude::*;

use crate::Error;
use crate::backend::Choice;

/// Weights that a tile aims at: 16 MiB of BF16, enough work for many threads, little beside a unit.
const TILE_WEIGHTS: u64 = 8 << 20;

/// How a unit is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decoding<'a> {
    /// By a backend, as fast as it can.
    Fast(&'a Choice),
    /// By a backend, every gap and every output position checked behind it.
    Checked(&'a Choice),
    /// Plainly: the definition of correct, which checks every gap and every output position on its way.
    Plain,
}

/// What stopped the decoding of a unit.
pub(crate) enum Stopped<E> {
    /// The unit does not decode.
    Unit(df11_core::Error),
    /// The backend failed, which says nothing of the unit.
    Backend(Error),
    /// Who took the weights had enough.
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

/// Decodes a unit from front to back and hands each tile to `take`, with the index of its first weight. `buffer` is kept from call to call.
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

/// Does `work` on every block and its weights in the tile, in parallel. The fault of the first block counts.
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
        let (own, behind) = rest.split_at_mut((weights.end - weights.start) as usize);
        jobs.push((block, own));
        rest = behind;
    }
    let fault = jobs.into_par_iter().find_map_first(|(block, weights)| work(block, weights).err());
    fault.map_or(Ok(()), Err)
}
