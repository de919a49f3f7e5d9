//! The record of a source and of the files written.

use std::collections::BTreeMap;

use crate::files::checkpoint::{Checkpoint, Place};
use crate::naming::units::UnitSpec;
use crate::record::source::{Record, SourceFile, SourceKind, TensorRecord, Written};

/// The record of the source and of the written files. A tensor that is not read yet has checksum 0.
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
