//! The report of an estimate.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::Note;
use crate::naming::owners::RawReason;
use crate::note::words;

/// The predicted result of compression. Serialises to the JSON that the program prints on request.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct EstimateReport {
    /// The units in natural order. Names of units in a part of a pipeline begin with `PART/`.
    pub units: Vec<EstimatedUnit>,
    /// The tensors that stay raw, by name.
    pub raw: Vec<EstimatedRaw>,
    /// The source's weight files that are the model, or hold superseded tensors.
    pub model_files: Vec<String>,
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
pub struct EstimatedPatterns(pub(super) Value);

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

impl EstimateReport {
    /// The report of a pipeline to which no part has been added yet.
    pub(super) fn of_parts() -> EstimateReport {
        let pattern_dict = EstimatedPatterns(Value::Object(serde_json::Map::new()));
        EstimateReport { pattern_dict, ..EstimateReport::default() }
    }

    /// Adds the report of one part of a pipeline.
    pub(super) fn add(&mut self, part: &Path, report: EstimateReport) {
        let name = part.to_string_lossy();
        let below = |path: String| format!("{name}/{path}");
        self.units.extend(report.units.into_iter().map(|unit| EstimatedUnit { name: below(unit.name), ..unit }));
        self.raw.extend(report.raw.into_iter().map(|raw| EstimatedRaw { name: below(raw.name), ..raw }));
        self.model_files.extend(report.model_files.into_iter().map(&below));
        self.source_bytes += report.source_bytes;
        self.output_bytes += report.output_bytes;
        self.weights += report.weights;
        self.weights_read += report.weights_read;
        self.pattern_dict.0[name.to_string()] = report.pattern_dict.0;
        self.notes.extend(report.notes.into_iter().map(|note| note.of_part(&name)));
    }
}
