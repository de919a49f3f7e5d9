//! One model: a file for each unit, or one file.

use std::collections::BTreeSet;

use df11_core::bf16;

use super::contents::{Beside, remove};
use super::file::{Contents, write_file};
use super::gate::{Gate, Room};
use super::layout::Metadata;
use super::main_file::{check_names, write_main};
use super::options::{CompressOptions, CompressReport};
use super::plan::plan;
use super::resume::is_finished;
use super::source::{Passed, ToCode, has_unit_files};
use super::task::{Destination, Ledger, Task};
use super::unit::UnitBuffer;
use crate::Error;
use crate::naming::unit_files::file_names;
use crate::progress::Progress;
use crate::writer::output::Output;

/// Compresses the weights of a model into a folder of `output`, or into its one file.
pub(super) fn compress_model(
    Passed { model: ToCode { source, specs }, room }: &Passed,
    output: &Output,
    destination: &Destination<'_>,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let task = Task { source, specs, output, destination, options, progress };
    let (mut unit, mut ledger) = (UnitBuffer::new(task)?, Ledger::new(source));
    if has_unit_files(source, options) {
        if *room == Room::AfterPlanning {
            check_main_file(task, &mut unit)?;
        }
        file_for_each_unit(task, &mut unit, &mut ledger)?;
    } else {
        one_file(task, &mut unit, &mut ledger)?;
    }
    Ok(ledger.report)
}

fn file_for_each_unit(task: Task<'_>, unit: &mut UnitBuffer<'_>, ledger: &mut Ledger) -> Result<(), Error> {
    let mut rest: BTreeSet<String> = task.source.tensors.keys().cloned().collect();
    let files = file_names(task.specs.iter().map(|spec| spec.name.as_str()));
    let beside = Beside::of(task.specs, task.source.tensors.keys().map(String::as_str));
    check_names(task, &files)?;
    let mut coded = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let spec = &task.specs[index];
        let plan = match is_finished(task, unit, ledger, file, 1)? {
            true => None,
            false => match plan(task, unit, &mut ledger.report, index)? {
                Some(plan) => Some(plan),
                None => continue,
            },
        };
        remove(&mut rest, &spec.tensors);
        let others = beside.unit(index, &rest);
        remove(&mut rest, &others);
        if let Some(plan) = plan {
            let contents = Contents { name: file, units: &[(index, plan)], raw: &others };
            write_file(task, unit, ledger, contents, Metadata::of_unit(task.source, task.options.code))?;
        }
        coded.push(index);
    }
    let rest: Vec<String> = rest.into_iter().collect();
    write_main(task, unit, ledger, &[], &rest, &coded)
}

/// Plans every unit before the first is coded, to learn whether the header of the main file fits.
fn check_main_file(task: Task<'_>, unit: &mut UnitBuffer<'_>) -> Result<(), Error> {
    // The units are planned again later, and reported then.
    let mut unreported = CompressReport::default();
    let mut rest: BTreeSet<String> = task.source.tensors.keys().cloned().collect();
    let beside = Beside::of(task.specs, task.source.tensors.keys().map(String::as_str));
    let mut coded = Vec::new();
    for (index, spec) in task.specs.iter().enumerate() {
        if plan(task, unit, &mut unreported, index)?.is_some() {
            remove(&mut rest, &spec.tensors);
            let others = beside.unit(index, &rest);
            remove(&mut rest, &others);
            coded.push(spec);
        }
    }
    Gate::new(task.source, task.specs, task.options).check_planned(&coded, &rest)
}

fn one_file(task: Task<'_>, unit: &mut UnitBuffer<'_>, ledger: &mut Ledger) -> Result<(), Error> {
    check_names(task, &[])?;
    let mut rest: BTreeSet<String> = task.source.tensors.keys().cloned().collect();
    let mut units = Vec::new();
    for (index, spec) in task.specs.iter().enumerate() {
        if let Some(plan) = plan(task, unit, &mut ledger.report, index)? {
            remove(&mut rest, &spec.tensors);
            units.push((index, plan));
        }
        task.progress.advance(spec.weights * size_of::<bf16>() as u64);
    }
    let rest: Vec<String> = rest.into_iter().collect();
    let coded: Vec<usize> = units.iter().map(|(index, _)| *index).collect();
    write_main(task, unit, ledger, &units, &rest, &coded)
}
