//! What may be compressed, and in which units.

use std::collections::BTreeMap;
use std::path::Path;

use df11_core::bf16;

use super::gate::{Gate, Room};
use super::layout::{FileLayout, layout_of};
use super::options::{CodeKind, CompressOptions, check_exclusive};
use crate::error::ModelReason;
use crate::files::checkpoint::Checkpoint;
use crate::files::leaves::LEAVES;
use crate::files::shapes::weights;
use crate::jobs::card::refuse_card;
use crate::jobs::chosen::{find_units, notes_on};
use crate::jobs::memory::check_specs;
use crate::naming::owners::RawReason;
use crate::naming::pattern::PatternDict;
use crate::naming::units::{MIN_LONE_WEIGHTS, UnitSpec};
use crate::progress::Progress;
use crate::safetensors::total;
use crate::{Error, Note};

/// Opens a model that is not coded yet, and finds which of its F32 and F16 tensors are BF16 in
/// disguise.
fn open_source(input: &Path, options: &CompressOptions, progress: &dyn Progress) -> Result<Checkpoint, Error> {
    /// Values that are checked before the next ones are read.
    const STEP: u64 = 1 << 20;
    check_exclusive(options.code, options.all, options.model_card)?;
    let mut source = Checkpoint::open(input)?;
    refuse_coded(&source)?;
    if options.code == CodeKind::Published {
        // Without a record, nothing would tell their original dtype, or the files of tensors that
        // are not the model's.
        source.drop_superseded();
        return Ok(source);
    }
    let all_of =
        |weights: u64| (0..weights.div_ceil(STEP)).map(move |step| (step * STEP, STEP.min(weights - step * STEP)));
    let others = source.find_disguised(options.all, all_of, progress)?;
    if !source.disguised.is_empty() {
        let count = source.disguised.len();
        source.notes.push(Note::Disguised { tensors: count });
    }
    for (tensor, index) in others {
        let info = &source.tensors[&tensor].info;
        // Smaller tensors would stay raw even as BF16.
        if weights(&info.shape) >= Some(MIN_LONE_WEIGHTS) {
            let dtype = info.dtype.to_string();
            source.notes.push(Note::NotDisguised { tensor, dtype, index });
        }
    }
    Ok(source)
}

/// A model that may be compressed, and its units.
#[derive(Debug)]
pub(crate) struct ToCode {
    pub source: Checkpoint,
    pub specs: Vec<UnitSpec>,
}

impl ToCode {
    /// Opens the model at `input`, and checks whether it can be compressed with these options.
    pub fn open(input: &Path, options: &CompressOptions, progress: &dyn Progress) -> Result<ToCode, Error> {
        let source = open_source(input, options, progress)?;
        if source.is_dir {
            refuse_card(&source.path)?;
        }
        let (model, _) = ToCode::choose(source, options.code, options.pattern_dict.as_ref(), options.all)?;
        check_specs(&model.source, &model.specs, options.memory)?;
        Ok(model)
    }

    /// Finds the units of a model, and why its other tensors stay raw. Notes what the user should
    /// know about the choice.
    pub fn choose(
        mut source: Checkpoint,
        code: CodeKind,
        patterns: Option<&PatternDict>,
        all: bool,
    ) -> Result<(ToCode, BTreeMap<String, RawReason>), Error> {
        let inferred = find_units(&source, patterns, all)?;
        let may_code_all = code == CodeKind::Canonical && patterns.is_none() && !all;
        let notes = notes_on(&source, &inferred, may_code_all)?;
        source.notes.extend(notes);
        check_names_free(&source, &inferred.units)?;
        Ok((ToCode { source, specs: inferred.units }, inferred.raw))
    }

    /// The layout of what is written.
    pub fn layout<'a>(&'a self, options: &'a CompressOptions) -> Box<dyn FileLayout + 'a> {
        layout_of(&self.source, &self.specs, options.code, options.pattern_dict.as_ref(), options.single_file)
    }
}

/// A model that has passed the gate.
pub(super) struct Passed {
    pub model: ToCode,
    pub room: Room,
}

impl Passed {
    /// The bytes of work that coding will announce. Every unit is read twice in one file, and if
    /// all are planned before the first is coded.
    pub fn work(&self, options: &CompressOptions) -> u64 {
        let ToCode { source, specs } = &self.model;
        let data = total(source.tensors.values().map(|place| place.info.bytes()));
        let coded = total(specs.iter().map(|spec| spec.weights.saturating_mul(size_of::<bf16>() as u64)));
        let is_read_once = self.room == Room::Enough && self.model.layout(options).unit_files().is_some();
        if is_read_once { data } else { data.saturating_add(coded) }
    }
}

impl ToCode {
    /// Passes the gate: readers will accept everything that is to be written.
    pub(super) fn pass(self, options: &CompressOptions) -> Result<Passed, Error> {
        let room = Gate { layout: &*self.layout(options), specs: &self.specs }.check()?;
        Ok(Passed { model: self, room })
    }
}

/// Refuses a model that is already coded.
pub(crate) fn refuse_coded(source: &Checkpoint) -> Result<(), Error> {
    if source.coded {
        let reason = ModelReason::AlreadyCoded;
        return Err(Error::NotAModel { path: source.path.clone(), reason });
    }
    Ok(())
}

/// Refuses a model in which nothing can be coded, and states what it consists of.
pub(crate) fn refuse_without_bf16(source: &Checkpoint) -> Result<(), Error> {
    let mut dtypes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, info) in source.infos() {
        *dtypes.entry(info.dtype.name()).or_default() += 1;
    }
    if dtypes.is_empty() || dtypes.contains_key("BF16") {
        return Ok(());
    }
    let dtypes = dtypes.into_iter().map(|(dtype, count)| (dtype.to_owned(), count)).collect();
    Err(Error::NotAModel { path: source.path.clone(), reason: ModelReason::NoBf16 { dtypes } })
}

/// No tensor of the source may have the name of an array of a future unit.
fn check_names_free(source: &Checkpoint, specs: &[UnitSpec]) -> Result<(), Error> {
    for spec in specs {
        let arrays = LEAVES.iter().map(|(leaf, _)| format!("{}.{leaf}", spec.name));
        if let Some((tensor, place)) = arrays.filter_map(|name| source.tensors.get_key_value(&name)).next() {
            return Err(Error::TensorUnfit {
                path: source.path_of(place),
                tensor: tensor.clone(),
                found: format!("{} {:?}", place.info.dtype, place.info.shape),
                expected: format!("nothing of that name: an array of unit `{}` would be called so", spec.name),
            });
        }
    }
    Ok(())
}
