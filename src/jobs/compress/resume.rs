//! Continues with what an interrupted run has finished: decides whether an existing file can stay.
//!
//! A file stays if it still matches what the journal noted, and if the source's tensors that it was
//! made from are unchanged. Both are read again: a wrong weight would cost more than the reading.

use std::collections::BTreeMap;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::task::{Ledger, Task};
use super::unit::UnitBuffer;
use crate::error::OutputReason;
use crate::files::checkpoint::Checkpoint;
use crate::files::our_files::{Digits, OurFile};
use crate::progress::{Progress, check_between, check_stopped};
use crate::record::checksum::{TensorHash, data_checksum};
use crate::safetensors::Reader;
use crate::writer::output::journal::Finished;
use crate::{Error, Note};

/// Whether an earlier run has finished the file `name`, which holds these units. If so, it is
/// counted and listed as if it had been written now.
pub(super) fn is_finished(
    task: Task<'_>,
    unit: &mut UnitBuffer<'_>,
    ledger: &mut Ledger,
    name: &str,
    units: usize,
) -> Result<bool, Error> {
    let Task { source, output, progress, .. } = task;
    let place = task.place(name);
    let Some(noted) = output.finished(&place) else { return Ok(false) };
    progress.unit(name);
    let path = output.path(&place);
    let Some((size, xxh3)) = size_as_noted(&path, &noted, progress)? else {
        ledger.report.notes.push(Note::WrittenAgain { file: path.to_string_lossy().into_owned() });
        return Ok(false);
    };
    for (tensor, &expected) in &noted.tensors {
        check_stopped(progress)?;
        if checksum(source, tensor, progress)? != Some(expected) {
            let reason = OutputReason::OtherTensor { tensor: tensor.clone() };
            return Err(Error::Output { path, reason });
        }
        unit.note_hash(tensor, expected)?;
        unit.early.kept(source.tensors[tensor].info.bytes());
    }
    ledger.retell(noted.notes);
    ledger.report.units += units;
    ledger.report.files += 1;
    ledger.report.output_bytes += size;
    ledger.ours.push(OurFile::Weights { name: name.to_owned(), size, header: Digits(noted.header), xxh3 });
    Ok(true)
}

/// The length and the data checksum of a file; `None` if the file does not match what was noted.
fn size_as_noted(path: &Path, noted: &Finished, progress: &dyn Progress) -> Result<Option<(u64, Digits)>, Error> {
    let reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(Error::Unreadable { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if xxh3_64(reader.header_bytes()) != noted.header {
        return Ok(None);
    }
    let mut checksums = BTreeMap::new();
    for (name, info) in &reader.header().tensors {
        let mut hash = TensorHash::new(name, info.dtype.name(), &info.shape);
        reader.read_chunks(name, info, |offset, bytes| {
            hash.update(bytes);
            check_between(progress, offset)
        })?;
        // A tensor that is not coded was noted among the source's.
        let expected = noted.arrays.get(name).or_else(|| noted.tensors.get(name));
        let found = hash.finish();
        if expected != Some(&found) {
            return Ok(None);
        }
        checksums.insert(name.clone(), found);
    }
    let data = data_checksum(checksums.keys().map(String::as_str), &checksums);
    Ok(data.map(|data| (reader.file_bytes(), data)))
}

fn checksum(source: &Checkpoint, tensor: &str, progress: &dyn Progress) -> Result<Option<u64>, Error> {
    let Some(place) = source.tensors.get(tensor) else { return Ok(None) };
    let mut hash = TensorHash::new(tensor, place.info.dtype.name(), &place.info.shape);
    source.reader(place).read_chunks(tensor, &place.info, |offset, bytes| {
        hash.update(bytes);
        check_between(progress, offset)
    })?;
    Ok(Some(hash.finish()))
}
