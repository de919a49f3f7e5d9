//! One model: planned, then restored into a folder of the output or as its one file.

use std::collections::BTreeSet;
use std::path::Path;

use super::options::{DecompressOptions, DecompressReport};
use super::partial::find_unsound;
use super::pass::Pass;
use crate::error::{ModelReason, RecordReason};
use crate::files::our_files::{OurFile, check_names_in};
use crate::jobs::card::without_card;
use crate::jobs::completeness::{self, Completeness};
use crate::jobs::judge::{judge_data, read_checked};
use crate::jobs::memory::check_units;
use crate::jobs::restoration::Restoration;
use crate::naming::pattern::PatternDict;
use crate::progress::{Progress, check_stopped, report_reading};
use crate::record::coded::CodedModel;
use crate::record::matrices::Naming;
use crate::record::source::Record;
use crate::writer::copies::{check_others, copy_others};
use crate::writer::output::{Form, NewFiles, Output};
use crate::{Error, open};

/// All paths that are read, INPUT first.
pub(super) fn inputs<'a>(input: &'a Path, options: &'a DecompressOptions) -> Vec<&'a Path> {
    let patterns = options.pattern_dict.as_ref().and_then(PatternDict::file);
    [input].into_iter().chain(options.like.as_deref()).chain(patterns).collect()
}

/// Plans the restoration of a model.
pub(super) fn plan(model: &mut CodedModel, options: &DecompressOptions) -> Result<Restoration, Error> {
    let mut lost = Vec::new();
    match std::mem::replace(&mut model.record, Ok(None)) {
        // Without the record, the remaining tensors come back as from the published tool's files.
        Err(error @ (Error::FileMissing { .. } | Error::Record { reason: RecordReason::Lost, .. })) => {
            lost.push(error);
            refuse(&model.checkpoint.path, &mut lost, options)?;
        }
        record => model.record = Ok(record?),
    }
    check_units(model, options.memory)?;
    let mut plan = Restoration::plan(model, options.pattern_dict.as_ref(), options.like.as_deref())?;
    let needs_others = |record: &Record| {
        let files = record.written.iter().flat_map(|written| &written.files);
        files.into_iter().any(|file| matches!(file, OurFile::Weights { .. }))
    };
    if let Ok(Some(record)) = &model.record
        && !model.checkpoint.is_dir
        && !options.partial
        && !plan.judgement.faults.is_empty()
        && needs_others(record)
    {
        let (path, reason) = (model.checkpoint.path.clone(), ModelReason::MainFileAlone);
        return Err(Error::NotAModel { path, reason });
    }
    plan.judgement.faults.extend(lost);
    if matches!(&model.record, Ok(None)) {
        let naming = Naming::of(model, options.pattern_dict.as_ref())?;
        plan.completeness = completeness::of_coded(model, naming);
        plan.judgement.faults.extend(plan.completeness.error(&model.checkpoint.path));
    } else {
        plan.completeness = Completeness::by_record(&plan.judgement.faults);
    }
    if plan.copies.is_none() && copies_folder(model, &plan) {
        check_others(&model.checkpoint.path, &BTreeSet::new())?;
    }
    Ok(plan)
}

/// Whether the files next to the weights are restored.
fn copies_folder(model: &CodedModel, plan: &Restoration) -> bool {
    plan.form == Form::Directory && model.checkpoint.is_dir
}

/// Refuses a model that is not whole, unless a partial restoration was asked for.
pub(super) fn refuse(model: &Path, faults: &mut Vec<Error>, options: &DecompressOptions) -> Result<(), Error> {
    if faults.is_empty() || options.partial {
        return Ok(());
    }
    Err(Error::NotWhole { path: model.to_path_buf(), faults: std::mem::take(faults) })
}

/// The bytes of work that progress announces: a partial restoration decodes twice.
pub(super) fn work(plan: &Restoration, options: &DecompressOptions) -> u64 {
    plan.data_bytes().saturating_mul(if options.partial { 2 } else { 1 })
}

/// Restores what was planned, into the folder `below` of `output` or as its one file.
pub(super) fn restore(
    model: &CodedModel,
    mut plan: Restoration,
    output: &Output,
    below: &Path,
    options: &DecompressOptions,
    progress: &dyn Progress,
) -> Result<DecompressReport, Error> {
    let input = model.checkpoint.path.as_path();
    let mut report =
        DecompressReport { missing: std::mem::take(&mut plan.judgement.faults), ..DecompressReport::default() };
    let mut copied = None;
    match &plan.copies {
        Some(copies) => report.restore_copies(input, copies, output, below, progress)?,
        None if copies_folder(model, &plan) => {
            let copies = copy_others(input, output, below, &*without_card(input)?, &BTreeSet::new(), progress)?;
            check_names_in(input, plan.names().chain(copies.files.iter().map(|file| file.ours.name())))?;
            report.files += copies.files.len();
            copied = Some(copies);
        }
        None => {}
    }
    refuse(input, &mut report.missing, options)?;
    if options.partial {
        let mut lost = plan.missing.clone();
        let pass = Pass::new(model, &plan, None, options, progress);
        find_unsound(&pass, &mut report.missing, &mut lost)?;
        plan.leave_out(&lost, input)?;
    }
    let mut files = NewFiles::default();
    for (name, header) in &plan.files {
        let file = output.file(&below.join(name))?;
        file.write(header, 0)?;
        files.add(file)?;
    }
    let pass = Pass::new(model, &plan, Some(&files), options, progress);
    let mut tile = Vec::new();
    for (unit, matrices) in model.units.iter().zip(&plan.matrices) {
        if matrices.iter().any(|matrix| plan.targets.contains_key(&matrix.tensor)) {
            pass.restore_unit(unit, matrices, &mut tile)?;
        }
    }
    drop(tile);
    for name in model.raw.iter().filter(|name| plan.targets.contains_key(*name)) {
        pass.copy_raw(name)?;
    }
    if let Ok(Some(Record { written: Some(written), .. })) = &model.record {
        report.missing.extend(judge_data(model, written, &pass.seen.borrow()));
        refuse(input, &mut report.missing, options)?;
    }
    files.finish()?;
    for (name, bytes) in &plan.verbatim {
        let file = output.file(&below.join(name))?;
        file.write(bytes, 0)?;
        file.finish()?;
    }
    model.checkpoint.check_unchanged()?;
    copied.iter().try_for_each(|copied| copied.check_unchanged())?;
    let headers: u64 = plan.files.iter().map(|(_, header)| header.len() as u64).sum();
    report.completeness = std::mem::take(&mut plan.completeness);
    report.checked = plan.byte_exact;
    report.byte_exact =
        plan.byte_exact && report.missing.is_empty() && (plan.copies.is_some() || plan.form == Form::File);
    report.tensors = plan.targets.len();
    report.output_bytes = headers.saturating_add(plan.data_bytes());
    report.files += plan.files.len() + plan.verbatim.len();
    report.notes.extend(model.checkpoint.notes.iter().cloned());
    report.notes.extend(plan.judgement.notes.into_iter().chain(plan.notes));
    report.notes.extend(copied.into_iter().flat_map(|copied| copied.notes));
    Ok(report)
}

impl DecompressReport {
    /// Restores the copied files of the source. Each is compared with its checksum as it is copied
    /// back. What is missing or changed is noted.
    pub(super) fn restore_copies(
        &mut self,
        input: &Path,
        files: &[OurFile],
        output: &Output,
        below: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        for file in files {
            match restore_copy(input, file, output, below, progress) {
                Ok(restored) => self.files += usize::from(restored),
                Err(error) if error.is_failed_check() => self.missing.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Restores one file, if it is a copied one. The file has a temporary name until its checksum is
/// known.
fn restore_copy(
    input: &Path,
    file: &OurFile,
    output: &Output,
    below: &Path,
    progress: &dyn Progress,
) -> Result<bool, Error> {
    let (OurFile::Copied { name, size, xxh3, .. }, Some(source)) = (file, file.source_name()) else { return Ok(false) };
    let source = below.join(source);
    if let Some(folder) = source.parent() {
        output.folder(folder)?;
    }
    let from = input.join(name);
    // A file that cannot be opened is judged below.
    let copy = match open::regular(&from) {
        Ok(file) => output.copy_of(&source, &file)?,
        Err(_) => output.file(&source)?,
    };
    read_checked(&from, *size, *xxh3, |offset, bytes| {
        check_stopped(progress)?;
        report_reading(progress, name, offset, *size);
        copy.write(bytes, offset)
    })?;
    copy.finish()?;
    Ok(true)
}
