//! The six arrays of a unit as tensors: their names in the published layout, and the units that
//! such names show.

use std::collections::{BTreeMap, BTreeSet};

use crate::safetensors::TensorInfo;

/// The published names of the six arrays with their dtypes, in the order of `UnitView`.
pub(crate) const LEAVES: [(&str, &str); 6] = [
    ("encoded_exponent", "U8"),
    ("sign_mantissa", "U8"),
    ("luts", "U8"),
    ("gaps", "U8"),
    ("output_positions", "U8"),
    ("split_positions", "I64"),
];
/// Index in `LEAVES` of each array that is asked for by itself.
pub(crate) const STREAM: usize = 0;
pub(crate) const SIGN_MANTISSA: usize = 1;
pub(crate) const LUTS: usize = 2;
pub(crate) const SPLIT_POSITIONS: usize = 5;

/// Whether a tensor has the dtype and shape that this array of a unit must have.
pub(crate) fn is_leaf(info: &TensorInfo, leaf: &str, dtype: &str) -> bool {
    let rows_of_256 = matches!(info.shape.as_slice(), [_, 256]);
    info.dtype.name() == dtype && (leaf != LEAVES[LUTS].0 || rows_of_256)
}

/// Whether tensors with these names form units.
pub(crate) fn has_units<'a>(tensors: impl Iterator<Item = &'a str>) -> bool {
    !unit_names(tensors).is_empty()
}

/// The paths that have at least two of the published array names below them. One such name alone
/// can be any tensor. A unit that lost one array still has all the others.
pub(crate) fn unit_names<'a>(tensors: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for tensor in tensors {
        if let Some((unit, leaf)) = tensor.rsplit_once('.')
            && LEAVES.iter().any(|(name, _)| *name == leaf)
        {
            *found.entry(unit).or_default() += 1;
        }
    }
    found.into_iter().filter(|(_, leaves)| *leaves > 1).map(|(unit, _)| unit).collect()
}
