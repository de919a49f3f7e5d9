//! What a compression is told, and what it tells.

use df11_core::bf16;
use df11_cpu::Plan;

use crate::Note;
use crate::backend::Choice;
use crate::error::messages::messages;
use crate::naming::pattern::PatternDict;

/// Whose codes and files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodeKind {
    /// Ours: the fewest bytes, every word, and the record that restores the source files.
    #[default]
    Canonical,
    /// The published tool's, byte for byte: `dfloat11` 0.5.0 would have written the same files, and nothing restores the source's but its tensors.
    Published,
}

impl CodeKind {
    /// Plans a unit. In the published code, where it has one; else also why not.
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
    /// What encodes and what decodes for verification.
    pub backend: Choice,
    /// Whose codes and files are written.
    pub code: CodeKind,
    /// Which modules are units; by default they are inferred from the headers.
    pub pattern_dict: Option<PatternDict>,
    /// Where units are inferred: code every BF16 tensor of some size, in an extension that the published loader cannot read.
    pub all: bool,
    /// For a directory: one `model.safetensors` instead of a file for each unit.
    pub single_file: bool,
    /// Decode each unit and compare it with what was read before it is written. On by default.
    pub verify: bool,
    /// Replace an OUTPUT that exists.
    pub force: bool,
    /// Go on with what an interrupted run of the same job has finished. Only where a directory gets a file for each unit: a single file is finished
    /// all at once.
    pub resume: bool,
    /// Refuse a model with a unit that needs more bytes of memory than this.
    pub memory: Option<u64>,
    /// In a directory, write a README.md to complete and to publish. The source's is kept as README.source.md.
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

/// What was compressed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CompressReport {
    /// Units that were coded.
    pub units: usize,
    /// Of those, units of the extension, which the published loader cannot read.
    pub extension_units: usize,
    /// Units that stay raw.
    pub kept_raw: Vec<KeptRaw>,
    /// Bytes of the source's weight files, headers included.
    pub source_bytes: u64,
    /// Bytes of the weight files written, headers included.
    pub output_bytes: u64,
    /// Files written, copied ones included.
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
    /// Coding it saves nothing.
    #[error("coded it would have {coded} bytes, as BF16 it has {raw}")]
    NotSmaller {
        /// Bytes of its arrays.
        coded: u64,
        /// Bytes of its weights.
        raw: u64,
    },
    /// It cannot be coded.
    #[error("{fault}")]
    NotCoded {
        /// What the encoder said.
        fault: df11_core::Error,
    },
}
}
