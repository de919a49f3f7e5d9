//! The shapes of coded tensors for which no record of the source exists.

use crate::files::checkpoint::Checkpoint;
use crate::files::shapes::weights;
use crate::record::coded::CodedModel;
use crate::record::config::LlamaSizes;

/// Where shapes come from: a model with the same shapes, then the fields of config.json if the
/// architecture is known.
pub(crate) struct Shapes<'a> {
    like: Option<&'a Checkpoint>,
    sizes: Option<LlamaSizes>,
}

impl<'a> Shapes<'a> {
    pub fn new(model: &CodedModel, like: Option<&'a Checkpoint>) -> Shapes<'a> {
        Shapes { like, sizes: model.config.as_ref().and_then(LlamaSizes::of) }
    }

    /// The shape of a matrix with this many weights.
    pub fn of(&self, tensor: &str, count: u64) -> Option<Vec<u64>> {
        let alike = || Some(self.like?.tensors.get(tensor)?.info.shape.clone());
        let known = || self.sizes.as_ref()?.shape(tensor);
        let fits = |shape: &Vec<u64>| weights(shape) == Some(count);
        alike().filter(fits).or_else(|| known().filter(fits))
    }
}
