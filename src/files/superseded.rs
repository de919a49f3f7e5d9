//! Names of tensors that are in a file of the source but are not the model's: an index takes the
//! tensor from another file, or the file only lies beside the model. They are carried along, so
//! that every file comes back. FILES.md, "Superseded tensors".
//!
//! ```text
//! model.norm.weight@model-00001-of-00002.safetensors
//! the name in its file                        the file
//! ```

use super::file_names::is_weights_file;

/// What separates a tensor from its file.
const AT: char = '@';

/// The name in a model of the tensor `tensor` of `file` that is not the model's.
pub(crate) fn name(tensor: &str, file: &str) -> String {
    format!("{tensor}{AT}{file}")
}

/// Whether a tensor's name is one of those.
pub(crate) fn is_superseded(name: &str) -> bool {
    name.rsplit_once(AT).is_some_and(|(_, file)| is_weights_file(file.as_ref()))
}
