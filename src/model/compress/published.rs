//! The published tool's own bytes: `dfloat11` 0.5.0's code, and files as it leaves them. FORMAT.md, "The published tool's forms".
//!
//! ```text
//! one file, or no config.json      model.safetensors, without metadata       config.json: dfloat11_config alone
//! a transformers directory         <unit>.safetensors, model.safetensors     config.json: sorted, dfloat11_config among its fields;
//!                                                                            generation_config.json
//! a diffusers directory            the same under diffusers' name            config.json: dfloat11_config alone
//! ```
//!
//! Every unit is coded, whatever it comes to: the patterns promise it. One that has no published code gets ours, which is reported.

use std::path::Path;

use df11_core::limits::PUBLISHED_MAX_BLOCK_WEIGHTS;
use df11_core::{bf16, fullest_block};
use df11_cpu::Plan;
use serde_json::Value;

use super::super::beside::{SmallFile, others};
use super::super::checkpoint::{CONFIG_FILE, Checkpoint};
use super::super::config::{dfloat11_config, python_text_of_only};
use super::super::names::parent_and_last;
use super::super::pattern::PatternDict;
use super::super::units::UnitSpec;
use super::super::weight_files::MAIN_FILES;
use super::file::Metadata;
use super::{CompressOptions, Job};
use crate::Error;
use crate::backend::Backend;

/// Whose codes and files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodeKind {
    /// Ours: the fewest bytes, every word, and the record that restores the source files.
    #[default]
    Canonical,
    /// The published tool's, byte for byte: `dfloat11` 0.5.0 would have written the same files, and nothing restores the source's but its tensors.
    Published,
}

impl CodeKind {
    /// Plans a unit. In the published code, where it has one; else also why not.
    pub(crate) fn plan(
        self,
        backend: &Backend,
        weights: &[bf16],
    ) -> Result<(Plan, Option<df11_core::Error>), df11_core::Error> {
        let fault = match self {
            CodeKind::Canonical => None,
            CodeKind::Published => match backend.plan_published(weights) {
                Ok(plan) => return Ok((plan, None)),
                Err(fault) => Some(fault),
            },
        };
        Ok((backend.plan(weights)?, fault))
    }
}

/// What `transformers` writes beside config.json for a model that generates text.
const GENERATION_CONFIG_FILE: &str = "generation_config.json";

/// By what the published tool had its main file saved.
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

    /// What the main file is called.
    pub fn main_file(self, source: &Checkpoint) -> &'static str {
        if self == Saver::Itself { MAIN_FILES[0] } else { source.main_file }
    }

    /// What the main file's header says.
    pub fn metadata(self) -> Metadata<'static> {
        if self == Saver::Itself { Metadata::None } else { Metadata::Saved }
    }
}

/// The published code knows no extension, and the published tool writes no card.
pub(super) fn refuse_what_it_lacks(options: &CompressOptions) -> Result<(), Error> {
    let refused =
        |other, reason: &str| Err(Error::OptionsExclude { one: "--code published", other, reason: reason.into() });
    match options {
        CompressOptions { code: CodeKind::Canonical, .. } => Ok(()),
        CompressOptions { all: true, .. } => {
            refused("--all", "the published tool cannot code what it cannot inject; choose one of them")
        }
        CompressOptions { model_card: true, .. } => {
            refused("--model-card", "the published tool writes no README.md; choose one of them")
        }
        _ => Ok(()),
    }
}

/// `pattern_dict`: as it was given where every unit is coded and matched by exactly one pattern; else as the published examples order it,
/// embeddings, other modules alone, blocks.
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

impl Job<'_> {
    /// Plans a unit that was read, and reports what a reader of the published kind should know.
    pub(super) fn plan_loaded(&mut self, index: usize) -> Result<Plan, df11_core::Error> {
        let spec = &self.specs[index];
        let weights = &self.buffer[..spec.weights as usize];
        let (plan, fault) = self.options.code.plan(&self.options.backend, weights)?;
        if self.options.code == CodeKind::Published {
            let unit = &spec.name;
            if let Some(fault) = &fault {
                self.report.notes.push(format!("unit `{unit}` is in our code, not in the published tool's: {fault}"));
            }
            if plan.as_core().breaks_tie() {
                self.report.notes.push(format!(
                    "unit `{unit}`: the published tool might write other bytes, since its codes are too long and equally rare exponents are cut"
                ));
            }
            let fullest = if plan.code().shortest() == 1 { fullest_block(plan.code(), weights) } else { 0 };
            if fullest > PUBLISHED_MAX_BLOCK_WEIGHTS {
                self.report.notes.push(format!(
                    "unit `{unit}`: a block holds {fullest} weights, and the published loader fails over {PUBLISHED_MAX_BLOCK_WEIGHTS}; --code canonical stays below"
                ));
            }
        }
        Ok(plan)
    }

    /// Writes the main file and what the published tool writes beside it.
    pub(super) fn write_published_main(
        &mut self,
        units: &[(usize, Plan)],
        raw: &[String],
        coded: &[&UnitSpec],
    ) -> Result<(), Error> {
        let saver = Saver::of(self.source, self.options.single_file);
        let main_file = saver.main_file(self.source);
        if !self.is_finished(main_file, 0)? {
            self.progress.unit(main_file);
            self.write_file(main_file, units, raw, saver.metadata())?;
        }
        let patterns = pattern_dict(self.options.pattern_dict.as_ref(), self.specs, coded, self.source);
        if !self.source.is_dir {
            self.report.notes.push(format!("the file does not hold its pattern_dict, which readers need: {patterns}"));
            return Ok(());
        }
        let config = dfloat11_config(patterns);
        let folder = self.source.folder().to_path_buf();
        let text = match self.source.config()? {
            Some(file) if saver == Saver::Transformers => file.python_text_with(&config)?,
            found => {
                if found.is_some() {
                    self.report.notes.push(
                        "config.json holds dfloat11_config alone, as the published tool leaves it; loaders take the rest from the BF16 model"
                            .into(),
                    );
                }
                python_text_of_only(&config, &folder.join(CONFIG_FILE))?
            }
        };
        self.report.write_small(self.output, &self.below.join(CONFIG_FILE), text.as_bytes())?;
        let mut left = others(&folder)?;
        if saver == Saver::Transformers && left.iter().any(|name| name == Path::new(GENERATION_CONFIG_FILE)) {
            left.retain(|name| name != Path::new(GENERATION_CONFIG_FILE));
            let file = SmallFile::read(&folder, GENERATION_CONFIG_FILE)?;
            self.report.write_small(self.output, &self.below.join(GENERATION_CONFIG_FILE), &file.bytes)?;
            file.witness.check()?;
        }
        if let Some(first) = left.first() {
            self.report.notes.push(format!(
                "not copied, as the published tool does not: {}{}",
                first.display(),
                if left.len() > 1 { format!(" and {} more", left.len() - 1) } else { String::new() }
            ));
        }
        Ok(())
    }
}
