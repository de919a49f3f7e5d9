use std::path::PathBuf;

use df11::BackendError;
use df11::shown::{Shown, shown};

/// Why a model was not loaded, or did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The files of the model.
    #[error(transparent)]
    Model(#[from] df11::Error),
    /// A tensor has another shape than the model's configuration says.
    #[error("tensor {}: shape {found:?}, but {expected:?} is expected: config.json is of another model", show(tensor))]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<u64>,
        /// What the caller asked for.
        expected: Vec<usize>,
    },
    /// A tensor has a dtype that cannot be used.
    #[error("tensor {}: dtype {}, but {expected} is expected", show(tensor), show(found))]
    Dtype {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        found: String,
        /// What can be used.
        expected: &'static str,
    },
    /// Weights could not be prepared, or a product failed.
    #[error("tensor {}: {error}", show(tensor))]
    Weights {
        /// The tensor, the first one of several that were asked for together.
        tensor: String,
        /// What failed.
        error: BackendError,
    },
    /// config.json cannot be used.
    #[error("{}: field {}: {reason}", show(path), show(field))]
    Config {
        /// The file.
        path: PathBuf,
        /// The field, with those that hold it.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// config.json is not JSON, or cannot be read.
    #[error("{}: {reason}", show(path))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What was asked for does not run this architecture.
    #[error("{}: model type {found:?} does not run here; these do: {known}", show(path))]
    Architecture {
        /// config.json.
        path: PathBuf,
        /// Its model type.
        found: String,
        /// The model types that run.
        known: String,
    },
    /// The model has no such token.
    #[error("token {token} is not in the vocabulary, which has {vocabulary} tokens")]
    NoSuchToken {
        /// The token.
        token: u32,
        /// Tokens of the vocabulary.
        vocabulary: usize,
    },
    /// The tokens do not fit in the context.
    #[error(
        "{asked} tokens do not fit in the context, which ends after {context}: give a shorter text, or generate less"
    )]
    ContextFull {
        /// Tokens before, and those that were to be added.
        asked: usize,
        /// Tokens that fit.
        context: usize,
    },
    /// A text cannot go back that far.
    #[error(
        "the text cannot be cut after {tokens} tokens: layers with a window remember enough only from {least} on; begin \
         with an empty cache"
    )]
    Forgotten {
        /// Tokens that were to be left.
        tokens: usize,
        /// The least that can be left.
        least: usize,
    },
    /// candle failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

fn show<N: AsRef<std::ffi::OsStr> + ?Sized>(name: &N) -> Shown<'_> {
    shown(name)
}

impl Error {
    pub(crate) fn weights(tensor: &str, error: impl Into<BackendError>) -> Self {
        Self::Weights { tensor: tensor.to_owned(), error: error.into() }
    }
}

/// For candle's own traits, whose methods return its error.
impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(error) => error,
            error => Self::Wrapped(Box::new(error)),
        }
    }
}
