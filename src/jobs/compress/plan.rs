//! Plans a unit: decides whether it is coded, and notes what readers of the published form need to
//! know about it.

use df11_core::limits::{MAX_WEIGHTS, PUBLISHED_MAX_BLOCK_WEIGHTS};
use df11_core::{bf16, fullest_block};
use df11_cpu::Plan;

use super::layout::split_positions;
use super::options::{CodeKind, CompressReport, KeptRaw, KeptReason};
use super::task::Task;
use super::unit::UnitBuffer;
use crate::progress::check_stopped;
use crate::{Error, Note};

/// Reads a unit and plans it. Returns `None` if the unit stays raw, which is reported.
pub(super) fn plan(
    task: Task<'_>,
    unit: &mut UnitBuffer<'_>,
    report: &mut CompressReport,
    index: usize,
) -> Result<Option<Plan>, Error> {
    check_stopped(task.progress)?;
    let spec = &task.specs[index];
    let raw_bytes = spec.weights * size_of::<bf16>() as u64;
    let reason = match try_plan(task, unit, report, index)? {
        Ok(plan) => {
            let bytes = plan.sizes().total() + split_positions(task.source, spec).len() as u64;
            if task.layout.worth_coding(bytes, raw_bytes) {
                return Ok(Some(plan));
            }
            KeptReason::NotSmaller { coded: bytes, raw: raw_bytes }
        }
        Err(fault) => KeptReason::NotCoded { fault },
    };
    report.kept_raw.push(KeptRaw { unit: spec.name.clone(), reason });
    Ok(None)
}

/// If the header shows that a unit is too large, its weights are not read.
fn try_plan(
    task: Task<'_>,
    unit: &mut UnitBuffer<'_>,
    report: &mut CompressReport,
    index: usize,
) -> Result<Result<Plan, df11_core::Error>, Error> {
    let spec = &task.specs[index];
    if spec.weights > MAX_WEIGHTS {
        return Ok(Err(df11_core::Error::TooManyWeights { found: spec.weights }));
    }
    unit.load(index)?;
    let (weights, ..) = unit.loaded(index);
    Ok(task.options.code.plan(&task.options.backend, weights).map(|(plan, fault)| {
        if task.options.code == CodeKind::Published {
            tell_published(&spec.name, weights, &plan, fault, &mut report.notes);
        }
        plan
    }))
}

/// Notes what readers of the published form need to know about a unit.
fn tell_published(unit: &str, weights: &[bf16], plan: &Plan, fault: Option<df11_core::Error>, notes: &mut Vec<Note>) {
    let unit = unit.to_owned();
    if let Some(fault) = &fault {
        notes.push(Note::InOurCode { unit: unit.clone(), reason: fault.to_string() });
    }
    if plan.as_core().breaks_tie() {
        notes.push(Note::TieBroken { unit: unit.clone() });
    }
    let fullest = if plan.code().shortest() == 1 { fullest_block(plan.code(), weights) } else { 0 };
    if fullest > PUBLISHED_MAX_BLOCK_WEIGHTS {
        notes.push(Note::BlockTooFull { unit, weights: fullest });
    }
}
