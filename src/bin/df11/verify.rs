//! `df11 verify`: checks whether a model is whole, is what was compressed, and matches a given
//! source.

use std::path::PathBuf;

use df11::jobs::{self, VerifyOptions, VerifyReport};
use df11::shown::shown;

use crate::advice;
use crate::exit::{CODES, Failure, Outcome, Verdict};
use crate::json;
use crate::options::{Memory, Threads, pattern_dict};
use crate::progress::Progress;
use crate::terminal::{Terminal, count, grouped};

/// Check a DFloat11 file or directory: its structure, its checksums, its source
///
/// Every unit is decoded, and every number of its structure is checked. The result says whether the
/// model is complete, or that nothing tells. If the files hold
/// checksums, as those of this program do, every tensor and every file is compared with its
/// checksum. With --against, every tensor is compared with the source bit for bit.
#[derive(Debug, clap::Args)]
#[command(after_help = CODES, after_long_help = CODES)]
pub struct Verify {
    /// A DFloat11 .safetensors file or directory
    input: PathBuf,
    /// Compare every tensor with this BF16 file or directory, bit for bit
    #[arg(long, value_name = "SOURCE")]
    against: Option<PathBuf>,
    /// Take the patterns from this JSON file instead of config.json
    #[arg(long, value_name = "FILE")]
    pattern_dict: Option<PathBuf>,
    /// Print {version, verb, completeness: {state, missing}, units, weights, raw_tensors,
    /// checksums, files, compared, failures, copied_beside, left_out, notes} instead
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    memory: Memory,
    #[command(flatten)]
    threads: Threads,
}

impl Verify {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        match self.check(terminal) {
            Err(Failure::Job(error)) if error.is_failed_check() => {
                terminal.error(advice::error(&error));
                Ok(Verdict::CheckFailed)
            }
            outcome => outcome,
        }
    }

    fn check(&self, terminal: &Terminal) -> Outcome {
        let mut options = VerifyOptions::default();
        options.pattern_dict = pattern_dict(self.pattern_dict.as_deref())?;
        options.against = self.against.clone();
        options.memory = self.memory.limit();
        let progress = Progress::new(terminal);
        let report = self.threads.pool()?.install(|| jobs::verify(&self.input, &options, &progress))?;
        drop(progress);
        let failed = !report.failures.is_empty();
        for failure in &report.failures {
            terminal.error(advice::error(failure));
        }
        if self.json {
            terminal.json(&json::verified(&report))?;
        } else {
            for note in &report.notes {
                terminal.note(advice::note(note));
            }
            terminal.summary(&self.input, &self.summary(&report))?;
        }
        Ok(if failed { Verdict::CheckFailed } else { Verdict::Fine })
    }

    fn summary(&self, report: &VerifyReport) -> String {
        if !report.failures.is_empty() {
            return format!("FAILED: {}", count(report.failures.len(), "error"));
        }
        let mut text = format!(
            "{}: {} of {} weights and {}",
            report.completeness.word(),
            count(report.units, "unit"),
            grouped(report.weights),
            count(report.raw_tensors, "raw tensor")
        );
        text += &match report.checksums {
            Some(tensors) => format!(", {} equal to their checksums", count(tensors, "tensor")),
            None => ", structure alone (the files hold no checksums)".to_owned(),
        };
        text += &match (report.files, report.checksums) {
            (Some(files), _) => format!(", {} as written", count(files, "file")),
            (None, Some(_)) if self.input.is_dir() => {
                ", files beside the weights not checked (a record of version 1)".into()
            }
            (None, _) => String::new(),
        };
        if let (Some(tensors), Some(source)) = (report.compared, &self.against) {
            text += &format!(", {} bit for bit those of {}", count(tensors, "tensor"), shown(source));
        }
        text
    }
}
