//! The shapes of coded tensors for which no record of the source exists.

use crate::files::checkpoint::Checkpoint;
use crate::files::shapes::weights;
use crate::record::coded::CodedModel;
use crate::record::config::known_shape;

/// The shape of a matrix with this many weights: from a model with the same shapes, or from the
/// fields of config.json if the architecture is known.
pub(crate) fn shape_of(model: &CodedModel, like: Option<&Checkpoint>, tensor: &str, count: u64) -> Option<Vec<u64>> {
    let alike = || Some(like?.tensors.get(tensor)?.info.shape.clone());
    let known = || known_shape(model.config.as_ref()?, tensor);
    let fits = |shape: &Vec<u64>| weights(shape) == Some(count);
    alike().filter(fits).or_else(|| known().filter(fits))
}
