//! What goes into which file: the tensors beside a unit, and the record.

use std::collections::{BTreeMap, BTreeSet};

use super::super::checkpoint::{Checkpoint, Place};
use super::super::names::is_below;
use super::super::record::{Record, SourceFile, SourceKind, TensorRecord, Written};
use super::super::units::UnitSpec;

/// The tensors of `rest` that go into a unit's file: those below its module, unless another unit's module is nearer or a unit is made of them.
pub(crate) fn others_of(specs: &[UnitSpec], spec: &UnitSpec, rest: &BTreeSet<String>) -> Vec<String> {
    let below: Vec<&UnitSpec> = specs.iter().filter(|other| is_below(&other.name, &spec.name)).collect();
    let first = format!("{}.", spec.name);
    let others = rest.range(first..).take_while(|tensor| is_below(tensor, &spec.name));
    others
        .filter(|tensor| !below.iter().any(|other| **tensor == other.name || is_below(tensor, &other.name)))
        .cloned()
        .collect()
}

/// The record of the source and of what was written; the checksum of a tensor that is yet to be read is 0.
pub(crate) fn record_of(
    source: &Checkpoint,
    coded: &[&UnitSpec],
    hashes: &BTreeMap<String, u64>,
    written: Written,
) -> Record {
    let units = coded.iter().map(|spec| (spec.name.clone(), spec.tensors.clone())).collect();
    let tensors = source.tensors.iter().map(|(name, Place { info, .. })| {
        let (dtype, shape) = (info.dtype.name().to_owned(), info.shape.clone());
        (name.clone(), TensorRecord { dtype, shape, xxh3: hashes.get(name).copied().unwrap_or(0) })
    });
    let headers = source.files.iter().map(|file| {
        let bytes = file.reader.header_bytes().to_vec();
        SourceFile { name: file.name.clone(), kind: SourceKind::Safetensors, bytes }
    });
    let verbatim = source.small.iter().map(|file| SourceFile {
        name: file.name.clone(),
        kind: SourceKind::Verbatim,
        bytes: file.bytes.clone(),
    });
    let sources = headers.chain(verbatim).collect();
    Record { units, tensors: tensors.collect(), sources, written: Some(written) }
}

/// Takes tensors out of what is yet to be written.
pub(crate) fn remove(rest: &mut BTreeSet<String>, tensors: &[String]) {
    for tensor in tensors {
        rest.remove(tensor);
    }
}
