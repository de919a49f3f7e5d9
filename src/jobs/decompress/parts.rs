//! A pipeline folder: its coded parts, one after another, and the files next to them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::model::{inputs, plan, refuse, restore, work};
use super::options::{DecompressOptions, DecompressReport};
use crate::Error;
use crate::jobs::card::without_card;
use crate::jobs::completeness::Completeness;
use crate::jobs::judge::judge_manifest;
use crate::progress::Progress;
use crate::record::manifest::{Part, Pipeline};
use crate::writer::copies::{check_others, copy_beside};
use crate::writer::output::{Form, Output};

/// Restores the coded parts of a pipeline, and copies the other files.
pub(super) fn restore_parts(
    input: &Path,
    output: &Path,
    Pipeline { parts, files, fault }: Pipeline,
    options: &DecompressOptions,
    progress: &dyn Progress,
) -> Result<DecompressReport, Error> {
    let mut all = DecompressReport {
        byte_exact: true,
        checked: true,
        completeness: Completeness::Complete,
        ..DecompressReport::default()
    };
    if let Some(files) = &files {
        let judgement = judge_manifest(input, files, &parts)?;
        all.missing = judgement.faults;
        all.notes = judgement.notes;
    }
    all.missing.extend(fault);
    let mut planned = Vec::new();
    for Part { folder, mut model } in parts {
        let mut plan = plan(&mut model, options)?;
        if !options.partial {
            // Check the copies now: restoring the parts before this one may take hours.
            plan.judgement.copies(model.checkpoint.folder(), plan.copies.iter().flatten(), progress)?;
        }
        all.missing.append(&mut plan.judgement.faults);
        planned.push((folder, model, plan));
    }
    refuse(input, &mut all.missing, options)?;
    check_others(input, &BTreeSet::new())?;
    progress.begin(planned.iter().map(|(.., plan)| work(plan, options)).sum());
    let output = Output::begin(output, &inputs(input, options), Form::Directory, options.force)?;
    let mut copied = None;
    match &files {
        Some(files) => all.restore_copies(input, files, &output, Path::new(""), progress)?,
        None => {
            let folders: Vec<PathBuf> = planned.iter().map(|(folder, ..)| folder.into()).collect();
            copied = Some(copy_beside(input, &output, &folders, &*without_card(input)?, progress)?);
            all.byte_exact = false;
        }
    }
    refuse(input, &mut all.missing, options)?;
    for (folder, model, plan) in planned {
        output.folder(Path::new(&folder))?;
        let part = restore(&model, plan, &output, Path::new(&folder), options, progress)?;
        all.add(part, &folder);
    }
    if let Some(copied) = copied {
        copied.check_unchanged()?;
        all.files += copied.files.len();
        all.notes.extend(copied.notes);
    }
    output.commit()?;
    all.byte_exact &= all.missing.is_empty();
    Ok(all)
}

impl DecompressReport {
    /// Adds the report of one part of a pipeline.
    fn add(&mut self, part: DecompressReport, folder: &str) {
        self.byte_exact &= part.byte_exact;
        self.completeness = std::mem::take(&mut self.completeness).and(part.completeness);
        self.checked &= part.checked;
        self.tensors += part.tensors;
        self.output_bytes += part.output_bytes;
        self.files += part.files;
        self.missing.extend(part.missing);
        self.notes.extend(part.notes.into_iter().map(|note| note.of_part(folder)));
    }
}
