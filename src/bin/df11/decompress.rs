//! `df11 decompress`: converts DFloat11 back to BF16.

use std::path::PathBuf;
use std::time::Instant;

use df11::jobs::{self, DecompressOptions, DecompressReport};

use crate::advice;
use crate::exit::{Outcome, Verdict};
use crate::json;
use crate::options::{Destination, Machine, Memory, pattern_dict};
use crate::progress::Progress;
use crate::terminal::{Terminal, count, size};

/// Restore the BF16 safetensors from which a DFloat11 file or directory was made
///
/// Files compressed by this program come back byte for byte. Each tensor and each copied file is
/// compared with its checksum; if one is missing or changed, nothing is written. Files of other
/// tools hold neither shapes nor checksums. Their shapes come from --like, or from the config.json
/// of a known architecture. Without either, the weights come back flat, with a note.
#[derive(Debug, clap::Args)]
pub struct Decompress {
    /// A DFloat11 .safetensors file or directory
    input: PathBuf,
    #[command(flatten)]
    destination: Destination,
    /// Take names and shapes from the tensors of this BF16 model
    #[arg(long, value_name = "DIR")]
    like: Option<PathBuf>,
    /// Take the patterns from this JSON file instead of config.json
    #[arg(long, value_name = "FILE")]
    pattern_dict: Option<PathBuf>,
    /// If the model is not complete, or files of it are changed, restore what is there and report
    /// the rest. Every unit is then decoded twice
    #[arg(long)]
    partial: bool,
    /// Print {version, verb, output, byte_exact, checked, tensors, output_bytes, files,
    /// completeness: {state, missing}, not_restored, copied_beside, left_out, notes} instead
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    memory: Memory,
    #[command(flatten)]
    machine: Machine,
}

impl Decompress {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        let mut options = DecompressOptions::default();
        options.backend = self.machine.backend()?;
        options.pattern_dict = pattern_dict(self.pattern_dict.as_deref())?;
        options.like = self.like.clone();
        options.force = self.destination.force;
        options.memory = self.memory.limit();
        options.partial = self.partial;
        let output = &self.destination.output;
        let began = Instant::now();
        let progress = Progress::stoppable(terminal)?;
        let report = self.machine.pool()?.install(|| jobs::decompress(&self.input, output, &options, &progress))?;
        drop(progress);
        if self.json {
            terminal.json_of_output(output, &json::restored(output, &report))?;
            return Ok(Verdict::Fine);
        }
        for note in &report.notes {
            terminal.note(advice::note(note));
        }
        for missing in &report.missing {
            terminal.note(format_args!("not restored: {missing}"));
        }
        let seconds = began.elapsed().as_secs_f64();
        terminal.summary_of_output(output, &summary(&report, seconds))?;
        Ok(Verdict::Fine)
    }
}

fn summary(report: &DecompressReport, seconds: f64) -> String {
    let exact = if report.byte_exact {
        let is_less = report.notes.iter().any(|note| !note.left_out().is_empty());
        let but = if is_less { ", but for those left out" } else { "" };
        format!("each equal to its checksum, every file byte for byte the source{but}")
    } else if !report.missing.is_empty() {
        format!("NOT the whole source: {} in the input", count(report.missing.len(), "fault"))
    } else if report.checked {
        "each equal to its checksum; weight files, config.json and index byte for byte the source, \
         other files unchecked (a record of version 1 does not list them)"
            .to_owned()
    } else {
        let complete = report.completeness.word();
        format!("bit for bit what the units hold (the input has no record of its source files; {complete})")
    };
    format!(
        "{} in {}, {exact}: {} in {seconds:.1} s",
        count(report.tensors, "tensor"),
        count(report.files, "file"),
        size(report.output_bytes),
    )
}
