//! A pipeline folder: the parts that have units, one after another, into one output.

use std::path::{Path, PathBuf};

use super::super::card::refuse_card;
use super::super::output::{Form, Output};
use super::super::pipeline::copy_beside;
use super::super::progress::Progress;
use super::beside::{add_card, names_beside};
use super::source::{Passed, ToCode, begin, refuse_without_bf16};
use super::{CompressOptions, CompressReport, KeptRaw, compress_model};
use crate::Error;

/// Compresses the parts of a pipeline that have units; the others are copied.
pub(super) fn compress_parts(
    input: &Path,
    output: &Path,
    parts: &[PathBuf],
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    refuse_card(input)?;
    let mut all = CompressReport::default();
    let mut coded = Vec::new();
    for part in parts {
        let model = ToCode::open(&input.join(part), options)?;
        if model.specs.is_empty() {
            all.notes.push(format!("{}: nothing to code, copied", part.display()));
            all.source_bytes += model.source.file_bytes();
            all.output_bytes += model.source.file_bytes();
        } else {
            refuse_without_bf16(&model.source)?;
            coded.push((part.clone(), model.pass(options)?));
        }
    }
    let models: Vec<_> = coded.iter().map(|(part, model)| (part.as_path(), model)).collect();
    let output = begin(output, input, Form::Directory, options, &models, progress)?;
    let outcome = fill(input, &output, coded, all, options, progress);
    output.conclude(outcome)
}

fn fill(
    input: &Path,
    output: &Output,
    coded: Vec<(PathBuf, Passed)>,
    mut all: CompressReport,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let parts: Vec<PathBuf> = coded.iter().map(|(part, _)| part.clone()).collect();
    for (part, model) in coded {
        output.folder(&part)?;
        let mut report = compress_model(model, output, &part, options, progress)?;
        report.copy_beside(&input.join(&part), output, &part, options, progress)?;
        all.add(report, &part.to_string_lossy());
    }
    all.add_copied(copy_beside(input, output, &parts, names_beside(options), progress)?);
    add_card(input, output, &parts, options, &mut all)?;
    Ok(all)
}

impl CompressReport {
    /// Takes in the report of a pipeline's part.
    fn add(&mut self, part: CompressReport, name: &str) {
        self.units += part.units;
        self.extension_units += part.extension_units;
        self.kept_raw
            .extend(part.kept_raw.into_iter().map(|kept| KeptRaw { unit: format!("{name}: {}", kept.unit), ..kept }));
        self.source_bytes += part.source_bytes;
        self.output_bytes += part.output_bytes;
        self.files += part.files;
        self.notes.extend(part.notes.into_iter().map(|note| format!("{name}: {note}")));
    }
}
