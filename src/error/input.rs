//! Why INPUT, or a file of it, is refused.

use std::path::PathBuf;

use super::messages::messages;
use crate::shown::shown;

messages! {
/// Why INPUT is not a model that the job can read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelReason {
    /// A directory without weights.
    #[error("holds no .safetensors file; give a file or directory of safetensors weights")]
    NoWeights,
    /// Weights of GGUF alone.
    #[error(
        "holds no .safetensors file, but {}: GGUF weights are not read; get the BF16 safetensors that they were made \
         from",
        shown(file)
    )]
    Gguf {
        /// One of them.
        file: PathBuf,
    },
    /// Pickled weights alone.
    #[error(
        "holds no .safetensors file, but {}: pickled weights can run code and are not read; save them as safetensors \
         first",
        shown(file)
    )]
    Pickled {
        /// One of them.
        file: PathBuf,
    },
    /// A pipeline folder, where one model is asked for.
    #[error("is a pipeline folder; give one of its parts: {}", listed(parts))]
    Pipeline {
        /// Its parts.
        parts: Vec<PathBuf>,
    },
    /// Weight files of which nothing tells which are the model.
    #[error("holds {files} .safetensors files and none of {main_files}, nor an index; give one of the files")]
    SeveralFiles {
        /// Their number.
        files: usize,
        /// What one of them would be called.
        main_files: String,
    },
    /// Several files that hold a DFloat11 model each.
    #[error("holds {models} models in files of their own; give one of the files")]
    SeveralModels {
        /// Their number.
        models: usize,
    },
    /// What is to be compressed is compressed.
    #[error("is a DFloat11 model already; decompress it first, or give the BF16 model")]
    AlreadyCoded,
    /// Nothing in it can be coded.
    #[error(
        "holds no BF16 values: {}; give the BF16 model, DFloat11 shrinks no other",
        dtypes.iter().map(|(dtype, count)| format!("{count} of {}", shown(dtype))).collect::<Vec<_>>().join(", ")
    )]
    NoBf16 {
        /// The dtypes in it, each with the number of its tensors.
        dtypes: Vec<(String, usize)>,
    },
    /// No unit, and nothing that says where they are.
    #[error("holds no DFloat11 unit (tensors called <unit>.encoded_exponent, <unit>.sign_mantissa, ...)")]
    NoUnits,
    /// Of the first version of the published tool.
    #[error(
        "was written by dfloat11 0.1 (pickled Python objects), which is not read; compress the BF16 model again"
    )]
    PickledUnits,
    /// The published tool codes none of its matrices.
    #[error(
        "holds no matrix that the published tool codes, and without one its form is no DFloat11 model; write it in \
         our own code"
    )]
    NothingPublished,
    /// In the published form, its units are found by patterns that no reader compiles.
    #[error(
        "its units need larger patterns than a reader compiles; write it in our own code, which names them in its \
         record"
    )]
    PatternsTooLarge,
    /// A file to be copied has the name of a file to be made.
    #[error("a file of the coded model would have its name; rename it")]
    NameOfCodedFile,
    /// Its README.md looks like a card of ours, and would not be restored.
    #[error("its {readme} is a model card of df11 (`{mark}`); take it, or that line, out of the source")]
    HasCard {
        /// The README.
        readme: &'static str,
        /// What marks a card.
        mark: &'static str,
    },
    /// It has a file of the name that its README.md is to get.
    #[error("has a {kept}, which is what its {readme} would be called beside a model card; rename it")]
    HasKeptReadme {
        /// The file.
        kept: &'static str,
        /// The README.
        readme: &'static str,
    },
    /// It has a file of the name that our list of a pipeline's files gets.
    #[error("has a {list}, which is what df11 would call its own list of files; rename it")]
    HasList {
        /// The file.
        list: &'static str,
    },
    /// Nothing of a damaged model can be restored.
    #[error("nothing is left of its weights")]
    NothingLeft,
}
}

fn listed(parts: &[PathBuf]) -> String {
    parts.iter().map(|part| shown(part).to_string()).collect::<Vec<_>>().join(", ")
}

messages! {
/// What is wrong with a file of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonReason {
    /// More bytes than are read.
    #[error("is larger than {most} bytes, too much for a JSON file of a model")]
    TooLarge {
        /// Bytes that are read.
        most: u64,
    },
    /// No JSON.
    #[error("is not JSON: {message}")]
    NotJson {
        /// What the JSON reader said.
        message: String,
    },
    /// A config.json that is no object.
    #[error("expected a JSON object: {message}")]
    NotAnObject {
        /// What the JSON reader said.
        message: String,
    },
    /// An index that does not say which tensor is in which file.
    #[error("expected an index with a `weight_map` of tensor to file: {message}")]
    NotAnIndex {
        /// What the JSON reader said.
        message: String,
    },
    /// An index of nothing.
    #[error(
        "expected an index with a `weight_map` of tensor to file: it names no tensor; without the index, give the \
         weight file itself"
    )]
    EmptyIndex,
    /// No pattern dictionary.
    #[error("expected a pattern dictionary: an object of pattern to list of attribute paths")]
    NotPatterns,
    /// No shapes, or ones that no model has.
    #[error("expected {expected}")]
    NotShapes {
        /// What was expected, and what was found.
        expected: String,
    },
    /// Shapes whose configuration cannot be read.
    #[error("expected JSON with a `config`: {message}")]
    NoConfig {
        /// What the JSON reader said.
        message: String,
    },
    /// It cannot be written with `dfloat11_config` in it.
    #[error("cannot be written anew: {message}")]
    NotWritten {
        /// What the JSON writer said.
        message: String,
    },
    /// With the names of the units it would be larger than what is read.
    #[error(
        "with the names of the units it would have {bytes} bytes, more than the {most} that are read; split the model \
         into directories of fewer tensors or shorter names"
    )]
    GrowsTooLarge {
        /// Bytes that it would have.
        bytes: u64,
        /// Bytes that are read.
        most: u64,
    },
    /// A file made from these shapes would be larger than what is read.
    #[error("its {file} would have more than the {most} bytes that are read; take tensors out")]
    MakesTooLarge {
        /// The file.
        file: &'static str,
        /// Bytes that are read.
        most: u64,
    },
}
}

messages! {
/// Why a file name is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameReason {
    /// Too many folders.
    #[error("it has more than {most} folders")]
    TooDeep {
        /// Folders that are taken.
        most: usize,
    },
    /// Another name is the same without case, or the same.
    #[error("it meets `{}` on a file system that ignores case, or is there twice", shown(other))]
    Meets {
        /// The other name.
        other: String,
    },
    /// Empty, or it leads elsewhere.
    #[error("it leads out of its folder, or is empty")]
    LeadsOut,
    /// It holds what separates names.
    #[error("it holds `\\`, `:` or a zero byte, which lead elsewhere on some systems")]
    Separator,
    /// It ends in what Windows leaves out.
    #[error("it ends in a dot or a space, which Windows leaves out")]
    End,
    /// A device of Windows.
    #[error("Windows keeps the name for a device")]
    Device,
    /// Not UTF-8, so that no record can hold it.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// A folder in the name of a file that lies in none.
    #[error("it names a folder too")]
    Folder,
}
}

messages! {
/// Who says that a tensor should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Promise {
    /// The record of the source.
    #[error("the record of the source")]
    Record,
    /// An index of shards.
    #[error("{}", shown(index))]
    Index {
        /// The index.
        index: PathBuf,
    },
    /// A pattern.
    #[error("a pattern that matches module `{}`", shown(module))]
    Pattern {
        /// A module that it matches.
        module: String,
    },
    /// The other arrays of a unit.
    #[error("unit `{}`, which has six arrays,", shown(unit))]
    Unit {
        /// The unit.
        unit: String,
    },
    /// The model that is compared with it.
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
    /// The published code, and units of the extension.
    #[error(
        "the published code and `all` exclude each other: the published tool cannot code what it cannot inject; \
         choose one of them"
    )]
    PublishedAndAll,
    /// The published code, and a model card.
    #[error(
        "the published code and `model_card` exclude each other: the published tool writes no README.md; choose one \
         of them"
    )]
    PublishedAndCard,
}
}
