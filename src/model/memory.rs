//! What a job holds in memory at its peak, told from headers alone, so that one that would need too much is refused before it begins.
//!
//! ```text
//! compress              a unit's weights + its arrays, which are fewer bytes than the weights, or it stays raw
//! decompress, verify    a unit's arrays
//! each                  and WORK_BYTES
//! ```

use std::path::Path;

use df11_core::bf16;

use super::coded::CodedModel;
use crate::Error;

/// What a job holds beside the unit that it works on: program and threads, a tile of decoded weights and its copies in other spellings, pieces of raw
/// tensors, headers, the record. Up to 48 MiB were measured with 2 threads and the headers of an 8B model.
const WORK_BYTES: u64 = 96 << 20;

/// Bytes that it takes to encode so many weights, at most.
pub(crate) fn to_encode(weights: u64) -> u64 {
    let weight_bytes = weights.saturating_mul(size_of::<bf16>() as u64);
    weight_bytes.saturating_mul(2).saturating_add(WORK_BYTES)
}

/// Bytes that it takes to decode a unit of arrays of so many bytes, at most.
fn to_decode(array_bytes: u64) -> u64 {
    array_bytes.saturating_add(WORK_BYTES)
}

/// Refuses to decode a model with a unit that needs more than `limit` bytes.
pub(crate) fn check_units(model: &CodedModel, limit: Option<u64>) -> Result<(), Error> {
    let needs = model.units.iter().map(|unit| (unit.name.as_str(), to_decode(unit.bytes)));
    check_memory(limit, &model.checkpoint.path, needs)
}

/// Refuses a job on the model at `path` if one of its units needs more than `limit` bytes.
pub(crate) fn check_memory<'a>(
    limit: Option<u64>,
    path: &Path,
    needs: impl Iterator<Item = (&'a str, u64)>,
) -> Result<(), Error> {
    let Some(limit) = limit else { return Ok(()) };
    // Of units that need the same, the first.
    let most = needs.fold(("", WORK_BYTES), |most, unit| if unit.1 > most.1 { unit } else { most });
    let (unit, bytes) = most;
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::TooLittleMemory { path: path.to_path_buf(), unit: unit.to_owned(), bytes, limit })
}
