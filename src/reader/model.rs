use std::path::Path;
use std::sync::Arc;

use super::matrix::Matrix;
use super::opened::{Found, Opened};
use super::tensor::Tensor;
use super::unit_entry::UnitEntry;
use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::naming::pattern::PatternDict;

/// A model opened for use: DFloat11 or BF16, a directory or a file, written by us or by the
/// published tool. Weights are read when they are asked for.
///
/// A clone is the same opened model.
#[derive(Clone, Debug)]
pub struct Model(Arc<Opened>);

/// Adds what a published model does not say about itself.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// A BF16 model with the same shapes as this model. A shape of it is used if its product is the
    /// number of weights; nothing else shows that it is the right one.
    pub like: Option<std::path::PathBuf>,
    /// Names the matrices of each unit, if neither a record nor the model's own patterns do.
    pub pattern_dict: Option<PatternDict>,
}

impl Model {
    /// Opens the model at `path`: reads headers, config.json and the record of the source.
    ///
    /// # Errors
    /// It cannot be read, or is not a model, or lacks an array of a unit.
    pub fn open(path: impl AsRef<Path>) -> Result<Model, Error> {
        Model::open_with(path, &OpenOptions::default())
    }

    /// As `open`, with names and shapes from `options`.
    ///
    /// # Errors
    /// As `open`; also the errors of opening `options.like`.
    pub fn open_with(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Model, Error> {
        Model::of(Checkpoint::open(path.as_ref())?, options)
    }

    /// A model whose files are open.
    pub(crate) fn of(checkpoint: Checkpoint, options: &OpenOptions) -> Result<Model, Error> {
        let opened = Opened::of(checkpoint, options.like.as_deref(), options.pattern_dict.as_ref())?;
        Ok(Model(Arc::new(opened)))
    }

    /// Every tensor with its name before the model was compressed, in the order of names.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor> + '_ {
        self.0.tensors.keys().map(|name| Tensor::of(&self.0, name))
    }

    /// The tensors that are in no unit.
    pub fn raw_tensors(&self) -> impl Iterator<Item = Tensor> + '_ {
        let raw = self.0.tensors.iter().filter(|(_, found)| matches!(found, Found::Raw(_)));
        raw.map(|(name, _)| Tensor::of(&self.0, name))
    }

    /// The tensor with this name.
    ///
    /// # Errors
    /// There is none; or a unit whose matrices have no names may hold it.
    pub fn tensor(&self, name: &str) -> Result<Tensor, Error> {
        if self.0.tensors.contains_key(name) {
            return Ok(Tensor::of(&self.0, name));
        }
        Err(match &self.0.unnamed {
            Some(Error::MatricesUnknown { path, unit, reason }) => {
                Error::MatricesUnknown { path: path.clone(), unit: unit.clone(), reason: reason.clone() }
            }
            _ => Error::NoSuchTensor { path: self.0.checkpoint.path.clone(), tensor: name.to_owned() },
        })
    }

    /// The matrix with this name: a coded tensor, or a raw BF16 tensor.
    ///
    /// # Errors
    /// As `tensor`; also `TensorUnfit` for a raw tensor of another dtype.
    pub fn matrix(&self, name: &str) -> Result<Matrix, Error> {
        self.tensor(name)?.into_matrix()
    }

    /// The units, in natural order. Empty for a BF16 model.
    pub fn units(&self) -> impl ExactSizeIterator<Item = UnitEntry> + '_ {
        (0..self.0.units.len()).map(|index| UnitEntry::of(&self.0, index))
    }
}
