//! What a model consists of: the size and entropies of each unit, counted from its weights, what
//! its flat form would take, and the tensors that are not coded.

mod counts;
mod report;

use std::collections::BTreeSet;
use std::path::Path;

use df11_core::bf16;
use serde::Serialize;

use self::counts::UnitCounts;
pub use self::report::{Entropy, FlatReport, UnitReport};
use super::chosen::find_units;
use super::completeness::{self, Completeness};
use super::compress::source::refuse_without_bf16;
use super::restoration::Restoration;
use crate::backend::Choice;
use crate::files::checkpoint::Checkpoint;
use crate::files::words;
use crate::naming::units::UnitSpec;
use crate::note::words as words_of;
use crate::progress::{Early, Progress};
use crate::record::coded::CodedModel;
use crate::record::matrices::Naming;
use crate::record::tiles::{Decoding, decode_tiles};
use crate::safetensors::{TensorInfo, total};
use crate::{Error, Note};

/// Steps of a unit that move the progress: reading, decoding.
const STEPS: u64 = 2;

/// How to inspect.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct InspectOptions {
    /// The backend that decodes.
    pub backend: Choice,
}

/// A model's units and raw tensors. Serialises to the JSON that the program prints on request.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InspectReport {
    /// The units in natural order. For a BF16 model, the units that `compress` would make.
    pub units: Vec<UnitReport>,
    /// The tensors that are not coded, by name.
    pub raw: Vec<RawReport>,
    /// Whether the model is complete.
    pub completeness: Completeness,
    /// What the user should know.
    #[serde(serialize_with = "words_of")]
    pub notes: Vec<Note>,
}

/// A tensor that is not coded.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RawReport {
    /// Its name.
    pub name: String,
    /// Its dtype.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Bytes of its data.
    pub bytes: u64,
}

/// Inspects the model at `input`, DFloat11 or BF16, a file or a directory. Runs on the current
/// rayon pool.
///
/// # Errors
/// The model cannot be read, or a unit does not decode.
pub fn inspect(input: &Path, options: &InspectOptions, progress: &dyn Progress) -> Result<InspectReport, Error> {
    let checkpoint = Checkpoint::open(input)?;
    if checkpoint.coded {
        inspect_coded(&CodedModel::of(checkpoint)?, options, progress)
    } else {
        inspect_source(&checkpoint, options, progress)
    }
}

fn inspect_coded(
    model: &CodedModel,
    options: &InspectOptions,
    progress: &dyn Progress,
) -> Result<InspectReport, Error> {
    let unit_bytes = model.units.iter().map(|unit| unit.weights.saturating_mul(size_of::<bf16>() as u64));
    progress.begin(total(unit_bytes));
    let mut tile = Vec::new();
    let units = model.units.iter().map(|unit| {
        progress.unit(&unit.name);
        let early = Early::new(progress, STEPS);
        let arrays = model.read(unit, &early)?;
        let proven = model.validate(unit, &arrays)?;
        let mut counts = UnitCounts::new(proven.code(), proven.matrices());
        decode_tiles(&proven, Decoding::Fast(&options.backend), &mut tile, |_, weights| {
            counts.add(weights);
            early.advance(size_of_val(weights) as u64);
            Ok(())
        })
        .map_err(|stopped| model.stopped(unit, stopped))?;
        early.done(unit.weights.saturating_mul(size_of::<bf16>() as u64));
        Ok(counts.report(&unit.name, unit.bytes))
    });
    let units = units.collect::<Result<_, Error>>()?;
    let raw = model.raw.iter().map(|name| raw_report(name, &model.checkpoint.tensors[name].info));
    let notes = model.checkpoint.notes.clone();
    Ok(InspectReport { units, raw: raw.collect(), completeness: completeness_of(model)?, notes })
}

/// Whether a DFloat11 model is complete.
fn completeness_of(model: &CodedModel) -> Result<Completeness, Error> {
    let written = match &model.record {
        Ok(None) => {
            let naming = Naming::of(model, None);
            return Ok(naming.map_or(Completeness::Unknown, |naming| completeness::of_coded(model, naming)));
        }
        Ok(Some(record)) => record.written.iter().flat_map(|written| &written.files),
        Err(error) => return Ok(Completeness::by_record(std::slice::from_ref(error))),
    };
    match Restoration::plan(model, None, None) {
        Ok(Restoration { mut judgement, .. }) => {
            if model.checkpoint.is_dir {
                judgement.sizes_of_copies(model.checkpoint.folder(), written)?;
            }
            Ok(Completeness::by_record(&judgement.faults))
        }
        Err(error) if error.is_failed_check() => Ok(Completeness::by_record(&[error])),
        Err(error) => Err(error),
    }
}

fn inspect_source(
    source: &Checkpoint,
    options: &InspectOptions,
    progress: &dyn Progress,
) -> Result<InspectReport, Error> {
    let specs = find_units(source, None, false)?.units;
    let unit_bytes = specs.iter().map(|spec| spec.weights.saturating_mul(size_of::<bf16>() as u64));
    progress.begin(total(unit_bytes));
    let mut buffer = Vec::new();
    let units = specs.iter().map(|spec| {
        progress.unit(&spec.name);
        read_unit(source, spec, &mut buffer)?;
        let plan = options.backend.plan(&buffer).map_err(|fault| Error::UnitNotCoded {
            path: source.path.clone(),
            unit: spec.name.clone(),
            fault,
        })?;
        let mut end = 0;
        let matrices = spec.tensors.iter().map(|tensor| {
            let begin = end;
            end += source.tensors[tensor].info.bytes() / size_of::<bf16>() as u64;
            begin..end
        });
        let mut counts = UnitCounts::new(plan.code(), matrices);
        counts.add(&buffer);
        progress.advance(size_of_val(buffer.as_slice()) as u64);
        let splits = (spec.tensors.len() - 1) * size_of::<i64>();
        let bytes = plan.sizes().total() + splits as u64;
        Ok(counts.report(&spec.name, bytes))
    });
    let units = units.collect::<Result<_, Error>>()?;
    let coded: BTreeSet<&String> = specs.iter().flat_map(|spec| &spec.tensors).collect();
    let raw = source.tensors.iter().filter(|(name, _)| !coded.contains(name));
    let raw = raw.map(|(name, place)| raw_report(name, &place.info)).collect();
    let completeness = completeness::of_source(source)?;
    Ok(InspectReport { units, raw, completeness, notes: notes_on_source(source, &specs) })
}

/// What was not read of a BF16 model, and why it has no units.
fn notes_on_source(source: &Checkpoint, specs: &[UnitSpec]) -> Vec<Note> {
    let model = source.path.to_string_lossy().into_owned();
    let nothing = specs.is_empty().then(|| match refuse_without_bf16(source) {
        Err(Error::NotAModel { reason, .. }) => Note::NoBf16 { model, reason: reason.to_string() },
        _ => Note::NoUnits { model },
    });
    source.notes.iter().cloned().chain(nothing).collect()
}

fn raw_report(name: &str, info: &TensorInfo) -> RawReport {
    let (dtype, shape) = (info.dtype.name().to_owned(), info.shape.clone());
    RawReport { name: name.to_owned(), dtype, shape, bytes: info.bytes() }
}

/// Reads a BF16 unit's weights in the order of its stream. `buffer` is reused from call to call.
fn read_unit(source: &Checkpoint, spec: &UnitSpec, buffer: &mut Vec<bf16>) -> Result<(), Error> {
    let bytes = Error::addressable(spec.weights.saturating_mul(size_of::<bf16>() as u64), &source.path, &spec.name)?;
    buffer.clear();
    buffer.try_reserve_exact(bytes / size_of::<bf16>()).map_err(|_| Error::NotEnoughMemory {
        path: source.path.clone(),
        name: spec.name.clone(),
        bytes: bytes as u64,
    })?;
    buffer.resize(bytes / size_of::<bf16>(), bf16::ZERO);
    let mut rest = buffer.as_mut_slice();
    for tensor in &spec.tensors {
        let place = &source.tensors[tensor];
        let (weights, after) = rest.split_at_mut(place.info.bytes() as usize / size_of::<bf16>());
        words::from_file(weights, |bytes| source.reader(place).read(tensor, &place.info, 0, bytes))?;
        rest = after;
    }
    Ok(())
}
