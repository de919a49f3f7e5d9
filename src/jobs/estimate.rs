//! Predicts the result of compression without encoding: which units, which tensors stay raw, how
//! many bytes.
//!
//! ```text
//! for each unit: about 1 weight in 24, in runs spread over its tensors
//!                -> the code of that sample -> bits per weight
//! sizes of the six arrays by formula
//!                -> files laid out and their headers made, as compression would
//! ```
//!
//! Only the length of the streams is estimated; the rest is exact or nearly so. A header has its
//! real length, except for the names of the files next to the weights: checksums and offsets have
//! fixed or nearly fixed widths.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use df11_core::limits::TABLE_ENTRIES;
use df11_core::{PartSizes, bf16};
use serde::Serialize;
use serde_json::Value;

use super::compress::contents::{Beside, record_of, remove};
use super::compress::gate::Gate;
use super::compress::layout::{Metadata, header, layout, split_positions, unwritable};
use super::compress::options::CodeKind;
use super::compress::published::{self, Saver};
use super::compress::source::{refuse_coded, refuse_without_bf16};
use crate::backend::Choice;
use crate::files::checkpoint::Checkpoint;
use crate::files::our_files::{Digits, OurFile};
use crate::files::sampling::runs;
use crate::files::shapes::is_shapes;
use crate::files::weight_files::parts;
use crate::naming::by_pattern::units_by_pattern;
use crate::naming::infer::{Inferred, infer_units};
use crate::naming::owners::RawReason;
use crate::naming::pattern::PatternDict;
use crate::naming::unit_files::file_names;
use crate::naming::units::UnitSpec;
use crate::note::words;
use crate::record::config::dfloat11_config;
use crate::record::source::Written;
use crate::{Error, Note};

/// One weight in this many is read: less than 5 %, including what rounding adds.
const SAMPLE_SHARE: u64 = 24;
/// Most weights that are read of a unit. With these, the mean code length of a larger unit is off
/// by less than 0.002 bits.
const MAX_SAMPLE: u64 = 1 << 20;
/// Values that are checked of an F32 or F16 tensor. Among weights that never were BF16, one value
/// in thousands looks like BF16.
const DISGUISE_SAMPLE: u64 = 64;

/// Bits of an exponent's code if no weight is read: the mean over MiniLM's units, coded. Gaussian
/// weights need 2.6.
const TYPICAL_CODE_BITS: f64 = 2.69;
/// Tables of a unit if no weight is read: trained weights need two or three.
const TYPICAL_TABLES: usize = 3;

/// What to estimate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EstimateOptions {
    /// The backend that plans the codes of the samples.
    pub backend: Choice,
    /// Whose codes and files would be written.
    pub code: CodeKind,
    /// Which modules are units; by default they are inferred from the headers.
    pub pattern_dict: Option<PatternDict>,
    /// If units are inferred: also code every other BF16 tensor that is large enough.
    pub all: bool,
    /// For a directory: one `model.safetensors` instead of one file for each unit.
    pub single_file: bool,
    /// Read no weights: use a typical code length for all units.
    pub headers_only: bool,
}

impl Default for EstimateOptions {
    fn default() -> Self {
        let backend = Choice::best();
        let code = CodeKind::default();
        EstimateOptions { backend, code, pattern_dict: None, all: false, single_file: false, headers_only: false }
    }
}

/// The predicted result of compression. Serialises to the JSON that the program prints on request.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct EstimateReport {
    /// The units in natural order. Names of units in a part of a pipeline begin with `PART/`.
    pub units: Vec<EstimatedUnit>,
    /// The tensors that stay raw, by name.
    pub raw: Vec<EstimatedRaw>,
    /// Bytes of the source's weight files.
    pub source_bytes: u64,
    /// Predicted bytes of the weight files written, headers included.
    pub output_bytes: u64,
    /// Weights of all units.
    pub weights: u64,
    /// Those of `weights` that were read.
    pub weights_read: u64,
    /// The patterns by which the published loader would find the units.
    pub pattern_dict: EstimatedPatterns,
    /// What the user should know.
    #[serde(serialize_with = "words")]
    pub notes: Vec<Note>,
}

/// Patterns of units, as a config.json would hold them: a JSON object that maps patterns to lists
/// of attributes, or for a pipeline, one such object for each part. Displays as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct EstimatedPatterns(Value);

impl fmt::Display for EstimatedPatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A unit that compression would make.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EstimatedUnit {
    /// The module path.
    pub name: String,
    /// The tensors that form the unit, in the order of its stream.
    pub tensors: Vec<String>,
    /// The number of their weights.
    pub weights: u64,
    /// Predicted bytes of its six arrays.
    pub bytes: u64,
}

/// A tensor that stays raw.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EstimatedRaw {
    /// Its name.
    pub name: String,
    /// Its dtype.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Bytes of its data.
    pub bytes: u64,
    /// Why the tensor is not coded. Serialises to the text of the reason.
    pub reason: RawReason,
}

/// Estimates the model at `input`: a file, a directory, a pipeline folder, or a file of shapes
/// (FILES.md, "Shapes without weights"). For a file of shapes, only the headers count.
///
/// # Errors
/// INPUT is not a readable BF16 model.
pub fn estimate(input: &Path, options: &EstimateOptions) -> Result<EstimateReport, Error> {
    if is_shapes(input) {
        let source = Checkpoint::of_shapes(input)?;
        return estimate_one(&source, &EstimateOptions { headers_only: true, ..options.clone() });
    }
    let parts = parts(input)?;
    if parts.is_empty() {
        return estimate_one(&open(input, options)?, options);
    }
    let pattern_dict = EstimatedPatterns(Value::Object(serde_json::Map::new()));
    let mut all = EstimateReport { pattern_dict, ..EstimateReport::default() };
    for part in parts {
        all.add(&part, estimate_one(&open(&input.join(&part), options)?, options)?);
    }
    Ok(all)
}

impl EstimateReport {
    /// Adds the report of one part of a pipeline.
    fn add(&mut self, part: &Path, report: EstimateReport) {
        let name = part.to_string_lossy();
        let below = |path: String| format!("{name}/{path}");
        self.units.extend(report.units.into_iter().map(|unit| EstimatedUnit { name: below(unit.name), ..unit }));
        self.raw.extend(report.raw.into_iter().map(|raw| EstimatedRaw { name: below(raw.name), ..raw }));
        self.source_bytes += report.source_bytes;
        self.output_bytes += report.output_bytes;
        self.weights += report.weights;
        self.weights_read += report.weights_read;
        self.pattern_dict.0[name.to_string()] = report.pattern_dict.0;
        self.notes.extend(report.notes.into_iter().map(|note| note.of_part(&name)));
    }
}

/// Opens a model. If weights may be read, a sample tells which F32 and F16 tensors seem to hold
/// only BF16 values.
fn open(input: &Path, options: &EstimateOptions) -> Result<Checkpoint, Error> {
    let mut source = Checkpoint::open(input)?;
    if !options.headers_only && options.code == CodeKind::Canonical {
        source.find_disguised(options.all, |weights| runs(weights, weights.min(DISGUISE_SAMPLE)))?;
    }
    Ok(source)
}

fn estimate_one(source: &Checkpoint, options: &EstimateOptions) -> Result<EstimateReport, Error> {
    refuse_coded(source)?;
    refuse_without_bf16(source)?;
    let Inferred { units: mut specs, raw: reasons } = match &options.pattern_dict {
        Some(patterns) => Inferred { units: units_by_pattern(source, patterns)?, ..Inferred::default() },
        None => infer_units(source.infos(), options.all),
    };
    let &EstimateOptions { code, ref pattern_dict, single_file, .. } = options;
    Gate { source, specs: &specs, code, pattern_dict: pattern_dict.as_ref(), single_file }.check()?;
    let mut report =
        EstimateReport { source_bytes: source.file_bytes(), notes: source.notes.clone(), ..EstimateReport::default() };
    let mut sizes = Vec::new();
    let mut kept = BTreeSet::new();
    for spec in &specs {
        let size = sizes_of(source, spec, options, &mut report.weights_read)?;
        let bytes = size.total() + split_positions(source, spec).len() as u64;
        if bytes < spec.weights * size_of::<bf16>() as u64 || options.code == CodeKind::Published {
            let (name, tensors) = (spec.name.clone(), spec.tensors.clone());
            report.units.push(EstimatedUnit { name, tensors, weights: spec.weights, bytes });
            report.weights += spec.weights;
            sizes.push(size);
        } else {
            kept.extend(spec.tensors.iter().cloned());
        }
    }
    specs.retain(|spec| !kept.contains(&spec.tensors[0]));
    let published: Vec<&UnitSpec> = specs.iter().filter(|spec| !spec.is_extension()).collect();
    let patterns = match options.code {
        CodeKind::Canonical => PatternDict::to_json(&published, source.tensors.keys().map(String::as_str)),
        CodeKind::Published => published::pattern_dict(options.pattern_dict.as_ref(), &specs, &published, source),
    };
    let coded: BTreeSet<&String> = specs.iter().flat_map(|spec| &spec.tensors).collect();
    for (name, info) in
        source.tensors.iter().filter(|(name, _)| !coded.contains(name)).map(|(name, place)| (name, &place.info))
    {
        let reason = match reasons.get(name) {
            Some(reason) => reason.clone(),
            None if kept.contains(name) => RawReason::NotSmaller,
            None => RawReason::NoPattern,
        };
        let (dtype, shape) = (info.dtype.name().to_owned(), info.shape.clone());
        report.raw.push(EstimatedRaw { name: name.clone(), dtype, shape, bytes: info.bytes(), reason });
    }
    report.output_bytes = output_bytes(source, &specs, &sizes, &patterns, options)?;
    report.pattern_dict = EstimatedPatterns(patterns);
    Ok(report)
}

/// Bytes of the files to which these units and the rest would be written.
fn output_bytes(
    source: &Checkpoint,
    specs: &[UnitSpec],
    sizes: &[PartSizes],
    patterns: &Value,
    options: &EstimateOptions,
) -> Result<u64, Error> {
    let mut rest: BTreeSet<String> = source.tensors.keys().cloned().collect();
    specs.iter().for_each(|spec| remove(&mut rest, &spec.tensors));
    let config = dfloat11_config(patterns.clone());
    let mut units: Vec<(&UnitSpec, PartSizes)> = specs.iter().zip(sizes.iter().copied()).collect();
    let (mut total, mut files) = (0, Vec::new());
    if source.is_dir && !options.single_file {
        let beside = Beside::of(specs, source.tensors.keys().map(String::as_str));
        for (index, unit) in units.drain(..).enumerate() {
            let others = beside.unit(index, &rest);
            remove(&mut rest, &others);
            let unwritable = unwritable(source, &unit.0.name, false);
            let layout =
                layout(source, std::iter::once(unit), others.iter().map(String::as_str)).map_err(&unwritable)?;
            let metadata = Metadata::of_unit(source, options.code);
            let size = layout.data_bytes() + header(source, &layout, &metadata).map_err(&unwritable)?.len() as u64;
            total += size;
            let name = file_names(std::iter::once(unit.0.name.as_str())).concat();
            files.push(OurFile::Weights { name, size, header: Digits::default(), xxh3: Digits::default() });
        }
    }
    // Other files in the folder are ignored: their names are few bytes.
    let written = Written { files, ..Written::default() };
    let record = record_of(source, &specs.iter().collect::<Vec<_>>(), &Default::default(), written);
    let metadata = match options.code {
        CodeKind::Canonical => Metadata::Record(&record, &config),
        CodeKind::Published => Saver::of(source, options.single_file).metadata(),
    };
    let unwritable = unwritable(source, source.main_file, options.single_file);
    let layout = layout(source, units.into_iter(), rest.iter().map(String::as_str)).map_err(&unwritable)?;
    Ok(total + layout.data_bytes() + header(source, &layout, &metadata).map_err(&unwritable)?.len() as u64)
}

/// Sizes of a unit's arrays, from a sample of its weights.
fn sizes_of(
    source: &Checkpoint,
    spec: &UnitSpec,
    options: &EstimateOptions,
    read: &mut u64,
) -> Result<PartSizes, Error> {
    let (bits, tables) = if options.headers_only {
        (TYPICAL_CODE_BITS, TYPICAL_TABLES)
    } else {
        let sample = sample(source, spec)?;
        *read += sample.len() as u64;
        match options.code.plan(&options.backend, &sample) {
            Ok((plan, _)) => {
                let sizes = plan.sizes();
                (8.0 * sizes.encoded_exponent as f64 / sample.len() as f64, sizes.luts / TABLE_ENTRIES - 1)
            }
            Err(fault) => {
                return Err(Error::UnitNotCoded { path: source.path.clone(), unit: spec.name.clone(), fault });
            }
        }
    };
    let stream = ((spec.weights as f64 * bits / 8.0).ceil() as usize).max(1);
    Ok(PartSizes::of(spec.weights, stream, tables))
}

/// Some weights of each of a unit's tensors.
fn sample(source: &Checkpoint, spec: &UnitSpec) -> Result<Vec<bf16>, Error> {
    let share = (spec.weights / SAMPLE_SHARE).clamp(1, MAX_SAMPLE) as f64 / spec.weights as f64;
    let mut sample: Vec<bf16> = Vec::new();
    for tensor in &spec.tensors {
        let weights = source.weights_of(tensor);
        for (first, length) in runs(weights, ((weights as f64 * share) as u64).clamp(1, weights)) {
            let begin = sample.len();
            sample.resize(begin + length as usize, bf16::ZERO);
            source.read_weights(tensor, first, &mut sample[begin..], |_| {})?;
        }
    }
    Ok(sample)
}
