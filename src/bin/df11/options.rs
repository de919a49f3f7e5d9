//! Arguments that several verbs share.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::value_parser;
use df11::backend::Choice;
use df11::jobs::PatternDict;

use crate::exit::Failure;

/// Where the result goes.
#[derive(Debug, clap::Args)]
pub struct Destination {
    /// The file or directory to write; it appears only when it is complete
    #[arg(short, long, value_name = "OUTPUT", value_parser = not_stdout())]
    pub output: PathBuf,
    /// Replace OUTPUT if it exists, and remove what an interrupted run has left of it. A directory
    /// is replaced only if it is a model and holds nothing else
    #[arg(short, long)]
    pub force: bool,
}

/// Takes the path of OUTPUT. `-` would mean stdout, where no model can be written.
pub fn not_stdout() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path == Path::new("-") {
        true => Err("a model is not written to stdout, since its parts are not written in order; give the name of a \
                     file or directory (`./-` if it is really called so)"),
        false => Ok(path),
    })
}

/// Each thread costs memory; a larger number is a typing error.
const MOST_THREADS: u64 = 1024;

/// How many threads work.
#[derive(Debug, clap::Args)]
pub struct Threads {
    /// Number of threads; 0 means one for each processor. The result is the same for any number
    #[arg(short = 'T', long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u64).range(..=MOST_THREADS))]
    threads: u64,
}

impl Threads {
    /// The requested threads.
    pub fn pool(&self) -> Result<rayon::ThreadPool, Failure> {
        pool(self.threads as usize)
    }
}

/// How much memory a job may use.
#[derive(Debug, clap::Args)]
pub struct Memory {
    /// Refuse the job before it begins if a unit needs more memory than this. 4G and 512M count in
    /// powers of 1000, 4GiB and 512MiB in powers of 1024
    #[arg(short = 'M', long = "memory", value_name = "SIZE")]
    limit: Option<ByteSize>,
}

impl Memory {
    /// The limit in bytes, if one was given.
    pub fn limit(&self) -> Option<u64> {
        self.limit.map(|limit| limit.as_u64())
    }
}

/// What the work runs on.
#[derive(Debug, clap::Args)]
pub struct Machine {
    #[command(flatten)]
    threads: Threads,
    /// The backend to use, by its name in `df11 backends`. The default is $DF11_BACKEND, else the
    /// best one here
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
}

impl Machine {
    /// The requested backend, or the best one.
    pub fn backend(&self) -> Result<Choice, Failure> {
        Ok(Choice::choose(self.backend.as_deref())?)
    }

    /// Whether the user named a backend, by the flag or by the environment.
    pub fn is_forced(&self) -> bool {
        self.backend.is_some() || std::env::var_os("DF11_BACKEND").is_some_and(|name| !name.is_empty())
    }

    /// The requested threads.
    pub fn pool(&self) -> Result<rayon::ThreadPool, Failure> {
        self.threads.pool()
    }
}

/// `threads` threads; 0 means one for each processor.
pub fn pool(threads: usize) -> Result<rayon::ThreadPool, Failure> {
    Ok(rayon::ThreadPoolBuilder::new().num_threads(threads).build()?)
}

/// Reads the file of `--pattern-dict FILE`, if it was given.
pub fn pattern_dict(file: Option<&Path>) -> Result<Option<PatternDict>, Failure> {
    Ok(file.map(PatternDict::read).transpose()?)
}
