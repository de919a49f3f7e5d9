//! `df11 compress`: converts BF16 to DFloat11.

use std::path::PathBuf;
use std::time::Instant;

use df11::jobs::{self, CodeKind, CompressOptions, CompressReport, EstimateOptions};
use df11::shown::shown;

use crate::advice;
use crate::estimate::tell;
use crate::exit::{Failure, Outcome, Verdict};
use crate::json;
use crate::options::{Machine, Memory, not_stdout, pattern_dict};
use crate::progress::Progress;
use crate::terminal::{Terminal, count, size};

/// Compress BF16 safetensors: a file becomes a file, a directory becomes a directory with one file
/// for each unit
///
/// Each unit is decoded and compared before it is written. The published `dfloat11` loader can read
/// the output. The metadata also holds, under `df11.`, what `df11 decompress` needs to restore the
/// source files byte for byte.
#[derive(Debug, clap::Args)]
#[command(after_long_help = PUBLISHED)]
pub struct Compress {
    /// A .safetensors file, or a model directory as downloaded from a hub
    input: PathBuf,
    /// The file or directory to write; it appears only when it is complete
    #[arg(short, long, value_name = "OUTPUT", required_unless_present = "dry_run", value_parser = not_stdout())]
    output: Option<PathBuf>,
    /// Replace OUTPUT if it exists, and remove what an interrupted run has left of it. A directory
    /// is replaced only if it is a model and holds nothing else
    #[arg(short, long)]
    force: bool,
    /// Continue with OUTPUT.partial, which an interrupted run of the same job has left; start from
    /// the beginning if there is none
    #[arg(long)]
    resume: bool,
    /// Write nothing: list the units, list the tensors that stay as they are, and predict the size
    #[arg(long)]
    dry_run: bool,
    /// For a directory: write one model.safetensors instead of one file for each unit
    #[arg(long)]
    single_file: bool,
    /// Whose codes and files to write: our own, or those of the published tool (dfloat11 0.5.0),
    /// byte for byte. See below
    #[arg(long, value_enum, default_value_t = Code::Canonical)]
    code: Code,
    /// Do not decode and compare the encoded weights
    #[arg(long)]
    no_verify: bool,
    /// Also code the BF16 tensors that the published loader cannot read, if they are large enough:
    /// experts in one tensor, convolutions, tables. Only df11 can read the result
    #[arg(long, conflicts_with = "pattern_dict")]
    all: bool,
    /// Take the units from this JSON file: an object that maps patterns to lists, like
    /// `pattern_dict` in a published config.json
    #[arg(long, value_name = "FILE")]
    pattern_dict: Option<PathBuf>,
    /// For a directory: also write a README.md, to complete and publish. The source's README.md is
    /// kept as README.source.md
    #[arg(long)]
    model_card: bool,
    /// Print {version, verb, output, units, extension_units, kept_raw, model_files, verified,
    /// source_bytes, output_bytes, files, copied_beside, left_out, notes} instead; with --dry-run
    /// what `estimate --json` prints, with version, verb, copied_beside and left_out
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    memory: Memory,
    #[command(flatten)]
    machine: Machine,
}

/// What `--code published` means.
const PUBLISHED: &str = "\
`--code published` writes what dfloat11 0.5.0 would have written, byte for byte: its codes, its tables, its config.json, nothing of ours in the \
metadata, no other files. `df11 decompress` then restores the tensors, not the files. If that tool would stop at a unit, or write what cannot be \
read, the unit gets our code: nearly every unit with an exponent of 240 or more, and most units of one or two exponents. If its bytes depend on \
numpy and on the processor (a code has more than 32 bits, and several exponents are equally rare), df11 changes the lowest exponents first. \
A note names each such unit.";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Code {
    /// The fewest bytes, and a record that restores the source files
    Canonical,
    /// What dfloat11 0.5.0 would write
    Published,
}

impl From<Code> for CodeKind {
    fn from(code: Code) -> Self {
        match code {
            Code::Canonical => CodeKind::Canonical,
            Code::Published => CodeKind::Published,
        }
    }
}

impl Compress {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        let options = self.options()?;
        let Some(output) = self.output.as_ref().filter(|_| !self.dry_run) else {
            self.predict(options, terminal)?;
            return Ok(Verdict::Fine);
        };
        let began = Instant::now();
        let progress = Progress::stoppable(terminal)?;
        let report = self.machine.pool()?.install(|| jobs::compress(&self.input, output, &options, &progress))?;
        drop(progress);
        if self.json {
            terminal.json_of_output(output, &json::compressed(output, &report, options.verify))?;
            return Ok(Verdict::Fine);
        }
        for kept in &report.kept_raw {
            terminal.note(format_args!("unit `{}` is kept as it is: {}", shown(&kept.unit), kept.reason));
        }
        for note in &report.notes {
            terminal.note(advice::note(note));
        }
        let seconds = began.elapsed().as_secs_f64();
        terminal.summary_of_output(output, &summary(&report, options.verify, seconds))?;
        Ok(Verdict::Fine)
    }

    fn options(&self) -> Result<CompressOptions, Failure> {
        let mut options = CompressOptions::default();
        options.backend = self.machine.backend()?;
        options.code = self.code.into();
        options.pattern_dict = pattern_dict(self.pattern_dict.as_deref())?;
        options.all = self.all;
        options.single_file = self.single_file;
        options.verify = !self.no_verify;
        options.force = self.force;
        options.resume = self.resume;
        options.memory = self.memory.limit();
        options.model_card = self.model_card;
        Ok(options)
    }

    fn predict(&self, of: CompressOptions, terminal: &Terminal) -> Result<(), Failure> {
        let mut options = EstimateOptions::default();
        options.backend = of.backend;
        options.code = of.code;
        options.pattern_dict = of.pattern_dict;
        options.all = of.all;
        options.single_file = of.single_file;
        let report = self.machine.pool()?.install(|| jobs::estimate(&self.input, &options))?;
        if self.json {
            return terminal.json(&json::foretold(&report));
        }
        tell(&self.input, &report, true, terminal)
    }
}

fn summary(report: &CompressReport, verified: bool, seconds: f64) -> String {
    let share = 100.0 * report.output_bytes as f64 / report.source_bytes.max(1) as f64;
    let checked = if verified { "each decoded and compared" } else { "none decoded and compared (--no-verify)" };
    format!(
        "{} in {}, {checked}: {} -> {} ({share:.1} %) in {seconds:.1} s",
        count(report.units, "unit"),
        count(report.files, "file"),
        size(report.source_bytes),
        size(report.output_bytes),
    )
}
