//! The options of an estimate.

use crate::backend::Choice;
use crate::jobs::compress::options::CodeKind;
use crate::naming::pattern::PatternDict;

/// What to estimate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EstimateOptions {
    /// The backend that plans the codes of the samples.
    pub backend: Choice,
    /// Whose codes and files would be written.
    pub code: CodeKind,
    /// Which modules are units; by default they are inferred from the headers.
    pub pattern_dict: Option<PatternDict>,
    /// If units are inferred: also code every other BF16 tensor that is large enough.
    pub all: bool,
    /// For a directory: one `model.safetensors` instead of one file for each unit.
    pub single_file: bool,
    /// Read no weights: use a typical code length for all units.
    pub headers_only: bool,
}

impl Default for EstimateOptions {
    fn default() -> Self {
        let backend = Choice::best();
        let code = CodeKind::default();
        EstimateOptions { backend, code, pattern_dict: None, all: false, single_file: false, headers_only: false }
    }
}
