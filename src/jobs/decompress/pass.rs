//! A pass over a coded model, unit by unit and tensor by tensor.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use df11_core::bf16;

use super::options::DecompressOptions;
use crate::Error;
use crate::files::spelling::Spelling;
use crate::jobs::restoration::{Restoration, Target};
use crate::progress::{Early, Progress, check_stopped};
use crate::record::checksum::TensorHash;
use crate::record::coded::{CodedModel, CodedUnit};
use crate::record::matrices::{Matrix, matrices_of_tile};
use crate::record::tiles::{Decoding, decode_tiles};
use crate::writer::output::NewFiles;

/// Steps of a unit that move the progress: reading, decoding.
const STEPS: u64 = 2;

/// One pass over a model's units and tensors. Each is read, compared with its checksum, and written
/// if there are files to write to.
pub(super) struct Pass<'a> {
    pub model: &'a CodedModel,
    pub plan: &'a Restoration,
    /// Where tensors are written; `None` if they are only checked.
    files: Option<&'a NewFiles>,
    options: &'a DecompressOptions,
    progress: &'a dyn Progress,
    /// The checksums of the tensors that were read and found sound, as stored in the model's files.
    pub seen: RefCell<BTreeMap<String, u64>>,
}

impl<'a> Pass<'a> {
    pub fn new(
        model: &'a CodedModel,
        plan: &'a Restoration,
        files: Option<&'a NewFiles>,
        options: &'a DecompressOptions,
        progress: &'a dyn Progress,
    ) -> Pass<'a> {
        Pass { model, plan, files, options, progress, seen: RefCell::default() }
    }

    pub fn restore_unit(&self, unit: &CodedUnit, matrices: &[Matrix], tile: &mut Vec<bf16>) -> Result<(), Error> {
        // The pass that only checks comes first, and names nothing.
        if self.files.is_some() {
            self.progress.unit(&unit.name);
        }
        let early = Early::new(self.progress, STEPS);
        let arrays = self.model.read(unit, &early)?;
        let proven = self.model.validate(unit, &arrays)?;
        let mut hashes: Vec<TensorHash> = matrices.iter().map(|matrix| self.hash(&matrix.tensor)).collect();
        let take = |first: u64, weights: &[bf16]| {
            check_stopped(self.progress)?;
            for (index, offset, weights) in matrices_of_tile(matrices, first, weights) {
                let tensor = &matrices[index].tensor;
                let spelling = self.target(tensor).spelling().unwrap_or(Spelling::Bf16);
                let bytes = spelling.write(weights);
                hashes[index].update(&bytes);
                self.write(tensor, offset * spelling.bytes() as u64, &bytes)?;
            }
            early.advance(size_of_val(weights) as u64);
            Ok(())
        };
        decode_tiles(&proven, Decoding::Fast(&self.options.backend), tile, take)
            .map_err(|stopped| self.model.stopped(unit, stopped))?;
        early.done(matrices.iter().map(|matrix| self.target(&matrix.tensor).bytes).sum());
        let path = self.model.unit_path(unit);
        matrices.iter().zip(&hashes).try_for_each(|(matrix, hash)| self.check(&path, &matrix.tensor, hash))?;
        if matches!(self.model.record, Ok(Some(_))) {
            self.seen.borrow_mut().extend(self.model.checksums(unit, &arrays));
        }
        Ok(())
    }

    pub fn copy_raw(&self, name: &String) -> Result<(), Error> {
        let place = &self.model.checkpoint.tensors[name];
        let mut hash = self.hash(name);
        self.model.checkpoint.reader(place).read_chunks(name, &place.info, |offset, bytes| {
            hash.update(bytes);
            check_stopped(self.progress)?;
            self.progress.advance(bytes.len() as u64);
            self.write(name, offset, bytes)
        })?;
        self.check(self.model.checkpoint.reader(place).path(), name, &hash)?;
        self.seen.borrow_mut().insert(name.clone(), hash.finish());
        Ok(())
    }

    /// Where a tensor goes. The lookup cannot fail: the plan was checked to know every tensor, and
    /// a unit is left out as a whole.
    fn target(&self, tensor: &str) -> &Target {
        &self.plan.targets[tensor]
    }

    fn write(&self, tensor: &str, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let target = self.target(tensor);
        match self.files {
            Some(files) => files.write(target.file, bytes, target.position + offset),
            None => Ok(()),
        }
    }

    fn hash(&self, tensor: &str) -> TensorHash {
        let target = self.target(tensor);
        TensorHash::new(tensor, target.dtype.name(), &target.shape)
    }

    fn check(&self, path: &Path, tensor: &str, hash: &TensorHash) -> Result<(), Error> {
        let found = hash.finish();
        match self.target(tensor).xxh3 {
            Some(expected) if expected != found => {
                Err(Error::Checksum { path: path.to_path_buf(), tensor: tensor.to_owned(), found, expected })
            }
            _ => Ok(()),
        }
    }
}
