//! The published tool's own bytes: the code of `dfloat11` 0.5.0, and files as it leaves them.
//! FILES.md, "The published tool's forms".
//!
//! ```text
//! one file, or no config.json   model.safetensors, without metadata
//!                               config.json: dfloat11_config alone
//! a transformers directory      <unit>.safetensors, model.safetensors, generation_config.json
//!                               config.json: sorted, dfloat11_config among its fields
//! a diffusers directory         the same under diffusers' name
//!                               config.json: dfloat11_config alone
//! ```
//!
//! Every unit is coded, even if it grows: the patterns promise it. A unit that has no published
//! code gets ours, which is reported.

use serde_json::Value;

use super::layout::Metadata;
use super::options::{CodeKind, CompressOptions};
use crate::Error;
use crate::error::Exclusive;
use crate::files::checkpoint::Checkpoint;
use crate::files::dotted::parent_and_last;
use crate::files::file_names::{CONFIG_FILE, MAIN_FILES};
use crate::naming::pattern::PatternDict;
use crate::naming::units::UnitSpec;

/// The library through which the published tool saves its main file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saver {
    Itself,
    Transformers,
    Diffusers,
}

impl Saver {
    pub fn of(source: &Checkpoint, single_file: bool) -> Saver {
        if !source.is_dir || single_file || !source.small.iter().any(|file| file.name == CONFIG_FILE) {
            Saver::Itself
        } else if source.main_file == MAIN_FILES[0] {
            Saver::Transformers
        } else {
            Saver::Diffusers
        }
    }

    /// The name of the main file.
    pub fn main_file(self, source: &Checkpoint) -> &'static str {
        if self == Saver::Itself { MAIN_FILES[0] } else { source.main_file }
    }

    /// The metadata in the main file's header.
    pub fn metadata(self) -> Metadata<'static> {
        if self == Saver::Itself { Metadata::None } else { Metadata::Saved }
    }
}

/// The published code has no extension, and the published tool writes no card.
pub(super) fn refuse_what_it_lacks(options: &CompressOptions) -> Result<(), Error> {
    match options {
        CompressOptions { code: CodeKind::Canonical, .. } => Ok(()),
        CompressOptions { all: true, .. } => Err(Error::OptionsExclude { which: Exclusive::PublishedAndAll }),
        CompressOptions { model_card: true, .. } => Err(Error::OptionsExclude { which: Exclusive::PublishedAndCard }),
        _ => Ok(()),
    }
}

/// `pattern_dict`: as given, if every unit is coded and exactly one pattern matches each. Else in
/// the order of the published examples: embeddings, other modules alone, blocks.
pub(crate) fn pattern_dict(
    given: Option<&PatternDict>,
    specs: &[UnitSpec],
    coded: &[&UnitSpec],
    source: &Checkpoint,
) -> Value {
    if let Some(given) = given.filter(|_| coded.len() == specs.len())
        && let Some(value) = given.as_given(coded.iter().map(|spec| spec.name.as_str()))
    {
        return value;
    }
    let mut ordered = coded.to_vec();
    let is_embedding = |spec: &UnitSpec| parent_and_last(&spec.name).1.contains("embed");
    ordered.sort_by_key(|spec| (!spec.attributes.is_empty(), !is_embedding(spec)));
    PatternDict::to_json(&ordered, source.tensors.keys().map(String::as_str))
}
