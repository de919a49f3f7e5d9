//! `df11 synth`: makes a checkpoint for measurements.

use std::path::PathBuf;

use df11::jobs::{self, SynthOptions};

use crate::exit::{Outcome, Verdict};
use crate::options::{Destination, Threads};
use crate::progress::Progress;
use crate::terminal::{Terminal, count, size};

/// Make a checkpoint with the shapes of a published architecture, and random weights that compress
/// like trained ones
///
/// CONFIG is a JSON file of names, dtypes and shapes: {"tensors":
/// [["model.layers.{0..31}.mlp.up_proj.weight", "BF16", [14336, 4096]], ...], "config": {the
/// content of config.json}}. The project has such files for many released models under
/// tests/vectors/architectures.
#[derive(Debug, clap::Args)]
pub struct Synth {
    /// A .json file of shapes
    #[arg(value_name = "CONFIG")]
    shapes: PathBuf,
    #[command(flatten)]
    destination: Destination,
    /// Keep only the blocks with a number below N: a smaller model of the same kind
    #[arg(long, value_name = "N")]
    layers: Option<u64>,
    /// A different number gives different weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    threads: Threads,
}

impl Synth {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        let mut options = SynthOptions::default();
        options.layers = self.layers;
        options.seed = self.seed;
        options.force = self.destination.force;
        let output = &self.destination.output;
        let progress = Progress::stoppable(terminal)?;
        let report = self.threads.pool()?.install(|| jobs::synth(&self.shapes, output, &options, &progress))?;
        drop(progress);
        let (tensors, files) = (count(report.tensors, "tensor"), count(report.files, "file"));
        terminal.summary_of_output(output, &format!("{tensors} in {files}, {}", size(report.bytes)))?;
        Ok(Verdict::Fine)
    }
}
