//! Why OUTPUT is refused before the work begins, or at the end.

use std::path::PathBuf;

use super::messages::messages;
use crate::note::count;
use crate::shown::shown;

messages! {
/// Why OUTPUT is refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutputReason {
    /// The path has no name at its end.
    #[error("expected a path that ends in a name")]
    NoName,
    /// OUTPUT exists, and the caller did not allow it to be replaced.
    #[error(
        "exists already{}; give another name, or let it be replaced",
        match partial {
            Some(partial) => format!(", and {} was left by an earlier run", shown(partial)),
            None => String::new(),
        }
    )]
    Exists {
        /// What an earlier run left beside it. It is removed when OUTPUT is replaced.
        partial: Option<PathBuf>,
    },
    /// OUTPUT is a link.
    #[error("is a link; give the path that it leads to, or remove it")]
    Link,
    /// OUTPUT is a device, a pipe or a socket.
    #[error("is neither a file nor a directory; give another name")]
    Special,
    /// OUTPUT is a directory, but the result is a file.
    #[error("is a directory, and the result is one file; give a file name")]
    Directory,
    /// OUTPUT is a file, but the result is a directory.
    #[error("is a file, and the result is a directory; give another name")]
    File,
    /// A file system is mounted on OUTPUT.
    #[error("is where a file system is mounted, and cannot be replaced; give a name inside of it")]
    Mounted,
    /// A file system is mounted on `OUTPUT.partial`.
    #[error("is in the way: a file system is mounted there; give another OUTPUT")]
    PartialMounted,
    /// OUTPUT is a directory without weights. Only a model is replaced.
    #[error("is a directory without .safetensors files, so it is not a model; remove it yourself, or give another name")]
    NoModel,
    /// OUTPUT is a directory that holds a file which may not belong to a model. Only a model is
    /// replaced.
    #[error(
        "holds {}, which may not belong to a model; move that file away, or remove the directory yourself",
        shown(name)
    )]
    Foreign {
        /// The file, relative to the directory.
        name: PathBuf,
    },
    /// OUTPUT is an input.
    #[error("is the same as {}, which the job reads; give another OUTPUT", shown(input))]
    SameAsInput {
        /// The input.
        input: PathBuf,
    },
    /// OUTPUT contains an input.
    #[error("contains {}, which the job reads; give another OUTPUT", shown(input))]
    AroundInput {
        /// The input.
        input: PathBuf,
    },
    /// OUTPUT lies inside an input.
    #[error("is inside {}, which the job reads; give a place outside", shown(input))]
    InsideInput {
        /// The input.
        input: PathBuf,
    },
    /// An input would be removed together with the old OUTPUT.
    #[error("is what the job reads, and would be removed with the old OUTPUT; give another OUTPUT")]
    InputRemoved,
    /// The same, where the input is known by another path.
    #[error("is another path to {}, which the job reads; give another OUTPUT", shown(input))]
    InputRemovedByOtherPath {
        /// The input.
        input: PathBuf,
    },
    /// Something that this library did not make has the name `OUTPUT.partial`, or lies in it.
    #[error("{} is in the way, and df11 did not make it; move it away, or give another OUTPUT", shown(found))]
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
    /// Other runs keep starting and ending there.
    #[error("other runs keep starting and ending in {}; wait until they are done", shown(partial))]
    BusyAgainAndAgain {
        /// Where they write.
        partial: PathBuf,
    },
    /// An interrupted run left finished files.
    #[error(
        "{} holds {} of an interrupted run; continue from there if the job is the same, or let it be removed and start \
         over",
        shown(partial),
        count(*files, "finished file")
    )]
    LeftFiles {
        /// Where they are.
        partial: PathBuf,
        /// How many files.
        files: usize,
    },
    /// An earlier run finished all its work, but the work did not get its name.
    #[error(
        "{} holds the finished work of an earlier run; move {} to its place, or let it be removed and start over",
        shown(partial),
        shown(output)
    )]
    LeftWork {
        /// `OUTPUT.partial`.
        partial: PathBuf,
        /// The finished work.
        output: PathBuf,
    },
    /// An earlier run left what it had replaced.
    #[error(
        "{} holds what an earlier run has replaced, {}; move that away if it is still needed, or let it be removed \
         and start over",
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
    #[error("its journal is unreadable ({message}); start over")]
    JournalUnreadable {
        /// What the JSON reader said.
        message: String,
    },
    /// The interrupted run did another job.
    #[error("holds the files of another job: {difference}; repeat that job, or start over")]
    OtherJob {
        /// What differs.
        difference: JobDifference,
    },
    /// A finished file was made from a tensor that has changed in the source.
    #[error("was made before tensor `{}` of the source changed; start over", shown(tensor))]
    OtherTensor {
        /// The tensor.
        tensor: String,
    },
    /// A model card needs a directory.
    #[error("a model card needs a directory, and the result is one file; run without the card")]
    CardWithoutDirectory,
    /// A single file can never be resumed.
    #[error("a single file is written all at once, so there is nothing to continue with; start over")]
    NeverResumed,
    /// OUTPUT appeared while the job ran.
    #[error("appeared while the job ran, and was left alone")]
    CameMeanwhile,
    /// OUTPUT keeps appearing and disappearing while it is being replaced.
    #[error("appears and disappears while it is replaced; stop the program that does this")]
    ComesAndGoes,
    /// OUTPUT was a file and is now a directory, or the other way round.
    #[error("was a file when the job began and is a directory now, or the other way round")]
    KindChanged,
    /// OUTPUT became something that may not be replaced.
    #[error("has changed: it {reason}")]
    Changed {
        /// Why it may not be replaced.
        reason: Box<OutputReason>,
    },
    /// The work is done, but could not get its name.
    #[error("{reason}. The finished work is kept: {}", shown(output))]
    WorkKept {
        /// Why it could not.
        reason: Box<OutputReason>,
        /// Where the work is.
        output: PathBuf,
    },
    /// OUTPUT is complete. The files that the run left beside it could not be removed.
    #[error("is complete and in its place, but the run could not clean up after itself: {source}")]
    NotCleaned {
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
}

messages! {
/// In what two jobs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobDifference {
    /// The version of this library.
    #[error("df11 {begun} began it, and this is df11 {now}")]
    Version {
        /// The version that began the interrupted job.
        begun: String,
        /// The version of this library now.
        now: String,
    },
    /// The code that is written: ours, or the published tool's.
    #[error("it has the code `{begun}`, and this one has `{now}`")]
    Code {
        /// The code of the interrupted job.
        begun: String,
        /// The code of this job.
        now: String,
    },
    /// Whether units are verified.
    #[error("it began {} verification of each unit", if *begun { "with" } else { "without" })]
    Verification {
        /// Whether the interrupted job verified them.
        begun: bool,
    },
    /// The source.
    #[error("its source had other headers, files or units")]
    Source,
}
}

messages! {
/// How to make the result fit into files that readers accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fitting {
    /// Write several files instead of one for the whole directory.
    #[error("write a file for each unit")]
    FileForEachUnit,
    /// Split the model into smaller ones.
    #[error("split the model into directories of fewer tensors or shorter names, and compress each")]
    Split,
    /// Give a directory instead of a file.
    #[error("put it into a directory and compress the directory: each unit then gets its own file")]
    Directory,
    /// The model has no record: decompress its parts one by one.
    #[error("nothing says how to divide it into files; decompress parts of it one by one")]
    PartsAlone,
    /// Give fewer shapes.
    #[error("remove tensors from the shapes")]
    FewerShapes,
}
}
