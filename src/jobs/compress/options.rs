//! The options and the report of a compression.

use df11_core::bf16;
use df11_cpu::Plan;

use crate::backend::Choice;
use crate::error::Exclusive;
use crate::error::messages::messages;
use crate::naming::pattern::PatternDict;
use crate::{Error, Note};

/// Whose codes and files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodeKind {
    /// Ours: the fewest bytes, every BF16 word, and the record that restores the source files.
    #[default]
    Canonical,
    /// The published tool's, byte for byte: `dfloat11` 0.5.0 would have written the same files.
    /// Only the source's tensors can be restored from them, not its files.
    Published,
}

impl CodeKind {
    /// Plans a unit. With `Published`, the unit gets the published code if it has one. If not, it
    /// gets ours, and the reason is returned.
    pub(crate) fn plan(
        self,
        backend: &Choice,
        weights: &[bf16],
    ) -> Result<(Plan, Option<df11_core::Error>), df11_core::Error> {
        let fault = match self {
            CodeKind::Canonical => None,
            CodeKind::Published => match backend.plan_published(weights) {
                Ok(plan) => return Ok((plan, None)),
                Err(fault) => Some(fault),
            },
        };
        Ok((backend.plan(weights)?, fault))
    }
}

/// How to compress.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompressOptions {
    /// The backend that encodes, and decodes for verification.
    pub backend: Choice,
    /// Whose codes and files are written.
    pub code: CodeKind,
    /// Which modules are units; by default they are inferred from the headers.
    pub pattern_dict: Option<PatternDict>,
    /// If units are inferred: also code every other BF16 tensor that is large enough, in an
    /// extension that the published loader cannot read.
    pub all: bool,
    /// For a directory: write one `model.safetensors` instead of one file for each unit.
    pub single_file: bool,
    /// Before each unit is written, decode it and compare it with what was read. On by default.
    pub verify: bool,
    /// Replace an OUTPUT that exists.
    pub force: bool,
    /// Continue with the files that an interrupted run of the same job has finished. Only for a
    /// directory with one file for each unit: a single file is finished all at once.
    pub resume: bool,
    /// Refuse a model with a unit that needs more bytes of memory than this.
    pub memory: Option<u64>,
    /// For a directory: write a README.md to complete and to publish. The source's README.md is
    /// kept as README.source.md.
    pub model_card: bool,
}

impl Default for CompressOptions {
    fn default() -> Self {
        let backend = Choice::best();
        let code = CodeKind::default();
        CompressOptions {
            backend,
            code,
            pattern_dict: None,
            all: false,
            single_file: false,
            verify: true,
            force: false,
            resume: false,
            memory: None,
            model_card: false,
        }
    }
}

/// Refuses options that exclude each other: the published code has no extension, and the published
/// tool writes no card.
pub(crate) fn check_exclusive(code: CodeKind, all: bool, model_card: bool) -> Result<(), Error> {
    match (code, all, model_card) {
        (CodeKind::Published, true, _) => Err(Error::OptionsExclude { which: Exclusive::PublishedAndAll }),
        (CodeKind::Published, _, true) => Err(Error::OptionsExclude { which: Exclusive::PublishedAndCard }),
        _ => Ok(()),
    }
}

/// What was compressed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CompressReport {
    /// Units that were coded.
    pub units: usize,
    /// Those of `units` in the extension, which the published loader cannot read.
    pub extension_units: usize,
    /// Units that stay raw.
    pub kept_raw: Vec<KeptRaw>,
    /// The source's weight files that are the model, or hold superseded tensors.
    pub model_files: Vec<String>,
    /// Bytes of the source's weight files, headers included.
    pub source_bytes: u64,
    /// Bytes of the weight files written, headers included.
    pub output_bytes: u64,
    /// Files written, copies included.
    pub files: usize,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// A unit that stays raw.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeptRaw {
    /// The module path.
    pub unit: String,
    /// Why.
    pub reason: KeptReason,
}

messages! {
/// Why a unit stays raw.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum KeptReason {
    /// Coding the unit saves nothing.
    #[error("it would have {coded} bytes coded, and has {raw} as BF16")]
    NotSmaller {
        /// Bytes of its arrays.
        coded: u64,
        /// Bytes of its weights.
        raw: u64,
    },
    /// The unit cannot be coded.
    #[error("{fault}")]
    NotCoded {
        /// The error of the encoder.
        fault: df11_core::Error,
    },
}
}
