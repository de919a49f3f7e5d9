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

use std::collections::BTreeSet;

use serde_json::Value;

use super::file_layout::{FileLayout, without_extension};
use super::header::Metadata;
use crate::Error;
use crate::error::{Fitting, ModelReason};
use crate::files::checkpoint::Checkpoint;
use crate::files::dotted::parent_and_last;
use crate::files::file_names::{CONFIG_FILE, MAIN_FILES};
use crate::naming::pattern::PatternDict;
use crate::naming::units::UnitSpec;
use crate::record::config::{ConfigFile, python_text_of_only};
use crate::record::source::Record;

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
}

/// The published tool's files: the same tensors in them as in one of our layouts, under other
/// headers.
pub(super) struct Published<'a> {
    pub tensors: Box<dyn FileLayout + 'a>,
    pub saver: Saver,
    pub specs: &'a [UnitSpec],
    /// The patterns that the user gave.
    pub given: Option<&'a PatternDict>,
}

impl FileLayout for Published<'_> {
    fn source(&self) -> &Checkpoint {
        self.tensors.source()
    }

    fn unit_files(&self) -> Option<&[String]> {
        self.tensors.unit_files()
    }

    fn beside(&self, index: usize, rest: &BTreeSet<String>) -> Vec<String> {
        self.tensors.beside(index, rest)
    }

    fn fitting(&self) -> Fitting {
        self.tensors.fitting()
    }

    fn main_file(&self) -> &'static str {
        if self.saver == Saver::Itself { MAIN_FILES[0] } else { self.source().main_file }
    }

    fn unit_metadata(&self) -> Metadata<'static> {
        Metadata::None
    }

    fn main_metadata<'r>(&self, _record: &'r Record, _config: &'r Value) -> Metadata<'r> {
        if self.saver == Saver::Itself { Metadata::None } else { Metadata::Saved }
    }

    fn has_record(&self) -> bool {
        false
    }

    fn worth_coding(&self, _coded: u64, _raw: u64) -> bool {
        true
    }

    /// As given, if every unit is coded and exactly one pattern matches each. Else in the order of
    /// the published examples: embeddings, other modules alone, blocks.
    fn pattern_dict(&self, coded: &[&UnitSpec]) -> Value {
        let mut coded = without_extension(coded);
        if let Some(given) = self.given.filter(|_| coded.len() == self.specs.len())
            && let Some(value) = given.as_given(&coded.iter().map(|spec| spec.name.as_str()).collect())
        {
            return value;
        }
        let is_embedding = |spec: &UnitSpec| parent_and_last(&spec.name).1.contains("embed");
        coded.sort_by_key(|spec| (!spec.attributes.is_empty(), !is_embedding(spec)));
        PatternDict::to_json(&coded, self.source().tensors.keys().map(String::as_str))
    }

    /// Only the patterns lead to the matrices, so there must be some, our reader must compile them,
    /// and Python must read them alike.
    fn check_patterns(&self, patterns: &Value) -> Result<(), Error> {
        let source = self.source();
        let refused = |reason| Error::NotAModel { path: source.path.clone(), reason };
        if self.specs.is_empty() {
            return Err(refused(ModelReason::NothingPublished));
        }
        if let Some(given) = self.given {
            given.check_common(source.tensors.keys().map(String::as_str))?;
        }
        PatternDict::from_json(patterns, &source.main_path())
            .map(drop)
            .map_err(|_| refused(ModelReason::PatternsTooLarge))
    }

    fn config_text(&self, of_source: Option<&ConfigFile>, config: &Value) -> Result<String, Error> {
        match of_source {
            Some(file) if self.saver == Saver::Transformers => file.python_text_with(config),
            _ => python_text_of_only(config, &self.source().folder().join(CONFIG_FILE)),
        }
    }
}
