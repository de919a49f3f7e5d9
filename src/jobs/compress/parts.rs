//! A pipeline folder: the parts that have units, one after another, into one output.

use std::path::{Path, PathBuf};

use super::begin::begin;
use super::beside::{add_card, names_beside};
use super::model::compress_model;
use super::options::{CodeKind, CompressOptions, CompressReport, KeptRaw};
use super::source::{Passed, ToCode, refuse_without_bf16};
use super::task::Destination;
use crate::files::our_files::{OurFile, check_names_in};
use crate::jobs::card::{README, refuse_card};
use crate::jobs::chosen::{note_on_patterns, nothing_gained};
use crate::progress::Progress;
use crate::record::manifest::{MANIFEST_FILE, record_checksum, refuse_list, text_of};
use crate::writer::copies::{Copied, copy_beside, portable};
use crate::writer::output::{Form, Output};
use crate::{Error, Note};

/// Compresses the parts of a pipeline that have units, and copies the others.
pub(super) fn compress_parts(
    input: &Path,
    output: &Path,
    parts: &[PathBuf],
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    refuse_card(input)?;
    refuse_list(input)?;
    let mut all = CompressReport::default();
    let models = parts.iter().map(|part| Ok((part, ToCode::open(&input.join(part), options, progress)?)));
    let models = models.collect::<Result<Vec<_>, Error>>()?;
    let sources = models.iter().map(|(_, model)| &model.source);
    all.notes.extend(note_on_patterns(sources, options.pattern_dict.as_ref())?);
    let mut coded = Vec::new();
    for (part, model) in models {
        if model.specs.is_empty() {
            all.notes.push(Note::NothingToCode { part: part.to_string_lossy().into_owned() });
            all.source_bytes += model.source.file_bytes();
            all.output_bytes += model.source.file_bytes();
        } else {
            refuse_without_bf16(&model.source)?;
            coded.push((part.clone(), model.pass(options)?));
        }
    }
    let models: Vec<_> = coded.iter().map(|(part, model)| (part.as_path(), model)).collect();
    let output = begin(output, input, Form::Directory, options, &models, progress)?;
    let outcome = fill(input, &output, &coded, all, options, progress);
    output.conclude(outcome)
}

fn fill(
    input: &Path,
    output: &Output,
    coded: &[(PathBuf, Passed)],
    mut all: CompressReport,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let parts: Vec<PathBuf> = coded.iter().map(|(part, _)| part.clone()).collect();
    let mut copied = Vec::new();
    for (part, model) in coded {
        output.folder(part)?;
        copied.push(all.copy_beside(&model.model.source, output, part, options, progress)?);
    }
    let beside = copy_beside(input, output, &parts, names_beside(options), progress)?;
    all.add_copied(&beside);
    let mut files: Vec<OurFile> = beside.ours().collect();
    let has_record = options.code == CodeKind::Canonical;
    if has_record {
        check_top(input, &parts, &files, options)?;
    }
    for ((part, model), copied) in coded.iter().zip(&copied) {
        let name = portable(&input.join(part), part)?;
        let place = Destination { below: part, copied, part: Some(&name), has_card: false };
        all.add(compress_model(model, output, &place, options, progress)?, &name);
        if has_record {
            let xxh3 = record_checksum(&output.path(&part.join(model.model.source.main_file)))?;
            files.push(OurFile::Part { name, xxh3 });
        }
    }
    if options.model_card {
        files.push(add_card(input, output, &parts, &mut all)?);
    }
    if has_record {
        all.write_small(output, Path::new(MANIFEST_FILE), text_of(&files).as_bytes())?;
    }
    let gained = nothing_gained(all.source_bytes, all.output_bytes, all.units);
    all.notes.extend(gained);
    coded.iter().try_for_each(|(_, model)| model.model.source.check_unchanged())?;
    copied.iter().chain([&beside]).try_for_each(Copied::check_unchanged)?;
    Ok(all)
}

/// Refuses names at the top of a pipeline that another system would read differently.
fn check_top(input: &Path, parts: &[PathBuf], files: &[OurFile], options: &CompressOptions) -> Result<(), Error> {
    let folders = parts.iter().map(|part| portable(&input.join(part), part)).collect::<Result<Vec<_>, Error>>()?;
    let folders = folders.iter().map(String::as_str);
    let card = options.model_card.then_some(README);
    let own = folders.clone().chain([MANIFEST_FILE]).chain(card);
    check_names_in(input, own.chain(files.iter().map(OurFile::name)))?;
    check_names_in(input, folders.chain(files.iter().filter_map(OurFile::source_name)))
}

impl CompressReport {
    /// Adds the report of one part of a pipeline.
    fn add(&mut self, part: CompressReport, name: &str) {
        self.units += part.units;
        self.extension_units += part.extension_units;
        self.kept_raw
            .extend(part.kept_raw.into_iter().map(|kept| KeptRaw { unit: format!("{name}: {}", kept.unit), ..kept }));
        self.model_files.extend(part.model_files.into_iter().map(|file| format!("{name}/{file}")));
        self.source_bytes += part.source_bytes;
        self.output_bytes += part.output_bytes;
        self.files += part.files;
        self.notes.extend(part.notes.into_iter().map(|note| note.of_part(name)));
    }
}
