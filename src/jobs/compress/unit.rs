//! The one unit that is in memory: its weights, its arrays, and the checksum of every tensor that
//! was read.

use std::collections::BTreeMap;

use df11_core::bf16;
use df11_core::limits::MAX_WEIGHTS;
use df11_cpu::Parts;

use super::task::Task;
use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::naming::units::UnitSpec;
use crate::progress::{Early, PIECE_BYTES, Progress, check_between};
use crate::record::checksum::TensorHash;

/// Steps of a unit that move the progress: reading, verifying, writing.
const STEPS: u64 = 3;

/// Room for the largest unit, reused from one unit to the next.
pub(super) struct UnitBuffer<'a> {
    source: &'a Checkpoint,
    specs: &'a [UnitSpec],
    /// The progress of the unit that is under way.
    pub early: Early<'a>,
    /// The weights of the unit that `loaded` names, at the front.
    weights: Vec<bf16>,
    loaded: Option<usize>,
    /// The arrays of the unit that was encoded last.
    parts: Parts,
    /// The checksum of every tensor read so far.
    pub hashes: BTreeMap<String, u64>,
}

impl<'a> UnitBuffer<'a> {
    pub fn new(Task { source, specs, progress, .. }: Task<'a>) -> Result<UnitBuffer<'a>, Error> {
        let read = specs.iter().filter(|spec| spec.weights <= MAX_WEIGHTS);
        let weights = match read.max_by_key(|spec| spec.weights) {
            Some(spec) => {
                let (path, unit) = (&source.path, &spec.name);
                let bytes = Error::addressable(spec.weights * size_of::<bf16>() as u64, path, unit)?;
                let not_coded = |fault| Error::UnitNotCoded { path: path.clone(), unit: unit.clone(), fault };
                df11_cpu::buffer(bytes / size_of::<bf16>()).map_err(not_coded)?
            }
            None => Vec::new(),
        };
        let (parts, hashes) = (Parts::default(), BTreeMap::new());
        let early = Early::new(progress, STEPS);
        Ok(UnitBuffer { source, specs, early, weights, loaded: None, parts, hashes })
    }

    /// Reads the weights of a unit, unless they are already there.
    pub fn load(&mut self, index: usize) -> Result<(), Error> {
        if self.loaded == Some(index) {
            return Ok(());
        }
        self.loaded = None;
        let mut begin = 0;
        for tensor in &self.specs[index].tensors {
            let info = &self.source.tensors[tensor].info;
            let end = begin + self.source.weights_of(tensor) as usize;
            let mut hash = TensorHash::new(tensor, info.dtype.name(), &info.shape);
            let mut first = 0;
            for weights in self.weights[begin..end].chunks_mut(PIECE_BYTES / size_of::<bf16>()) {
                check_between(&self.early, first)?;
                self.source.read_weights(tensor, first, weights, |bytes| hash.update(bytes))?;
                self.early.advance(size_of_val(weights) as u64);
                first += weights.len() as u64;
            }
            self.note_hash(tensor, hash.finish())?;
            begin = end;
        }
        self.loaded = Some(index);
        Ok(())
    }

    /// The weights of the loaded unit, room for its arrays, and its progress.
    pub fn loaded(&mut self, index: usize) -> (&[bf16], &mut Parts, &Early<'a>) {
        (&self.weights[..self.specs[index].weights as usize], &mut self.parts, &self.early)
    }

    /// Keeps a tensor's checksum. A tensor that is read twice must be the same both times.
    pub fn note_hash(&mut self, tensor: &str, found: u64) -> Result<(), Error> {
        match self.hashes.insert(tensor.to_owned(), found) {
            Some(before) if before != found => Err(Error::SourceChanged {
                path: self.source.reader(&self.source.tensors[tensor]).path().to_path_buf(),
                tensor: tensor.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}
