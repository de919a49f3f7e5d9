//! Why INPUT, or a file of it, is refused.

use std::path::PathBuf;

use super::messages::messages;
use crate::note::listed as names;
use crate::safetensors::Foreign;
use crate::shown::shown;

messages! {
/// Why INPUT is not a model that the job can read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelReason {
    /// The directory holds no weights.
    #[error("holds no .safetensors file; give a file or directory of safetensors weights")]
    NoWeights,
    /// It holds only GGUF weights.
    #[error(
        "holds no .safetensors file, but {}: GGUF weights are not read; get the BF16 safetensors that they were made \
         from",
        shown(file)
    )]
    Gguf {
        /// One of them.
        file: PathBuf,
    },
    /// It holds only pickled weights.
    #[error(
        "holds no .safetensors file, but {}: pickled weights can run code and are not read; save them as safetensors \
         first",
        shown(file)
    )]
    Pickled {
        /// One of them.
        file: PathBuf,
    },
    /// It is the folder that a hub's tools keep a model in, or many models.
    #[error("is a cache of a hub; give a snapshot in it: {}", listed(snapshots))]
    HubCache {
        /// The snapshots, the current ones first.
        snapshots: Vec<PathBuf>,
    },
    /// Nothing is there, and the path looks like the name or the address of a model on a hub.
    #[error(
        "does not exist; if it is a model on a hub, download it first (for example `hf download {name}`), then give \
         the folder that this prints"
    )]
    OnHub {
        /// The name of the model there: `ORG/NAME`.
        name: String,
    },
    /// It is a pipeline folder, but one model is expected.
    #[error("is a pipeline folder; give one of its parts: {}", listed(parts))]
    Pipeline {
        /// Its parts.
        parts: Vec<PathBuf>,
    },
    /// It holds several weight files, and nothing says which of them are the model.
    #[error("holds {files} .safetensors files, but no index and none of {main_files}; give one of the files")]
    SeveralFiles {
        /// Their number.
        files: usize,
        /// A name that would identify the model's file.
        main_files: String,
    },
    /// A list of shards names files that are not there.
    #[error(
        "its {} names {files} weight files, and {} of them are missing: {}; is the download complete? get the missing \
         files",
        shown(index),
        missing.len(),
        names(missing)
    )]
    ShardsMissing {
        /// The list.
        index: String,
        /// The files that are missing.
        missing: Vec<String>,
        /// How many files it names.
        files: usize,
    },
    /// Several lists of shards name a whole model each.
    #[error("holds {} lists of shards, each of a whole model: {}; leave one of them", indexes.len(), names(indexes))]
    SeveralIndexes {
        /// The lists.
        indexes: Vec<String>,
    },
    /// It holds several files, each a DFloat11 model by itself.
    #[error("holds {models} models, each in its own file; give one of the files")]
    SeveralModels {
        /// Their number.
        models: usize,
    },
    /// The model to be compressed is compressed already.
    #[error("is a DFloat11 model already; decompress it first, or give the BF16 model")]
    AlreadyCoded,
    /// Nothing in it can be coded.
    #[error(
        "holds no BF16 values: {}; give the BF16 model: DFloat11 shrinks no other",
        dtypes.iter().map(|(dtype, count)| format!("{count} of {}", shown(dtype))).collect::<Vec<_>>().join(", ")
    )]
    NoBf16 {
        /// Its dtypes, each with the number of tensors.
        dtypes: Vec<(String, usize)>,
    },
    /// It holds no unit, and nothing says where the units are.
    #[error(
        "holds no DFloat11 unit (tensors called <unit>.encoded_exponent, <unit>.sign_mantissa, ...); give a DFloat11 \
         model, or compress this one first"
    )]
    NoUnits,
    /// It is compared with, or gives shapes, but it is a DFloat11 model.
    #[error("is a DFloat11 model; give the BF16 model here")]
    NotTheSource,
    /// It is one file of a model, and the others are needed.
    #[error("holds the record of a model of several files; give the folder that it lies in")]
    MainFileAlone,
    /// It is what an interrupted run has left.
    #[error("is what an interrupted run has left, not a model; repeat that job, and let it continue or start over")]
    Unfinished,
    /// It was written by the first version of the published tool.
    #[error(
        "was written by dfloat11 0.1 (pickled Python objects), which is not read; compress the BF16 model again"
    )]
    PickledUnits,
    /// The published tool codes none of its matrices.
    #[error(
        "holds no matrix that the published tool codes, so its files would be no DFloat11 model; use our own code"
    )]
    NothingPublished,
    /// It has the published form, and no reader can compile the patterns that find its units.
    #[error(
        "its units need patterns that are too large for a reader to compile; use our own code, which lists the units \
         in its record"
    )]
    PatternsTooLarge,
    /// A file to be copied has the same name as a file to be written.
    #[error("has the name of a file that df11 writes; rename it")]
    NameOfCodedFile,
    /// Its README.md looks like a model card written by us, so it would not be restored.
    #[error("its {readme} is a model card that df11 wrote (it holds `{mark}`); remove it, or that line, from the source")]
    HasCard {
        /// The README.
        readme: &'static str,
        /// The text that marks a card.
        mark: &'static str,
    },
    /// It holds a file with the name that its README.md would get.
    #[error("holds {kept}, the name that its {readme} would get next to a model card; rename {kept}")]
    HasKeptReadme {
        /// The file.
        kept: &'static str,
        /// The README.
        readme: &'static str,
    },
    /// It holds a file with the name of our own list of a pipeline's files.
    #[error("holds {list}, the name of the list of files that df11 writes; rename it")]
    HasList {
        /// The file.
        list: &'static str,
    },
    /// The model is damaged, and nothing of it can be restored.
    #[error("nothing is left of its weights; get the model again")]
    NothingLeft,
}
}

fn listed(parts: &[PathBuf]) -> String {
    parts.iter().map(|part| shown(part).to_string()).collect::<Vec<_>>().join(", ")
}

messages! {
/// What is wrong with a JSON file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonReason {
    /// It has more bytes than are read.
    #[error("is larger than {most} bytes, too much for a JSON file of a model")]
    TooLarge {
        /// Most bytes that are read.
        most: u64,
    },
    /// It has no bytes, or white space alone.
    #[error("is empty; get the file again")]
    Empty,
    /// It is a file of another kind.
    #[error("is not JSON: {kind}")]
    Foreign {
        /// What it is, with the next step.
        kind: Foreign,
    },
    /// It is not JSON.
    #[error("is not JSON: {message}")]
    NotJson {
        /// What the JSON reader said.
        message: String,
    },
    /// It is a config.json, but not an object.
    #[error("expected a JSON object: {message}; get the file again")]
    NotAnObject {
        /// What the JSON reader said.
        message: String,
    },
    /// A field of a config.json has a value that no model has.
    #[error("field {}: {reason}", shown(field))]
    Field {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is an index that does not say which file holds each tensor.
    #[error("expected an index with a `weight_map` of tensor to file: {message}; get the file again")]
    NotAnIndex {
        /// What the JSON reader said.
        message: String,
    },
    /// It is an index that names no tensor.
    #[error(
        "expected an index with a `weight_map` of tensor to file: it names no tensor; give the weight file itself"
    )]
    EmptyIndex,
    /// It is not a pattern dictionary.
    #[error("expected a pattern dictionary: an object of pattern to list of attribute paths")]
    NotPatterns,
    /// It is a pattern dictionary with a pattern twice.
    #[error("pattern `{}` is there twice; keep one of them", shown(pattern))]
    PatternTwice {
        /// The pattern.
        pattern: String,
    },
    /// It holds no shapes, or shapes that no model can have.
    #[error("expected {expected}")]
    NotShapes {
        /// What was expected, and what was found.
        expected: String,
    },
    /// It is a file of shapes whose configuration cannot be read.
    #[error("expected JSON with a `config`: {message}")]
    NoConfig {
        /// What the JSON reader said.
        message: String,
    },
    /// It cannot be written again with `dfloat11_config` in it.
    #[error("cannot be written again: {message}")]
    NotWritten {
        /// What the JSON writer said.
        message: String,
    },
    /// With the names of the units in it, it would be larger than what is read.
    #[error(
        "with the names of the units it would have {bytes} bytes, more than the {most} that are read; split the model \
         into directories of fewer tensors or shorter names"
    )]
    GrowsTooLarge {
        /// Bytes that it would have.
        bytes: u64,
        /// Most bytes that are read.
        most: u64,
    },
    /// A file made from these shapes would be larger than what is read.
    #[error("its {file} would have more than the {most} bytes that are read; remove tensors")]
    MakesTooLarge {
        /// The file.
        file: &'static str,
        /// Most bytes that are read.
        most: u64,
    },
}
}

messages! {
/// Why a file name is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameReason {
    /// It has too many folders.
    #[error("it has more than {most} folders")]
    TooDeep {
        /// Most folders that are allowed.
        most: usize,
    },
    /// Another name is the same, or differs only in case.
    #[error("it is the same as `{}` on a system that ignores case", shown(other))]
    Meets {
        /// The other name.
        other: String,
    },
    /// It is empty, or leads out of its folder.
    #[error("it leads out of its folder, or is empty")]
    LeadsOut,
    /// It holds a character that separates names.
    #[error("it contains `\\`, `:` or a zero byte, which mean something else on some systems")]
    Separator,
    /// It ends in a character that Windows drops.
    #[error("it ends in a dot or a space, which Windows drops")]
    End,
    /// It is the name of a Windows device.
    #[error("Windows reserves it for a device")]
    Device,
    /// It is not UTF-8, so no record can hold it.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It names a folder, but files of this kind lie in none.
    #[error("it contains a folder, and a plain name is expected")]
    Folder,
}
}

messages! {
/// What says that a tensor should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Promise {
    /// The record of the source names it.
    #[error("the record of the source")]
    Record,
    /// An index of shards names it.
    #[error("{}", shown(index))]
    Index {
        /// The index.
        index: PathBuf,
    },
    /// A pattern names it.
    #[error("a pattern that matches module `{}`", shown(module))]
    Pattern {
        /// A module that the pattern matches.
        module: String,
    },
    /// The other arrays of its unit are there.
    #[error("unit `{}`, which has six arrays,", shown(unit))]
    Unit {
        /// The unit.
        unit: String,
    },
    /// The model that this one is compared with has it.
    #[error("{}", shown(model))]
    Model {
        /// The model.
        model: PathBuf,
    },
}
}

messages! {
/// Options that exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exclusive {
    /// The published code excludes units of the extension.
    #[error(
        "the published code and `all` exclude each other: the published tool does not code what `all` adds; choose \
         one of them"
    )]
    PublishedAndAll,
    /// The published code excludes a model card.
    #[error(
        "the published code and `model_card` exclude each other: the published tool writes no README.md; choose one \
         of them"
    )]
    PublishedAndCard,
}
}
