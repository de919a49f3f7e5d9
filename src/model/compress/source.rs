//! What may be compressed, and in which units.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::checkpoint::Checkpoint;
use super::super::coded::{LEAVES, is_coded};
use super::super::infer::infer_units;
use super::super::units::{UnitSpec, units_by_pattern};
use super::CompressOptions;
use super::published::{CodeKind, refuse_all};
use crate::Error;

/// Opens a model that is not coded yet, and looks which of its F32 and F16 tensors are BF16 in disguise.
pub(super) fn open_source(input: &Path, options: &CompressOptions) -> Result<Checkpoint, Error> {
    /// Values that are looked at before the next are read.
    const STEP: u64 = 1 << 20;
    refuse_all(options)?;
    let mut source = Checkpoint::open_source(input)?;
    refuse_coded(&source)?;
    if options.code == CodeKind::Published {
        // Without a record nothing would tell what they were.
        return Ok(source);
    }
    let all_of =
        |weights: u64| (0..weights.div_ceil(STEP)).map(move |step| (step * STEP, STEP.min(weights - step * STEP)));
    source.find_disguised(options.all, all_of)?;
    if !source.disguised.is_empty() {
        let count = source.disguised.len();
        source.notes.push(format!(
            "{count} tensors of F32 or F16 hold BF16 values only: they are coded, and come back as they were"
        ));
    }
    Ok(source)
}

/// The units of a model, by patterns or by inference.
pub(super) fn units_of(source: &Checkpoint, options: &CompressOptions) -> Result<Vec<UnitSpec>, Error> {
    match &options.pattern_dict {
        Some(patterns) => units_by_pattern(source, patterns),
        None => Ok(infer_units(source.infos(), options.all).units),
    }
}

/// Refuses a model that is coded already.
pub(crate) fn refuse_coded(source: &Checkpoint) -> Result<(), Error> {
    if is_coded(source) {
        let reason = "is a DFloat11 model already; decompress it first, or give the BF16 model".into();
        return Err(Error::NotAModel { path: source.path.clone(), reason });
    }
    Ok(())
}

/// Says what a model is made of in which nothing can be coded.
pub(crate) fn refuse_without_bf16(source: &Checkpoint) -> Result<(), Error> {
    let mut dtypes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, info) in source.infos() {
        *dtypes.entry(info.dtype.name()).or_default() += 1;
    }
    if dtypes.is_empty() || dtypes.contains_key("BF16") {
        return Ok(());
    }
    let found: Vec<_> = dtypes.iter().map(|(dtype, count)| format!("{count} of {dtype}")).collect();
    let reason = format!("holds no BF16 values: {}; give the BF16 model, DFloat11 shrinks no other", found.join(", "));
    Err(Error::NotAModel { path: source.path.clone(), reason })
}

/// No tensor of the source may be called like an array of a unit to be.
pub(super) fn check_names_free(source: &Checkpoint, specs: &[UnitSpec]) -> Result<(), Error> {
    for spec in specs {
        let arrays = LEAVES.iter().map(|(leaf, _)| format!("{}.{leaf}", spec.name));
        if let Some((tensor, place)) = arrays.filter_map(|name| source.tensors.get_key_value(&name)).next() {
            return Err(Error::TensorUnfit {
                path: source.reader(place).path().to_path_buf(),
                tensor: tensor.clone(),
                found: format!("{} {:?}", place.info.dtype, place.info.shape),
                expected: format!("nothing of that name: an array of unit `{}` would be called so", spec.name),
            });
        }
    }
    Ok(())
}
