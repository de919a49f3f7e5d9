//! Why a program could not run.

use std::io;
use std::path::PathBuf;

/// Why nothing was generated or embedded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model.
    #[error(transparent)]
    Model(Box<df11_candle::Error>),
    /// The model is no folder.
    #[error("{}: give the folder that holds config.json, the weights and tokenizer.json", df11::shown::shown(.0))]
    NoFolder(PathBuf),
    /// The tokenizer cannot be used.
    #[error("{}: {reason}; without it, give tokens by {flag}", df11::shown::shown(path))]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// The flag that takes tokens.
        flag: &'static str,
    },
    /// The chat template cannot be used.
    #[error("{}: {reason}; without --chat, the text is continued as it is", df11::shown::shown(path))]
    Template {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing to continue.
    #[error("the prompt has no tokens")]
    EmptyPrompt,
    /// A line does not hold tokens.
    #[error("{}: tokens are expected, such as 1,2,3", df11::shown::shown(.0))]
    NoTokens(String),
    /// A file of texts cannot be read.
    #[error("{}: {error}", df11::shown::shown(path))]
    Texts {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A call of the system failed.
    #[error("{what}: {error}")]
    System {
        /// What was done.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// The threads could not be started.
    #[error("threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl From<df11_candle::Error> for Error {
    fn from(error: df11_candle::Error) -> Self {
        Self::Model(Box::new(error))
    }
}

impl Error {
    /// Makes an error of what the system said.
    pub fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}
