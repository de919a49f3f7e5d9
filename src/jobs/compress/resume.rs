//! Going on with what an interrupted run has finished: what makes two jobs the same, and whether a file that is there can stay.
//!
//! A file stays if it is what was noted of it, and the source's tensors that it is made of are what they were. Both are read again: a wrong weight
//! would cost more than the reading.

use std::collections::BTreeMap;
use std::path::Path;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::source::ToCode;
use super::{CodeKind, CompressOptions, Job};
use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::files::our_files::{Digits, OurFile};
use crate::naming::units::UnitSpec;
use crate::progress::{Progress, check_between, check_stopped};
use crate::record::checksum::{TensorHash, data_checksum};
use crate::safetensors::Reader;
use crate::writer::output::journal::{Finished, JobLine, key};

/// What the journal says of the job that codes these models, each with its folder.
pub(super) fn job_line(models: &[(&Path, &ToCode)], options: &CompressOptions) -> Result<JobLine, Error> {
    // By name, so that a new option cannot be forgotten here. Those left out do not change a byte, or show in the units.
    let CompressOptions {
        code,
        verify,
        all: _,
        pattern_dict: _,
        single_file: _,
        backend: _,
        force: _,
        resume: _,
        memory: _,
        model_card: _,
    } = options;
    let mut hash = Xxh3Default::new();
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (folder, ToCode { source, specs }) in models {
        add(key(folder).as_bytes());
        for file in &source.files {
            add(file.name.as_bytes());
            add(file.reader.header_bytes());
        }
        for file in &source.small {
            add(file.name.as_bytes());
            add(&file.bytes);
        }
        for UnitSpec { name, tensors, .. } in specs {
            add(name.as_bytes());
            tensors.iter().for_each(|tensor| add(tensor.as_bytes()));
        }
    }
    let code = match code {
        CodeKind::Canonical => "canonical",
        CodeKind::Published => "published",
    };
    let options = format!("--code {code} and {}", if *verify { "verification" } else { "--no-verify" });
    Ok(JobLine { df11: env!("CARGO_PKG_VERSION").into(), options, source: hash.digest() })
}

impl Job<'_> {
    /// Whether an earlier run has finished the file `name`, of so many units: then it is counted and listed as if it had been written now.
    pub(super) fn is_finished(&mut self, name: &str, units: usize) -> Result<bool, Error> {
        let place = self.below.join(name);
        let Some(noted) = self.output.finished(&place) else { return Ok(false) };
        self.progress.unit(name);
        let path = self.output.path(&place);
        let Some((size, xxh3)) = size_as_noted(&path, &noted, self.progress)? else {
            self.report
                .notes
                .push(format!("{} was damaged since it was finished, and is written again", path.display()));
            return Ok(false);
        };
        for (tensor, &expected) in &noted.tensors {
            check_stopped(self.progress)?;
            if checksum(self.source, tensor, self.progress)? != Some(expected) {
                let reason =
                    format!("was made of another tensor `{tensor}` than the source has now; begin anew with --force");
                return Err(Error::Output { path, reason });
            }
            self.note_hash(tensor, expected)?;
            self.progress.advance(self.source.tensors[tensor].info.bytes());
        }
        self.report.notes.extend(noted.notes);
        self.told = self.report.notes.len();
        self.report.units += units;
        self.report.files += 1;
        self.report.output_bytes += size;
        self.ours.push(OurFile::Weights { name: name.to_owned(), size, header: Digits(noted.header), xxh3 });
        Ok(true)
    }

    /// What is noted of a file that was written: its header, the arrays of its units, the tensors of the source that went into it, what was reported of
    /// them.
    pub(super) fn noted<'t>(
        &mut self,
        name: &str,
        header: &[u8],
        arrays: BTreeMap<String, u64>,
        tensors: impl Iterator<Item = &'t String>,
    ) -> Finished {
        let tensors = tensors.map(|tensor| (tensor.clone(), self.hashes.get(tensor).copied().unwrap_or(0)));
        let tensors = tensors.collect();
        let notes = self.report.notes[self.told..].to_vec();
        self.told = self.report.notes.len();
        Finished { file: key(&self.below.join(name)), header: xxh3_64(header), arrays, tensors, notes }
    }
}

/// The length of a file that is what was noted of it, and the checksum of its data; `None` where it is not.
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
        // A tensor that is not coded is noted as the source's.
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

/// The checksum of a tensor of the source.
fn checksum(source: &Checkpoint, tensor: &str, progress: &dyn Progress) -> Result<Option<u64>, Error> {
    let Some(place) = source.tensors.get(tensor) else { return Ok(None) };
    let mut hash = TensorHash::new(tensor, place.info.dtype.name(), &place.info.shape);
    source.reader(place).read_chunks(tensor, &place.info, |offset, bytes| {
        hash.update(bytes);
        check_between(progress, offset)
    })?;
    Ok(Some(hash.finish()))
}
