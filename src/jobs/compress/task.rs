//! What a compression is given, and what it records on the way. Each step takes the parts that it
//! needs.

use std::path::{Path, PathBuf};

use super::layout::FileLayout;
use super::options::{CompressOptions, CompressReport};
use crate::Note;
use crate::files::checkpoint::Checkpoint;
use crate::files::our_files::OurFile;
use crate::naming::units::UnitSpec;
use crate::progress::Progress;
use crate::writer::copies::Copied;
use crate::writer::output::Output;

/// Where in the output a model goes, and what lies there next to its weights.
pub(super) struct Destination<'a> {
    /// The folder in the output; empty for the top folder, and for a single file.
    pub below: &'a Path,
    /// The files that were copied there.
    pub copied: &'a Copied,
    /// The name of the part, if the model is a part of a pipeline.
    pub part: Option<&'a str>,
    /// Whether a card is written there. A card states sizes, so it is written once they are known.
    pub has_card: bool,
}

/// What is to be done: one model, its units, and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub source: &'a Checkpoint,
    pub specs: &'a [UnitSpec],
    pub layout: &'a dyn FileLayout,
    pub output: &'a Output,
    pub destination: &'a Destination<'a>,
    pub options: &'a CompressOptions,
    pub progress: &'a dyn Progress,
}

impl Task<'_> {
    /// The place in the output of a file of the model.
    pub fn place(&self, name: &str) -> PathBuf {
        self.destination.below.join(name)
    }
}

/// What is done so far.
pub(super) struct Ledger {
    /// The weight files written.
    pub ours: Vec<OurFile>,
    pub report: CompressReport,
    /// The number of the report's notes that belong to finished files, or to no file.
    told: usize,
}

impl Ledger {
    /// For a model that is to be coded.
    pub fn new(source: &Checkpoint) -> Ledger {
        let (source_bytes, notes) = (source.file_bytes(), source.notes.clone());
        let told = notes.len();
        let model_files = source.files.iter().map(|file| file.name.clone()).collect();
        let report = CompressReport { model_files, source_bytes, notes, ..CompressReport::default() };
        Ledger { ours: Vec::new(), report, told }
    }

    /// Adds the notes of a file that an earlier run has finished.
    pub fn retell(&mut self, notes: Vec<Note>) {
        self.report.notes.extend(notes);
        self.told = self.report.notes.len();
    }

    /// The notes since the last file was finished: those of the file that is finished now.
    pub fn notes_of_file(&mut self) -> Vec<Note> {
        let notes = self.report.notes[self.told..].to_vec();
        self.told = self.report.notes.len();
        notes
    }
}
