//! The trait that all layouts implement.

use std::collections::BTreeSet;

use serde_json::Value;

use super::header::Metadata;
use crate::Error;
use crate::error::Fitting;
use crate::files::checkpoint::Checkpoint;
use crate::naming::pattern::PatternDict;
use crate::naming::units::UnitSpec;
use crate::record::config::{ConfigFile, text_of_only};
use crate::record::source::Record;
use crate::safetensors::Fault;

/// Says for one model which tensor goes into which file, and what else these files and config.json
/// hold. A unit is given by its index in the list of all units.
///
/// What has a body here is the same for all our own layouts.
pub(crate) trait FileLayout {
    /// The model.
    fn source(&self) -> &Checkpoint;

    /// The name of each unit's own file, in the order of the units. `None` if all units are in the
    /// main file.
    fn unit_files(&self) -> Option<&[String]>;

    /// The tensors of `rest` that are stored in the unit's own file next to its arrays.
    fn beside(&self, index: usize, rest: &BTreeSet<String>) -> Vec<String>;

    /// What the user can do if a header becomes too long.
    fn fitting(&self) -> Fitting;

    /// The name of the main file.
    fn main_file(&self) -> &'static str {
        self.source().main_file
    }

    /// The metadata of a unit's own file.
    fn unit_metadata(&self) -> Metadata<'static> {
        Metadata::Main(self.source().main_file)
    }

    /// The metadata of the main file, for this record and this `dfloat11_config`.
    fn main_metadata<'r>(&self, record: &'r Record, config: &'r Value) -> Metadata<'r> {
        Metadata::Record(record, config)
    }

    /// Whether the main file holds a record that restores the source files.
    fn has_record(&self) -> bool {
        true
    }

    /// Whether a unit of `raw` bytes is coded, if its arrays need `coded` bytes.
    fn worth_coding(&self, coded: u64, raw: u64) -> bool {
        coded < raw
    }

    /// `pattern_dict`: the patterns by which the published loader finds these units. Units of the
    /// extension are left out.
    fn pattern_dict(&self, coded: &[&UnitSpec]) -> Value {
        PatternDict::to_json(&without_extension(coded), self.source().tensors.keys().map(String::as_str))
    }

    /// Refuses patterns by which a reader would not find all units.
    fn check_patterns(&self, _patterns: &Value) -> Result<(), Error> {
        Ok(())
    }

    /// The text of config.json, made from that of the source if there is one.
    fn config_text(&self, of_source: Option<&ConfigFile>, config: &Value) -> Result<String, Error> {
        let text = match of_source {
            Some(file) => file.text_with(Some(config)),
            None => text_of_only(config),
        };
        Ok(text.unwrap_or_default())
    }
}

/// The units that the published loader can read.
pub(super) fn without_extension<'a>(units: &[&'a UnitSpec]) -> Vec<&'a UnitSpec> {
    units.iter().copied().filter(|spec| !spec.is_extension()).collect()
}

/// The error for a file that would break a rule of its readers.
pub(crate) fn unwritable(layout: &dyn FileLayout, file: &str) -> impl Fn(Fault) -> Error + use<> {
    let (path, file, fitting) = (layout.source().path.clone(), file.to_owned(), layout.fitting());
    move |fault| Error::Unwritable { path: path.clone(), file: file.clone(), fault: Box::new(fault), fitting }
}
