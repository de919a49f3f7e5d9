//! Which units a BF16 model gets, for every job alike, and what the user should know about the
//! tensors that stay raw.

use std::collections::{BTreeMap, BTreeSet};

use df11_core::bf16;
use df11_core::limits::MAX_WEIGHTS;

use super::completeness::{self, Completeness};
use crate::files::checkpoint::Checkpoint;
use crate::files::file_names::CONFIG_FILE;
use crate::files::folder::has;
use crate::files::shapes::weights;
use crate::naming::by_pattern::{units_by_pattern, unmatched};
use crate::naming::infer::{Inferred, Wishes, infer_units};
use crate::naming::owners::RawReason;
use crate::naming::pattern::PatternDict;
use crate::naming::units::MIN_LONE_WEIGHTS;
use crate::record::config::ConfigFile;
use crate::{Error, Note};

/// The file that makes a folder an adapter of PEFT.
const ADAPTER_FILE: &str = "adapter_config.json";
/// A note tells of raw BF16 tensors that are more than this share of all, in percent.
const MUCH_RAW: u64 = 10;
/// About what share of a BF16 tensor coding saves, in percent.
const SAVED: u64 = 30;

/// Finds the units of a model by these patterns. Without patterns they are inferred, `all` of them
/// if the user asked for it.
pub(crate) fn find_units(source: &Checkpoint, patterns: Option<&PatternDict>, all: bool) -> Result<Inferred, Error> {
    match patterns {
        Some(patterns) => Ok(Inferred { units: units_by_pattern(source, patterns)?, ..Inferred::default() }),
        None => Ok(infer_units(source.infos(), Wishes { all, tied: is_tied(source)? })),
    }
}

/// Whether the input embedding is also the output layer, by config.json. A file may lie beside a
/// config.json that is not its own, so there it is only a hint.
fn is_tied(source: &Checkpoint) -> Result<bool, Error> {
    let config = match source.is_dir {
        true => ConfigFile::of(source)?,
        false => ConfigFile::read(source.folder()).unwrap_or_default(),
    };
    Ok(config.is_some_and(|config| config.ties_embedding()))
}

/// What the user should know about the choice. With `may_code_all`, the job could code the rest
/// too.
pub(crate) fn notes_on(source: &Checkpoint, inferred: &Inferred, may_code_all: bool) -> Result<Vec<Note>, Error> {
    let mut notes = Vec::new();
    if source.is_dir && has(&source.path.join(ADAPTER_FILE))? && !has(&source.path.join(CONFIG_FILE))? {
        notes.push(Note::Adapter { file: ADAPTER_FILE.to_owned() });
    }
    if let Completeness::Missing(missing) = completeness::of_source(source)? {
        notes.push(Note::Incomplete { missing });
    }
    for (tensor, _) in inferred.raw.iter().filter(|(_, reason)| **reason == RawReason::Tied) {
        let cost = source.tensors.get(tensor).map_or(0, |place| place.info.bytes()) / 100 * SAVED;
        notes.push(Note::TiedKept { tensor: tensor.clone(), cost });
    }
    notes.extend(too_large(source, inferred));
    notes.extend(much_raw(source, inferred, may_code_all));
    Ok(notes)
}

/// The note on patterns that match nothing in any model of a job.
///
/// # Errors
/// No pattern matches anything.
pub(crate) fn note_on_patterns<'a>(
    models: impl Iterator<Item = &'a Checkpoint>,
    patterns: Option<&PatternDict>,
) -> Result<Option<Note>, Error> {
    let Some(patterns) = patterns else { return Ok(None) };
    let patterns = unmatched(models, patterns)?;
    Ok((!patterns.is_empty()).then_some(Note::PatternsUnmatched { patterns }))
}

/// The note on tensors that no unit can hold.
fn too_large(source: &Checkpoint, inferred: &Inferred) -> Option<Note> {
    let mut names = inferred.raw.iter().filter(|(_, reason)| **reason == RawReason::TooLarge).map(|(name, _)| name);
    let size = |name: &String| source.tensors.get(name).map_or(0, |place| place.info.bytes());
    let bytes = names.clone().map(size).fold(0, u64::saturating_add);
    let first = names.next()?.clone();
    Some(Note::TooLarge { first, more: names.count(), bytes })
}

fn much_raw(source: &Checkpoint, inferred: &Inferred, may_code_all: bool) -> Option<Note> {
    let coded: BTreeSet<&str> = inferred.units.iter().flat_map(|unit| &unit.tensors).map(String::as_str).collect();
    let (mut all, mut raw, mut codable) = (0, 0, 0);
    let mut by_reason: BTreeMap<String, Vec<(u64, &str)>> = BTreeMap::new();
    for (name, info) in source.infos().filter(|(_, info)| info.dtype.is_bf16()) {
        let count = weights(&info.shape).unwrap_or(0);
        let bytes = count.saturating_mul(size_of::<bf16>() as u64);
        all += bytes;
        let reason = inferred.raw.get(name);
        if !coded.contains(name) && !matches!(reason, Some(RawReason::Tied | RawReason::TooLarge)) {
            raw += bytes;
            codable += if (MIN_LONE_WEIGHTS..=MAX_WEIGHTS).contains(&count) { bytes } else { 0 };
            let reason = reason.unwrap_or(&RawReason::NoPattern).to_string();
            by_reason.entry(reason).or_default().push((bytes, name));
        }
    }
    if raw.saturating_mul(100) <= all.saturating_mul(MUCH_RAW) {
        return None;
    }
    let tensors = by_reason.values().map(Vec::len).sum();
    let sum = |found: &Vec<(u64, &str)>| found.iter().map(|(bytes, _)| bytes).sum::<u64>();
    let (reason, found) = by_reason.into_iter().max_by_key(|(_, found)| sum(found))?;
    let first = found.iter().max_by_key(|(bytes, _)| bytes)?.1.to_owned();
    let (share, alike) = (raw.saturating_mul(100) / all.max(1), found.len() - 1);
    let all_helps = may_code_all && codable.saturating_mul(2) > raw;
    Some(Note::MuchRaw { tensors, bytes: raw, share, first, alike, reason, all_helps })
}

/// The note for a result that is not smaller than its source.
pub(crate) fn nothing_gained(source_bytes: u64, output_bytes: u64, units: usize) -> Option<Note> {
    let more = output_bytes.checked_sub(source_bytes)?;
    let why = match units {
        0 => "no tensor of it is coded, and the record of the source takes room",
        _ => "coding saves less than the record of the source takes",
    };
    Some(Note::NothingGained { more, why: why.to_owned() })
}
