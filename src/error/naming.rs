//! Why the matrices of a unit have no names, and why patterns are refused.

use super::messages::messages;
use crate::shown::shown;

messages! {
/// Why the matrices of a unit have no names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatricesReason {
    /// No pattern matches.
    #[error("no pattern of pattern_dict matches its name")]
    NoPattern,
    /// There are no patterns, and the unit is of no known kind.
    #[error("it has {matrices} matrices, and their names are unknown")]
    NoNames {
        /// Number of matrices in the unit.
        matrices: usize,
    },
    /// The unit has more or fewer matrices than the patterns name.
    #[error("it has {found} matrices, but the pattern that matches its name lists {expected}")]
    Number {
        /// Number of matrices in the unit.
        found: usize,
        /// Number of matrices that the pattern lists.
        expected: usize,
    },
}
}

messages! {
/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternReason {
    /// Compiling all patterns would take too long.
    #[error(
        "they are too many, or too costly to compile (classes like \\w and repetitions like {{9}} cost most)"
    )]
    TooCostly,
    /// Matching all patterns would take too long.
    #[error(
        "it would take too long to match them with the paths of {modules} modules; write fewer alternatives that \
         begin alike, and fewer repetitions in repetitions"
    )]
    TooCostlyToMatch {
        /// Number of modules.
        modules: usize,
    },
    /// No pattern matches a module of the model, so nothing would be coded.
    #[error(
        "none of them matches a module of the model; a pattern must match the whole path of a module, for example \
         `model\\.layers\\.\\d+`"
    )]
    NothingMatched,
    /// They give the matrices of a model more names than any source can have.
    #[error("they give the matrices longer names than the {most} bytes of a header hold")]
    TooManyNames {
        /// Most bytes of names.
        most: u64,
    },
    /// The engine refuses it.
    #[error("{message}")]
    Engine {
        /// The message of the engine.
        message: String,
    },
    /// Python's parser may refuse it.
    #[error("{message}, so Python's `re` may refuse it")]
    NotForPython {
        /// What Python may refuse.
        message: String,
    },
    /// Python reads a part of it differently.
    #[error(
        "Python's `re`, which the published loader uses, reads `{}` in another way: {why}",
        shown(part)
    )]
    ReadDifferently {
        /// The part.
        part: String,
        /// What differs, or how to write it.
        why: &'static str,
    },
}
}
