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

mod options;
mod report;
mod sample;
mod total;

use std::path::Path;

use super::chosen::{find_units, notes_on, notes_on_patterns, nothing_gained};
use super::compress::gate::Gate;
use super::compress::layout::{FileLayout, layout_of};
use super::compress::options::CodeKind;
use super::compress::source::{refuse_coded, refuse_without_bf16};
use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::files::sampling::runs;
use crate::files::shapes::is_shapes;
use crate::files::weight_files::parts;
use crate::naming::infer::Inferred;
pub use options::EstimateOptions;
pub use report::{EstimateReport, EstimatedPatterns, EstimatedRaw, EstimatedUnit};
use total::Total;

/// Values that are checked of an F32 or F16 tensor. Among weights that never were BF16, one value
/// in thousands looks like BF16.
const DISGUISE_SAMPLE: u64 = 64;

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
    let mut all = EstimateReport::of_parts();
    for part in parts {
        all.add(&part, estimate_one(&open(&input.join(&part), options)?, options)?);
    }
    Ok(all)
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

/// Estimates one model.
pub(super) fn estimate_one(source: &Checkpoint, options: &EstimateOptions) -> Result<EstimateReport, Error> {
    refuse_coded(source)?;
    refuse_without_bf16(source)?;
    let inferred = find_units(source, options.pattern_dict.as_ref(), options.all)?;
    let may_code_all = options.code == CodeKind::Canonical && options.pattern_dict.is_none() && !options.all;
    let notes = notes_on(source, &inferred, may_code_all)?;
    let Inferred { units: specs, raw: reasons } = inferred;
    let layout = layout_of(source, &specs, options.code, options.pattern_dict.as_ref(), options.single_file);
    let layout: &dyn FileLayout = &*layout;
    Gate { layout, specs: &specs }.check()?;
    let mut report = Total::new(layout, &specs, options).report(&reasons)?;
    report.notes.extend(notes);
    report.notes.extend(notes_on_patterns(source, options.pattern_dict.as_ref()));
    report.notes.extend(nothing_gained(report.source_bytes, report.output_bytes, report.units.len()));
    Ok(report)
}
