use std::io;
use std::path::PathBuf;

/// Why no text was generated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Model(Box<df11_candle::Error>),
    #[error("{}: give the folder that holds config.json, the weights and tokenizer.json", df11::shown::shown(.0))]
    NoFolder(PathBuf),
    #[error("{}: {reason}; without it, give tokens by --prompt-ids", df11::shown::shown(path))]
    Tokenizer { path: PathBuf, reason: String },
    #[error("{}: {reason}; without --chat, the text is continued as it is", df11::shown::shown(path))]
    Template { path: PathBuf, reason: String },
    #[error("the prompt has no tokens")]
    EmptyPrompt,
    #[error("{what}: {error}")]
    System { what: &'static str, error: io::Error },
    #[error("threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl From<df11_candle::Error> for Error {
    fn from(error: df11_candle::Error) -> Self {
        Self::Model(Box::new(error))
    }
}

impl Error {
    pub fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}
