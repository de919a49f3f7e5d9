//! The peak memory of a job, predicted from headers alone. A job that would need too much is
//! refused before it begins.
//!
//! ```text
//! compress              a unit's weights + its arrays: 4 bytes per weight, since arrays that
//!                       are not fewer bytes than the weights leave the unit raw
//! decompress, verify    a unit's arrays
//! each                  and WORK_BYTES, and what becomes of headers: names and shapes, in maps, in
//!                       lists, in the JSON of the record and of new headers
//! ```

use df11_core::bf16;

use crate::Error;
use crate::files::checkpoint::{Checkpoint, WeightsFile};
use crate::files::leaves::LEAVES;
use crate::naming::units::UnitSpec;
use crate::record::coded::CodedModel;

/// What a job holds in addition to its current unit: program and threads, a tile of decoded weights
/// and its copies in other spellings, pieces of raw tensors. 22 MiB were resident with 2 threads,
/// 24 with 64; twice as much was mapped.
const WORK_BYTES: u64 = 64 << 20;

/// Peak memory for one byte of a header, for one of its tensors, and for one size of a shape, over
/// all their copies.
struct Cost {
    byte: u64,
    entry: u64,
    size: u64,
}

/// Fitted to resident memory, plus half as much again: 200,000 tensors with headers of 14.6 and
/// 22.5 MB took 503 and 636 MB, 500 names of 60 KB took 466 MB.
const COMPRESS: Cost = Cost { byte: 20, entry: 1600, size: 160 };
/// The same for a coded model with its record: those models took 280, 339 and 293 MB.
const DECODE: Cost = Cost { byte: 6, entry: 600, size: 80 };

/// What one or more headers consist of.
#[derive(Default)]
struct Headers {
    bytes: u64,
    entries: u64,
    sizes: u64,
}

impl Headers {
    fn of(checkpoint: &Checkpoint) -> Headers {
        let bytes = |file: &WeightsFile| file.reader.file_bytes() - file.reader.header().data_bytes();
        let metadata = |file: &WeightsFile| file.reader.header().metadata.len() as u64;
        Headers {
            bytes: checkpoint.files.iter().map(bytes).sum(),
            entries: checkpoint.tensors.len() as u64 + checkpoint.files.iter().map(metadata).sum::<u64>(),
            sizes: checkpoint.tensors.values().map(|place| place.info.shape.len() as u64).sum(),
        }
    }

    fn cost(&self, cost: &Cost) -> u64 {
        let products = [(self.bytes, cost.byte), (self.entries, cost.entry), (self.sizes, cost.size)];
        products.iter().fold(0, |sum, (count, each)| sum.saturating_add(count.saturating_mul(*each)))
    }
}

/// Refuses to compress a model in these units if the job needs more than `limit` bytes.
pub(crate) fn check_specs(source: &Checkpoint, specs: &[UnitSpec], limit: Option<u64>) -> Result<(), Error> {
    let both = |spec: &UnitSpec| spec.weights.saturating_mul(2 * size_of::<bf16>() as u64);
    let mut headers = Headers::of(source);
    for spec in specs {
        // The names of a unit's arrays are as long as its own.
        headers.entries += LEAVES.len() as u64;
        headers.bytes += (LEAVES.len() * spec.name.len()) as u64;
    }
    check(source, specs.iter().map(|spec| (spec.name.as_str(), both(spec))), headers.cost(&COMPRESS), limit)
}

/// Refuses to decode a model if the job needs more than `limit` bytes.
pub(crate) fn check_units(model: &CodedModel, limit: Option<u64>) -> Result<(), Error> {
    let mut headers = Headers::of(&model.checkpoint);
    if let Ok(Some(record)) = &model.record {
        // The source's headers are deflated in the header.
        headers.bytes += record.sources.iter().map(|source| source.bytes.len() as u64).sum::<u64>();
    }
    let units = model.units.iter().map(|unit| (unit.name.as_str(), unit.bytes));
    check(&model.checkpoint, units, headers.cost(&DECODE), limit)
}

fn check<'a>(
    checkpoint: &Checkpoint,
    units: impl Iterator<Item = (&'a str, u64)>,
    headers: u64,
    limit: Option<u64>,
) -> Result<(), Error> {
    let Some(limit) = limit else { return Ok(()) };
    let (unit, own) = units.fold(("", 0), |most, unit| if unit.1 > most.1 { unit } else { most });
    let bytes = own.saturating_add(WORK_BYTES).saturating_add(headers);
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::TooLittleMemory { path: checkpoint.path.clone(), unit: unit.to_owned(), bytes, headers, limit })
}
