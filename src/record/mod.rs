//! What is written beside the arrays: the record of the source, config.json, a pipeline's list of
//! files; and a coded model read by it.

pub(crate) mod checksum;
pub(crate) mod coded;
pub(crate) mod config;
pub(crate) mod manifest;
pub(crate) mod matrices;
mod python_json;
pub(crate) mod source;
pub(crate) mod tiles;
