//! The six arrays of a unit as tensors: what the published layout calls them, and the units that
//! such names show.

use std::collections::{BTreeMap, BTreeSet};

use crate::safetensors::TensorInfo;

/// The published names of the six arrays, in the order of `UnitView`, with their dtypes.
pub(crate) const LEAVES: [(&str, &str); 6] = [
    ("encoded_exponent", "U8"),
    ("sign_mantissa", "U8"),
    ("luts", "U8"),
    ("gaps", "U8"),
    ("output_positions", "U8"),
    ("split_positions", "I64"),
];
/// Where in them each is that is asked for by itself.
pub(crate) const SIGN_MANTISSA: usize = 1;
pub(crate) const LUTS: usize = 2;
pub(crate) const SPLIT_POSITIONS: usize = 5;

/// Whether a tensor is what this leaf of a unit must be.
pub(crate) fn is_leaf(info: &TensorInfo, leaf: &str, dtype: &str) -> bool {
    let rows_of_256 = matches!(info.shape.as_slice(), [_, 256]);
    info.dtype.name() == dtype && (leaf != LEAVES[LUTS].0 || rows_of_256)
}

/// Whether tensors of these names hold units.
pub(crate) fn has_units<'a>(tensors: impl Iterator<Item = &'a str>) -> bool {
    !unit_names(tensors).is_empty()
}

/// The paths that at least two of the published array names are found below: one alone can be anyone's tensor, and of a unit that lost one all
/// the others are left.
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
