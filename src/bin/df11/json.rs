//! What `compress`, `--dry-run`, `decompress` and `verify` print with `--json`: one object on
//! stdout. FILES.md, "Reports as JSON".

use std::path::Path;

use df11::Note;
use df11::jobs::{Completeness, CompressReport, DecompressReport, EstimateReport, VerifyReport};
use serde::Serialize;

/// The version of these objects. Fields may be added to a version; none changes its meaning.
const VERSION: u32 = 1;

/// What all of them begin with.
#[derive(Serialize)]
pub struct Report<T: Serialize> {
    version: u32,
    verb: &'static str,
    #[serde(flatten)]
    found: T,
    /// Files of INPUT that were copied without being the model's.
    copied_beside: Vec<String>,
    /// Files of INPUT that were left out, each with the reason.
    left_out: Vec<LeftOut>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct LeftOut {
    file: String,
    reason: String,
}

impl<T: Serialize> Report<T> {
    fn of(verb: &'static str, found: T, notes: &[Note]) -> Report<T> {
        let left_out = notes
            .iter()
            .flat_map(|note| note.left_out().into_iter().map(|file| LeftOut { file, reason: note.to_string() }));
        let copied_beside = notes.iter().flat_map(Note::copied_beside).collect();
        let (left_out, notes) = (left_out.collect(), notes.iter().map(Note::to_string).collect());
        Report { version: VERSION, verb, found, copied_beside, left_out, notes }
    }
}

#[derive(Serialize)]
pub struct Compressed<'a> {
    output: String,
    units: usize,
    extension_units: usize,
    kept_raw: Vec<KeptUnit<'a>>,
    model_files: &'a [String],
    verified: bool,
    source_bytes: u64,
    output_bytes: u64,
    files: usize,
}

#[derive(Serialize)]
struct KeptUnit<'a> {
    unit: &'a str,
    reason: String,
}

/// The report of `compress`.
pub fn compressed<'a>(output: &Path, report: &'a CompressReport, verified: bool) -> Report<Compressed<'a>> {
    let kept = report.kept_raw.iter().map(|kept| KeptUnit { unit: &kept.unit, reason: kept.reason.to_string() });
    let found = Compressed {
        output: output.to_string_lossy().into_owned(),
        units: report.units,
        extension_units: report.extension_units,
        kept_raw: kept.collect(),
        model_files: &report.model_files,
        verified,
        source_bytes: report.source_bytes,
        output_bytes: report.output_bytes,
        files: report.files,
    };
    Report::of("compress", found, &report.notes)
}

#[derive(Serialize)]
pub struct Foretold<'a> {
    units: &'a [df11::jobs::EstimatedUnit],
    raw: &'a [df11::jobs::EstimatedRaw],
    model_files: &'a [String],
    source_bytes: u64,
    output_bytes: u64,
    weights: u64,
    weights_read: u64,
    pattern_dict: &'a df11::jobs::EstimatedPatterns,
}

/// The report of `compress --dry-run`: that of `estimate`, and what would be left out.
pub fn foretold(report: &EstimateReport) -> Report<Foretold<'_>> {
    let found = Foretold {
        units: &report.units,
        raw: &report.raw,
        model_files: &report.model_files,
        source_bytes: report.source_bytes,
        output_bytes: report.output_bytes,
        weights: report.weights,
        weights_read: report.weights_read,
        pattern_dict: &report.pattern_dict,
    };
    Report::of("compress --dry-run", found, &report.notes)
}

#[derive(Serialize)]
pub struct Restored<'a> {
    output: String,
    byte_exact: bool,
    checked: bool,
    tensors: usize,
    output_bytes: u64,
    files: usize,
    completeness: &'a Completeness,
    not_restored: Vec<String>,
}

/// The report of `decompress`.
pub fn restored<'a>(output: &Path, report: &'a DecompressReport) -> Report<Restored<'a>> {
    let found = Restored {
        output: output.to_string_lossy().into_owned(),
        byte_exact: report.byte_exact,
        checked: report.checked,
        tensors: report.tensors,
        output_bytes: report.output_bytes,
        files: report.files,
        completeness: &report.completeness,
        not_restored: report.missing.iter().map(ToString::to_string).collect(),
    };
    Report::of("decompress", found, &report.notes)
}

/// `checksums`, `files` and `compared` are null if there was nothing to compare with.
#[derive(Serialize)]
pub struct Verified<'a> {
    completeness: &'a Completeness,
    units: usize,
    weights: u64,
    raw_tensors: usize,
    checksums: Option<usize>,
    files: Option<usize>,
    compared: Option<usize>,
    failures: Vec<String>,
}

/// The report of `verify`.
pub fn verified(report: &VerifyReport) -> Report<Verified<'_>> {
    let found = Verified {
        completeness: &report.completeness,
        units: report.units,
        weights: report.weights,
        raw_tensors: report.raw_tensors,
        checksums: report.checksums,
        files: report.files,
        compared: report.compared,
        failures: report.failures.iter().map(ToString::to_string).collect(),
    };
    Report::of("verify", found, &report.notes)
}
