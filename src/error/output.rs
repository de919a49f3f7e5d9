//! Why OUTPUT is not begun, or not put into its place.

use std::path::PathBuf;

use super::messages::messages;
use crate::shown::shown;

messages! {
/// Why OUTPUT is refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutputReason {
    /// The path has no name at its end.
    #[error("expected a path that ends in a name")]
    NoName,
    /// OUTPUT exists, and leave to replace it was not given.
    #[error(
        "exists already{}; give another name, or let it be replaced",
        match partial {
            Some(partial) => format!(", and {} was left by an earlier run", shown(partial)),
            None => String::new(),
        }
    )]
    Exists {
        /// What an earlier run has left beside it. It goes when OUTPUT is replaced.
        partial: Option<PathBuf>,
    },
    /// A link.
    #[error("is a link; give the path that it leads to, or remove it")]
    Link,
    /// A device, a pipe, a socket.
    #[error("is neither a file nor a directory; give another name")]
    Special,
    /// A directory where a file is to be.
    #[error("is a directory, and the result is one file; give a file name")]
    Directory,
    /// A file where a directory is to be.
    #[error("is a file, and the result is a directory; give another name")]
    File,
    /// A file system is mounted on OUTPUT.
    #[error("is where a file system is mounted, and cannot be replaced; give a name inside of it")]
    Mounted,
    /// A file system is mounted on `OUTPUT.partial`.
    #[error("is in the way: a file system is mounted there; give another OUTPUT")]
    PartialMounted,
    /// A directory without weights. Only a model is replaced.
    #[error("is a directory without .safetensors files, so it is no model; remove it yourself")]
    NoModel,
    /// A directory with a file that may be of no model. Only a model is replaced.
    #[error(
        "holds {}, which may be of no model; move that file away, or remove the directory yourself",
        shown(name)
    )]
    Foreign {
        /// The file, from the directory on.
        name: PathBuf,
    },
    /// OUTPUT is what is read.
    #[error("is the same as {}, which is read; give another OUTPUT", shown(input))]
    SameAsInput {
        /// What is read.
        input: PathBuf,
    },
    /// What is read lies in OUTPUT.
    #[error("has {} in it, which is read; give another OUTPUT", shown(input))]
    AroundInput {
        /// What is read.
        input: PathBuf,
    },
    /// OUTPUT lies in what is read.
    #[error("is inside {}, which is read; give a place outside", shown(input))]
    InsideInput {
        /// What is read.
        input: PathBuf,
    },
    /// Something that is read would be removed with the old OUTPUT.
    #[error("is to be read, and would be removed; give another OUTPUT")]
    InputRemoved,
    /// The same, where it is read by another path.
    #[error("is {} by another path, which is to be read; give another OUTPUT", shown(input))]
    InputRemovedByOtherPath {
        /// What is read.
        input: PathBuf,
    },
    /// Something has the name of `OUTPUT.partial`, or lies in it, that this library has not made.
    #[error("{} is in the way, and is not of df11; move it away, or give another OUTPUT", shown(found))]
    InTheWay {
        /// What is there.
        found: PathBuf,
    },
    /// Another run writes the same OUTPUT.
    #[error("another run is writing here, in {}; wait for it, or stop it", shown(partial))]
    Busy {
        /// Where it writes.
        partial: PathBuf,
    },
    /// Other runs begin and end all the time.
    #[error("other runs come and go in {}; wait for them", shown(partial))]
    BusyAgainAndAgain {
        /// Where they write.
        partial: PathBuf,
    },
    /// An interrupted run has left finished files.
    #[error(
        "{} is in the way, with {files} finished files of an interrupted run; go on with them if it is the same \
         compression, or let them be removed and begin anew",
        shown(partial)
    )]
    LeftFiles {
        /// Where they are.
        partial: PathBuf,
        /// Their number.
        files: usize,
    },
    /// An earlier run has left all of its work, which did not get its name.
    #[error(
        "{} is in the way, with the finished work of an earlier run; move {} to its place, or let it be removed and \
         begin anew",
        shown(partial),
        shown(output)
    )]
    LeftWork {
        /// `OUTPUT.partial`.
        partial: PathBuf,
        /// The work.
        output: PathBuf,
    },
    /// An earlier run has left what it had replaced.
    #[error(
        "{} is in the way, with what an earlier run has replaced, {}; move that away if it is still needed, or let \
         it be removed and begin anew",
        shown(partial),
        shown(replaced)
    )]
    LeftReplaced {
        /// `OUTPUT.partial`.
        partial: PathBuf,
        /// What was replaced.
        replaced: PathBuf,
    },
    /// The journal of the interrupted run cannot be read.
    #[error("its journal is unreadable ({message}); begin anew")]
    JournalUnreadable {
        /// What the JSON reader said.
        message: String,
    },
    /// The interrupted run was another job.
    #[error("is of another job: {difference}; repeat that one, or begin anew")]
    OtherJob {
        /// What differs.
        difference: JobDifference,
    },
    /// A finished file was made of another tensor than the source has now.
    #[error("was made of another tensor `{}` than the source has now; begin anew", shown(tensor))]
    OtherTensor {
        /// The tensor.
        tensor: String,
    },
    /// A model card needs a directory.
    #[error("a model card is written into a directory, and the result is one file; run without the card")]
    CardWithoutDirectory,
    /// There is never anything to go on with.
    #[error("a single file is written all at once, so nothing of it is ever left to go on with; begin it anew")]
    NeverResumed,
    /// OUTPUT appeared while the job ran.
    #[error("is there now, and was not when the run began; it was left alone")]
    CameMeanwhile,
    /// OUTPUT appears and disappears while it is to be replaced.
    #[error("comes and goes while it is replaced; stop what does that")]
    ComesAndGoes,
    /// OUTPUT is a directory instead of a file now, or the other way round.
    #[error("is of another kind than it was when the run began")]
    KindChanged,
    /// OUTPUT became something that may not be replaced.
    #[error("has changed: it {reason}")]
    Changed {
        /// Why it may not.
        reason: Box<OutputReason>,
    },
    /// The work is done and could not get its name.
    #[error("{reason}. The finished work is kept: {}", shown(output))]
    WorkKept {
        /// Why it could not.
        reason: Box<OutputReason>,
        /// Where it is.
        output: PathBuf,
    },
    /// OUTPUT is complete. What the run has left beside it could not be removed.
    #[error("is complete and in its place, but the run could not clean up after itself: {source}")]
    NotCleaned {
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
}

messages! {
/// What tells two jobs apart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobDifference {
    /// The version of this library.
    #[error("df11 {begun} began it, this is {now}")]
    Version {
        /// Of the job that was interrupted.
        begun: String,
        /// Of this one.
        now: String,
    },
    /// Whose code is written.
    #[error("it was begun with the code `{begun}`, and this is with `{now}`")]
    Code {
        /// By the job that was interrupted.
        begun: String,
        /// By this one.
        now: String,
    },
    /// Whether units are verified.
    #[error("it was begun {} verification of each unit", if *begun { "with" } else { "without" })]
    Verification {
        /// By the job that was interrupted.
        begun: bool,
    },
    /// The source.
    #[error("its source had other headers, files or units")]
    Source,
}
}

messages! {
/// How what is to be written comes to fit into files that readers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fitting {
    /// Not one file for the whole directory.
    #[error("write a file for each unit")]
    FileForEachUnit,
    /// Smaller models.
    #[error("split the model into directories of fewer tensors or shorter names, and compress each")]
    Split,
    /// A directory instead of a file.
    #[error("put it into a directory and compress that, for a file of each unit")]
    Directory,
    /// Parts of a model without a record.
    #[error("without a record of its source it can only be one file; decompress parts of it by themselves")]
    PartsAlone,
    /// Fewer shapes.
    #[error("take these tensors out of the shapes")]
    FewerShapes,
}
}
