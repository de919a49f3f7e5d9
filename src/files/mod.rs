//! Which files are the model, for every verb: weight files found, links followed or not, headers read, weights read as BF16.

pub(crate) mod checkpoint;
mod disguise;
pub(crate) mod links;
pub(crate) mod our_files;
pub(crate) mod pipeline;
pub(crate) mod portable;
pub(crate) mod sampling;
pub(crate) mod shapes;
pub(crate) mod spelling;
pub(crate) mod values;
pub(crate) mod weight_files;
pub(crate) mod words;
