//! Finds the files of a model, for every verb: finds weight files, follows links or refuses to,
//! reads headers, and reads weights as BF16.
//!
//! ```text
//! account/      which files and tensors are the model, and why the rest is not
//! checkpoint    the files of a model, and where each tensor lies
//! weight_files, links, file_names, portable, folder
//!               which files of a folder may be read, and their names
//! hub, superseded, prefix, pipeline, shapes
//!               what people give in place of a plain folder
//! our_files, own, leaves
//!               files that we or the published tool wrote
//! disguise, spelling, words, sampling
//!               reading weights as BF16
//! python, values, dotted
//!               JSON as Python writes it, its limits, dotted names
//! ```

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
