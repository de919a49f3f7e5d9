//! What is written beside the arrays: the record of the source, config.json and the file list of a
//! pipeline. A coded model is read with their help.

pub(crate) mod attention;
pub(crate) mod checksum;
pub(crate) mod coded;
pub(crate) mod config;
pub(crate) mod manifest;
pub(crate) mod matrices;
mod python_json;
pub(crate) mod source;
pub(crate) mod tiles;
