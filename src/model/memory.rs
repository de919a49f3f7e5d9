//! What a job holds in memory at its peak, told from headers alone, so that one that would need too much is refused before it begins.
//!
//! ```text
//! compress              a unit's weights + its arrays, which are fewer bytes than the weights, or it stays raw
//! decompress, verify    a unit's arrays
//! each                  and WORK_BYTES, and HEADER_COPIES of all headers
//! ```

use df11_core::bf16;

use super::checkpoint::{Checkpoint, WeightsFile};
use super::coded::CodedModel;
use super::units::UnitSpec;
use crate::Error;

/// What a job holds beside the unit that it works on: program and threads, a tile of decoded weights and its copies in other spellings, pieces of raw
/// tensors. 22 MiB were resident with 2 threads, 24 with 64; twice as much was mapped.
const WORK_BYTES: u64 = 64 << 20;

/// What headers become in memory, the record of the source among them: 18 times their bytes were measured with 38,400 tensors.
const HEADER_COPIES: u64 = 24;

/// Refuses to compress a model in these units if one needs more than `limit` bytes.
pub(crate) fn check_specs(source: &Checkpoint, specs: &[UnitSpec], limit: Option<u64>) -> Result<(), Error> {
    let both = |spec: &UnitSpec| spec.weights.saturating_mul(2 * size_of::<bf16>() as u64);
    check(source, specs.iter().map(|spec| (spec.name.as_str(), both(spec))), limit)
}

/// Refuses to decode a model if one of its units needs more than `limit` bytes.
pub(crate) fn check_units(model: &CodedModel, limit: Option<u64>) -> Result<(), Error> {
    check(&model.checkpoint, model.units.iter().map(|unit| (unit.name.as_str(), unit.bytes)), limit)
}

fn check<'a>(
    checkpoint: &Checkpoint,
    units: impl Iterator<Item = (&'a str, u64)>,
    limit: Option<u64>,
) -> Result<(), Error> {
    let Some(limit) = limit else { return Ok(()) };
    let header = |file: &WeightsFile| file.reader.file_bytes() - file.reader.header().data_bytes();
    let headers: u64 = checkpoint.files.iter().map(header).sum();
    let (unit, own) = units.fold(("", 0), |most, unit| if unit.1 > most.1 { unit } else { most });
    let bytes = own.saturating_add(WORK_BYTES).saturating_add(headers.saturating_mul(HEADER_COPIES));
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::TooLittleMemory { path: checkpoint.path.clone(), unit: unit.to_owned(), bytes, headers: 0, limit })
}
