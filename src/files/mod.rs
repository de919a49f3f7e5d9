//! Finds the files of a model, for every verb: finds weight files, follows links or refuses to,
//! reads headers, and reads weights as BF16.

pub(crate) mod account;
pub(crate) mod checkpoint;
mod disguise;
pub(crate) mod dotted;
pub(crate) mod file_names;
pub(crate) mod folder;
mod hub;
pub(crate) mod leaves;
pub(crate) mod links;
pub(crate) mod our_files;
pub(crate) mod own;
pub(crate) mod pipeline;
pub(crate) mod portable;
mod prefix;
pub(crate) mod python;
pub(crate) mod sampling;
pub(crate) mod shapes;
pub(crate) mod spelling;
pub(crate) mod superseded;
pub(crate) mod values;
pub(crate) mod weight_files;
pub(crate) mod words;
