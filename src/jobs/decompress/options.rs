//! The options and the report of a decompression.

use std::path::PathBuf;

use crate::backend::Choice;
use crate::jobs::completeness::Completeness;
use crate::naming::pattern::PatternDict;
use crate::{Error, Note};

/// How to decompress.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DecompressOptions {
    /// The backend that decodes.
    pub backend: Choice,
    /// For a model without a record of its source: which modules are units. Replaces the model's
    /// own `pattern_dict`.
    pub pattern_dict: Option<PatternDict>,
    /// For a model without a record of its source: a BF16 model of the same architecture, to take
    /// shapes from.
    pub like: Option<PathBuf>,
    /// Replace an OUTPUT that exists.
    pub force: bool,
    /// Refuse a model with a unit that needs more bytes of memory than this.
    pub memory: Option<u64>,
    /// If files are missing or changed, restore what is there and report the rest. Every unit is
    /// then decoded twice, since unsound tensors must be known before files are laid out.
    pub partial: bool,
}

/// What was decompressed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DecompressReport {
    /// Every file of the source that compression did not leave out is there, byte for byte: rebuilt
    /// from its own header, or compared with its checksum as it was copied.
    pub byte_exact: bool,
    /// Every tensor was compared with its checksum. Without `byte_exact`: weight files, config.json
    /// and the list of shards are the source's, byte for byte, and nothing is known about the files
    /// next to them.
    pub checked: bool,
    /// Tensors written.
    pub tensors: usize,
    /// Bytes of the weight files written, headers included.
    pub output_bytes: u64,
    /// Files written, copies included.
    pub files: usize,
    /// Whether the model is complete.
    pub completeness: Completeness,
    /// What was missing or changed, if [`DecompressOptions::partial`] let the rest be restored.
    pub missing: Vec<Error>,
    /// What the user should know.
    pub notes: Vec<Note>,
}
