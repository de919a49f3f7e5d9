//! `df11 estimate`: predicts the size of the compressed model. `--dry-run` prints the same in full.

use std::path::{Path, PathBuf};

use df11::jobs::{self, EstimateOptions, EstimateReport};
use df11::shown::shown;

use crate::advice;
use crate::exit::{Failure, Outcome, Verdict};
use crate::options::{Machine, pattern_dict};
use crate::table::{Side, columns};
use crate::terminal::{Terminal, count, grouped, size};

/// Predict the size of the compressed model from about 4 % of its weights, without encoding
///
/// INPUT may also be a JSON file of names, dtypes and shapes: {"tensors":
/// [["model.layers.{0..31}.mlp.up_proj.weight", "BF16", [14336, 4096]], ...]}.
#[derive(Debug, clap::Args)]
pub struct Estimate {
    /// A .safetensors file, a model directory, or a .json file of shapes
    input: PathBuf,
    /// Read no weights: use the typical code length of trained weights
    #[arg(long)]
    headers_only: bool,
    /// For a directory: predict for one model.safetensors instead of one file for each unit
    #[arg(long)]
    single_file: bool,
    /// Also count BF16 tensors as coded that the published loader cannot read, as in compress
    #[arg(long, conflicts_with = "pattern_dict")]
    all: bool,
    /// Take the units from this JSON file, as in compress
    #[arg(long, value_name = "FILE")]
    pattern_dict: Option<PathBuf>,
    /// Print {units: [{name, tensors, weights, bytes}], raw: [...], source_bytes, output_bytes,
    /// pattern_dict, ...} instead
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    machine: Machine,
}

impl Estimate {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        let mut options = EstimateOptions::default();
        options.backend = self.machine.backend()?;
        options.pattern_dict = pattern_dict(self.pattern_dict.as_deref())?;
        options.all = self.all;
        options.single_file = self.single_file;
        options.headers_only = self.headers_only;
        let report = self.machine.pool()?.install(|| jobs::estimate(&self.input, &options))?;
        if self.json {
            terminal.json(&report)?;
        } else {
            tell(&self.input, &report, terminal.verbose(), terminal)?;
        }
        Ok(Verdict::Fine)
    }
}

/// Prints a report. With `in_full`, every unit and every raw tensor come first; the sizes follow.
pub fn tell(input: &Path, report: &EstimateReport, in_full: bool, terminal: &Terminal) -> Result<(), Failure> {
    for note in &report.notes {
        terminal.note(advice::note(note));
    }
    let lists = if in_full { lists(report) } else { String::new() };
    terminal.result(&format!("{lists}{}: {}\n", shown(input), summary(report)))
}

fn lists(report: &EstimateReport) -> String {
    let heading = ["unit", "matrices", "weights", "bits/weight", "bytes"].map(str::to_owned);
    let units = report.units.iter().map(|unit| {
        let bits = 8.0 * unit.bytes as f64 / unit.weights.max(1) as f64;
        let matrices = unit.tensors.len().to_string();
        [shown(&unit.name).to_string(), matrices, grouped(unit.weights), format!("{bits:.3}"), grouped(unit.bytes)]
    });
    let units = columns(
        std::iter::once(heading).chain(units).collect(),
        &[Side::Left, Side::Right, Side::Right, Side::Right, Side::Right],
    );
    if report.raw.is_empty() {
        return format!("{units}\n");
    }
    let heading = ["stays as it is", "dtype", "shape", "bytes", "because it is"].map(str::to_owned);
    let raw = report.raw.iter().map(|raw| {
        let shape = format!("{:?}", raw.shape);
        [shown(&raw.name).to_string(), shown(&raw.dtype).to_string(), shape, grouped(raw.bytes), raw.reason.to_string()]
    });
    let raw = columns(
        std::iter::once(heading).chain(raw).collect(),
        &[Side::Left, Side::Left, Side::Left, Side::Right, Side::Left],
    );
    format!("{units}\n{raw}\n")
}

fn summary(report: &EstimateReport) -> String {
    let share = 100.0 * report.output_bytes as f64 / report.source_bytes.max(1) as f64;
    let read = match report.weights_read {
        0 => "from headers alone".to_owned(),
        read => format!("from {:.1} % of the weights", 100.0 * read as f64 / report.weights.max(1) as f64),
    };
    let raw = match report.raw.len() {
        0 => String::new(),
        raw => format!(" and {} as they are", count(raw, "tensor")),
    };
    format!(
        "{}{raw}: {} -> about {} ({share:.1} %), predicted {read}",
        count(report.units.len(), "unit"),
        size(report.source_bytes),
        size(report.output_bytes),
    )
}
