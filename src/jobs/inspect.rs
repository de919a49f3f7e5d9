//! What a model consists of: the size and entropies of each unit, counted from its weights, and the
//! tensors that are not coded.

use std::collections::BTreeSet;
use std::path::Path;

use df11_core::{Histogram, bf16, bf16_word, entropy};
use rayon::prelude::*;
use serde::Serialize;

use super::chosen::find_units;
use super::completeness::{self, Completeness};
use super::restoration::Restoration;
use crate::Error;
use crate::backend::Choice;
use crate::files::checkpoint::Checkpoint;
use crate::files::words;
use crate::naming::units::UnitSpec;
use crate::progress::Progress;
use crate::record::coded::CodedModel;
use crate::record::matrices::Naming;
use crate::record::tiles::{Decoding, decode_tiles};
use crate::safetensors::{TensorInfo, total};

/// Weights that one thread counts at a time: its tables of counts are then a small part of the
/// work.
const COUNT_WEIGHTS: usize = 1 << 16;

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
}

/// A unit.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct UnitReport {
    /// The module path.
    pub name: String,
    /// The number of its weights.
    pub weights: u64,
    /// `bytes` in bits, divided by the number of weights.
    pub bits_per_weight: f64,
    /// The fewest bits that each field of its weights could be coded in.
    pub entropy: Entropy,
    /// The number of different exponents.
    pub exponents_in_use: usize,
    /// Bits of its longest code.
    pub longest_code: u32,
    /// Bytes of its six arrays.
    pub bytes: u64,
    /// How often each exponent occurs.
    #[serde(skip)]
    pub histogram: Box<[u64; 256]>,
}

/// Shannon entropies, in bits per weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entropy {
    /// Of the sign, at most 1.
    pub sign: f64,
    /// Of the exponent, at most 8.
    pub exponent: f64,
    /// Of the mantissa, at most 7.
    pub mantissa: f64,
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
        let arrays = model.read(unit, progress)?;
        let proven = model.validate(unit, &arrays)?;
        let mut counts = Counts::default();
        decode_tiles(&proven, Decoding::Fast(&options.backend), &mut tile, |_, weights| {
            counts.add(weights);
            progress.advance(size_of_val(weights) as u64);
            Ok(())
        })
        .map_err(|stopped| model.stopped(unit, stopped))?;
        Ok(counts.report(&unit.name, u32::from(proven.code().longest()), unit.bytes))
    });
    let units = units.collect::<Result<_, Error>>()?;
    let raw = model.raw.iter().map(|name| raw_report(name, &model.checkpoint.tensors[name].info));
    Ok(InspectReport { units, raw: raw.collect(), completeness: completeness_of(model)? })
}

/// Whether a DFloat11 model is complete.
fn completeness_of(model: &CodedModel) -> Result<Completeness, Error> {
    if !matches!(&model.record, Ok(None)) {
        return match Restoration::plan(model, None, None) {
            Ok(plan) => Ok(Completeness::by_record(&plan.judgement.faults)),
            Err(error) if error.is_failed_check() => Ok(Completeness::by_record(&[error])),
            Err(error) => Err(error),
        };
    }
    Ok(Naming::of(model, None).map_or(Completeness::Unknown, |naming| completeness::of_coded(model, naming)))
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
        let mut counts = Counts::default();
        counts.add(&buffer);
        progress.advance(size_of_val(buffer.as_slice()) as u64);
        let splits = (spec.tensors.len() - 1) * size_of::<i64>();
        let bytes = plan.sizes().total() + splits as u64;
        Ok(counts.report(&spec.name, u32::from(plan.code().longest()), bytes))
    });
    let units = units.collect::<Result<_, Error>>()?;
    let coded: BTreeSet<&String> = specs.iter().flat_map(|spec| &spec.tensors).collect();
    let raw = source.tensors.iter().filter(|(name, _)| !coded.contains(name));
    let raw = raw.map(|(name, place)| raw_report(name, &place.info)).collect();
    Ok(InspectReport { units, raw, completeness: completeness::of_source(source)? })
}

fn raw_report(name: &str, info: &TensorInfo) -> RawReport {
    let (dtype, shape) = (info.dtype.name().to_owned(), info.shape.clone());
    RawReport { name: name.to_owned(), dtype, shape, bytes: info.bytes() }
}

/// How often each exponent occurs, and each byte of sign and mantissa.
struct Counts {
    exponent: Box<[u64; 256]>,
    sign_mantissa: Box<[u64; 256]>,
}

impl Default for Counts {
    fn default() -> Self {
        Counts { exponent: Box::new([0; 256]), sign_mantissa: Box::new([0; 256]) }
    }
}

impl Counts {
    fn add(&mut self, weights: &[bf16]) {
        let all = weights.par_chunks(COUNT_WEIGHTS).map(Counts::of).reduce(Counts::default, Counts::merged);
        *self = std::mem::take(self).merged(all);
    }

    fn of(weights: &[bf16]) -> Counts {
        let mut counts = Counts::default();
        for &weight in weights {
            counts.exponent[usize::from(bf16_word::exponent(weight))] += 1;
            counts.sign_mantissa[usize::from(bf16_word::sign_mantissa(weight))] += 1;
        }
        counts
    }

    fn merged(mut self, other: Counts) -> Counts {
        let pairs = [(&mut self.exponent, &other.exponent), (&mut self.sign_mantissa, &other.sign_mantissa)];
        for (counts, more) in pairs {
            counts.iter_mut().zip(more.iter()).for_each(|(count, more)| *count += more);
        }
        self
    }

    fn report(self, name: &str, longest_code: u32, bytes: u64) -> UnitReport {
        let mut sign = [0; 2];
        let mut mantissa = [0; 128];
        for (value, count) in self.sign_mantissa.iter().enumerate() {
            sign[value >> 7] += count;
            mantissa[value & 0x7f] += count;
        }
        let exponents = Histogram::from_counts(*self.exponent);
        let weights = exponents.total();
        UnitReport {
            name: name.to_owned(),
            weights,
            bits_per_weight: bytes as f64 * 8.0 / weights as f64,
            entropy: Entropy { sign: entropy(&sign), exponent: exponents.entropy(), mantissa: entropy(&mantissa) },
            exponents_in_use: exponents.exponents_in_use(),
            longest_code,
            bytes,
            histogram: self.exponent,
        }
    }
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
