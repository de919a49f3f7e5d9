//! Where the tensors of one file lie, and the file's header. Both are made before anything of the
//! file is written.

use std::collections::BTreeMap;

use df11_core::PartSizes;
use serde_json::Value;

use crate::files::checkpoint::Checkpoint;
use crate::files::leaves::LEAVES;
use crate::files::own::{MAIN_KEY, PREFIX};
use crate::naming::units::UnitSpec;
use crate::record::source::Record;
use crate::safetensors::{Dtype, Fault, Layout, NewTensor};

const LUT_ROW_BYTES: u64 = df11_core::limits::TABLE_ENTRIES as u64;

/// What a header holds in addition to its tensors.
pub(crate) enum Metadata<'a> {
    /// Nothing.
    None,
    /// In our main file: the source's metadata, and the record with `dfloat11_config`.
    Record(&'a Record, &'a Value),
    /// In our files of units: the name of the file that holds the record.
    Main(&'a str),
    /// In a published main file: what `save_pretrained` of transformers and diffusers writes.
    Saved,
}

/// The places in one file of the arrays of these units and of these raw tensors.
pub(crate) fn places<'u, 't>(
    source: &Checkpoint,
    units: impl Iterator<Item = (&'u UnitSpec, PartSizes)>,
    raw: impl Iterator<Item = &'t str>,
) -> Result<Layout, Fault> {
    let arrays = units.flat_map(|(spec, sizes)| array_tensors(spec, sizes, split_positions(source, spec).len()));
    let raw = raw.map(|tensor| {
        let info = &source.tensors[tensor].info;
        let (dtype, shape) = (info.dtype.clone(), info.shape.clone());
        NewTensor { name: tensor.to_owned(), dtype, shape, bytes: info.bytes() }
    });
    Layout::new(arrays.chain(raw).collect())
}

/// The header of a file.
pub(crate) fn header(source: &Checkpoint, places: &Layout, metadata: &Metadata<'_>) -> Result<Vec<u8>, Fault> {
    let metadata = match metadata {
        Metadata::None => BTreeMap::new(),
        Metadata::Record(record, config) => {
            let mut metadata = source.metadata();
            metadata.retain(|key, _| !key.starts_with(PREFIX));
            metadata.extend(record.to_metadata(config, !source.is_dir));
            metadata
        }
        Metadata::Main(name) => BTreeMap::from([(MAIN_KEY.to_owned(), (*name).to_owned())]),
        Metadata::Saved => BTreeMap::from([("format".to_owned(), "pt".to_owned())]),
    };
    places.header(&metadata)
}

/// The tensors of a unit's six arrays.
fn array_tensors(spec: &UnitSpec, sizes: PartSizes, split_bytes: usize) -> [NewTensor; LEAVES.len()] {
    let bytes =
        [sizes.encoded_exponent, sizes.sign_mantissa, sizes.luts, sizes.gaps, sizes.output_positions, split_bytes];
    std::array::from_fn(|index| {
        let ((leaf, dtype), bytes) = (LEAVES[index], bytes[index] as u64);
        let shape = match leaf {
            "luts" => vec![bytes / LUT_ROW_BYTES, LUT_ROW_BYTES],
            "split_positions" => vec![bytes / size_of::<i64>() as u64],
            _ => vec![bytes],
        };
        NewTensor { name: format!("{}.{leaf}", spec.name), dtype: Dtype::named(dtype), shape, bytes }
    })
}

/// The end of each matrix of a unit, except the last, as stored.
pub(crate) fn split_positions(source: &Checkpoint, spec: &UnitSpec) -> Vec<u8> {
    df11_core::split_positions(spec.tensors.iter().map(|tensor| source.weights_of(tensor)))
}
