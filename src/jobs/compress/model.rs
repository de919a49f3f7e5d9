//! One model: a file for each unit, or one file.

use df11_core::bf16;
use df11_cpu::Plan;

use super::file::write_file;
use super::gate::{Gate, Room};
use super::layout::{Contents, Fate, Metadata, Steps, walk};
use super::main_file::{check_names, write_main};
use super::options::{CompressOptions, CompressReport};
use super::plan::plan;
use super::resume::is_finished;
use super::source::Passed;
use super::task::{Destination, Ledger, Task};
use super::unit::UnitBuffer;
use crate::Error;
use crate::progress::Progress;
use crate::writer::output::Output;

/// Compresses the weights of a model into a folder of `output`, or into its one file.
pub(super) fn compress_model(
    Passed { model, room }: &Passed,
    output: &Output,
    destination: &Destination<'_>,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let (source, specs, layout) = (&model.source, &model.specs[..], &*model.layout(options));
    let task = Task { source, specs, layout, output, destination, options, progress };
    let (mut unit, mut ledger) = (UnitBuffer::new(task)?, Ledger::new(source));
    if *room == Room::AfterPlanning && layout.unit_files().is_some() {
        check_main_file(task, &mut unit)?;
    }
    check_names(task)?;
    let main = walk(layout, specs, &mut Coding { task, unit: &mut unit, ledger: &mut ledger })?;
    write_main(task, &mut unit, &mut ledger, &main)?;
    Ok(ledger.report)
}

/// Plans every unit before the first is coded, to learn whether the header of the main file fits.
fn check_main_file(task: Task<'_>, unit: &mut UnitBuffer<'_>) -> Result<(), Error> {
    // The units are planned again later, and reported then.
    let mut planning = Planning { task, unit, unreported: CompressReport::default() };
    let main = walk(task.layout, task.specs, &mut planning)?;
    Gate { layout: task.layout, specs: task.specs }.check_planned(&main.coded, &main.raw)
}

/// Plans every unit, and writes the files of units.
struct Coding<'a, 'u> {
    task: Task<'a>,
    unit: &'a mut UnitBuffer<'u>,
    ledger: &'a mut Ledger,
}

impl Steps for Coding<'_, '_> {
    type Unit = Plan;

    fn unit(&mut self, index: usize, file: Option<&str>) -> Result<Fate<Plan>, Error> {
        if let Some(file) = file
            && is_finished(self.task, self.unit, self.ledger, file, 1)?
        {
            return Ok(Fate::Finished);
        }
        if file.is_some() {
            self.task.progress.unit(&self.task.specs[index].name);
        }
        let plan = plan(self.task, self.unit, &mut self.ledger.report, index)?;
        if file.is_none() {
            // The unit is named, and read once more, when it is coded.
            self.unit.early.done(self.task.specs[index].weights * size_of::<bf16>() as u64);
        }
        Ok(plan.map_or(Fate::Raw, Fate::Coded))
    }

    fn file(&mut self, contents: &Contents<'_, Plan>, metadata: Metadata<'_>) -> Result<(), Error> {
        write_file(self.task, self.unit, self.ledger, contents, metadata)
    }
}

/// Plans every unit, and writes nothing.
struct Planning<'a, 'u> {
    task: Task<'a>,
    unit: &'a mut UnitBuffer<'u>,
    unreported: CompressReport,
}

impl Steps for Planning<'_, '_> {
    type Unit = Plan;

    fn unit(&mut self, index: usize, _file: Option<&str>) -> Result<Fate<Plan>, Error> {
        let plan = plan(self.task, self.unit, &mut self.unreported, index)?;
        self.unit.early.done(self.task.specs[index].weights * size_of::<bf16>() as u64);
        Ok(plan.map_or(Fate::Raw, Fate::Coded))
    }

    fn file(&mut self, _contents: &Contents<'_, Plan>, _metadata: Metadata<'_>) -> Result<(), Error> {
        Ok(())
    }
}
