//! The gate: everything to be written must pass the checks of its readers before the first unit is
//! coded.
//!
//! ```text
//! names      of source files, of files to be    the reader's own rules; no two names are equal,
//!                                               ignoring case
//! patterns   of the published code              our reader compiles them, and Python reads
//!                                               them alike
//! headers    least: no unit coded               over the limits? refused
//!            most: every unit coded, its        within the limits? all files are,
//!              tensors also left beside,          whichever units stay raw
//!              widest numbers
//!            between                            known when every unit is planned,
//!                                                 which is before the first is coded
//! ```
//!
//! The writer itself makes both bounds. They hold because a header only grows, with each further
//! tensor and with each wider number: offsets are sums of sizes, a record lists what is there, and
//! every checksum has 16 digits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use df11_core::PartSizes;
use df11_core::limits::{MAX_CODE_BITS, MAX_STREAM_BYTES, MAX_TABLES, MAX_WEIGHTS};
use serde_json::Value;

use super::contents::{Beside, record_of, remove};
use super::layout::{Metadata, header, layout, unwritable};
use super::options::{CodeKind, CompressOptions};
use super::published::{Saver, pattern_dict};
use crate::Error;
use crate::error::{JsonReason, ModelReason};
use crate::files::checkpoint::Checkpoint;
use crate::files::file_names::{CONFIG_FILE, is_weights_file, plain_name};
use crate::files::folder::names;
use crate::files::our_files::{Digits, OurFile};
use crate::jobs::card::README;
use crate::naming::pattern::PatternDict;
use crate::naming::unit_files::file_names;
use crate::naming::units::UnitSpec;
use crate::record::config::{ConfigFile, dfloat11_config, python_text_of_only};
use crate::record::source::Written;
use crate::safetensors::{Fault, MAX_HEADER_BYTES};
use crate::writer::copies::copies_at_most;

/// The options that determine what is written.
pub(crate) struct Gate<'a> {
    pub source: &'a Checkpoint,
    pub specs: &'a [UnitSpec],
    pub code: CodeKind,
    pub pattern_dict: Option<&'a PatternDict>,
    pub single_file: bool,
}

/// Whether every header is known to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Every header fits, whichever units are coded.
    Enough,
    /// The answer is known once every unit is planned.
    AfterPlanning,
}

impl<'a> Gate<'a> {
    pub fn new(source: &'a Checkpoint, specs: &'a [UnitSpec], options: &'a CompressOptions) -> Gate<'a> {
        let &CompressOptions { code, ref pattern_dict, single_file, .. } = options;
        Gate { source, specs, code, pattern_dict: pattern_dict.as_ref(), single_file }
    }

    /// Accepts what readers will accept.
    ///
    /// # Errors
    /// Readers would refuse something. The error gives its place in INPUT, and what to do.
    pub fn check(&self) -> Result<Room, Error> {
        let files = match self.in_one_file() {
            true => Vec::new(),
            false => file_names(self.specs.iter().map(|spec| spec.name.as_str())),
        };
        if self.source.is_dir && !self.source.files.is_empty() {
            self.check_names(&files)?;
        }
        self.check_config()?;
        self.check_headers(&files)
    }

    fn in_one_file(&self) -> bool {
        self.single_file || !self.source.is_dir
    }

    fn main_file(&self) -> &'static str {
        match self.code {
            CodeKind::Canonical => self.source.main_file,
            CodeKind::Published => Saver::of(self.source, self.single_file).main_file(self.source),
        }
    }

    /// The record names the source's files, and no copied file may have the name of a file that we
    /// make.
    fn check_names(&self, files: &[String]) -> Result<(), Error> {
        let source = self.source;
        if self.code == CodeKind::Published {
            return Ok(());
        }
        source.files.iter().try_for_each(|file| plain_name(&file.name, &source.path))?;
        let made = files.iter().map(String::as_str).chain([source.main_file, CONFIG_FILE]);
        let made: BTreeSet<String> = made.map(str::to_ascii_lowercase).collect();
        for name in names(&source.path)? {
            let path = source.path.join(&name);
            let is_replaced = is_weights_file(&name) || name == Path::new(CONFIG_FILE);
            let is_carried = source.carried.iter().any(|file| name == Path::new(file));
            let is_copied = path.is_dir() || !is_replaced || is_carried;
            if is_copied && made.contains(&name.to_string_lossy().to_ascii_lowercase()) {
                return Err(Error::NotAModel { path, reason: ModelReason::NameOfCodedFile });
            }
        }
        Ok(())
    }

    /// Readers read the future config.json again, so it must be small enough. In the published
    /// form, only its patterns lead to the matrices, so they are checked too.
    fn check_config(&self) -> Result<(), Error> {
        if self.code == CodeKind::Published && self.specs.is_empty() {
            let reason = ModelReason::NothingPublished;
            return Err(Error::NotAModel { path: self.source.path.clone(), reason });
        }
        if let Some(given) = self.pattern_dict.filter(|_| self.code == CodeKind::Published) {
            given.check_common(self.source.tensors.keys().map(String::as_str))?;
        }
        let codable = self.specs.iter().filter(|spec| !spec.is_extension() && spec.weights <= MAX_WEIGHTS);
        let codable: Vec<&UnitSpec> = codable.collect();
        let patterns = match self.code {
            CodeKind::Canonical => PatternDict::to_json(&codable, self.source.tensors.keys().map(String::as_str)),
            CodeKind::Published => {
                let patterns = pattern_dict(self.pattern_dict, self.specs, &codable, self.source);
                PatternDict::from_json(&patterns, &self.source.main_path()).map_err(|_| Error::NotAModel {
                    path: self.source.path.clone(),
                    reason: ModelReason::PatternsTooLarge,
                })?;
                patterns
            }
        };
        let (path, config) = (self.source.folder().join(CONFIG_FILE), dfloat11_config(patterns));
        let found = if self.source.is_dir { ConfigFile::read(self.source.folder())? } else { None };
        let saver = (self.code == CodeKind::Published).then(|| Saver::of(self.source, self.single_file));
        let text = match (found, saver) {
            (Some(file), Some(Saver::Transformers)) => file.python_text_with(&config)?,
            (Some(file), None) => file.text_with(Some(&config)).unwrap_or_default(),
            _ => python_text_of_only(&config, &path)?,
        };
        if text.len() as u64 > MAX_HEADER_BYTES {
            let reason = JsonReason::GrowsTooLarge { bytes: text.len() as u64, most: MAX_HEADER_BYTES };
            return Err(Error::Json { path, reason });
        }
        Ok(())
    }

    fn check_headers(&self, files: &[String]) -> Result<Room, Error> {
        let refused = |file: &str| unwritable(self.source, file, self.single_file);
        let all: BTreeSet<String> = self.source.tensors.keys().cloned().collect();
        let specs: Vec<&UnitSpec> = self.specs.iter().collect();
        if self.main_header(&specs, &specs, &all)?.is_ok() {
            return Ok(Room::Enough);
        }
        let mut outside = all.clone();
        self.specs.iter().for_each(|spec| remove(&mut outside, &spec.tensors));
        let least = if self.in_one_file() { &outside } else { &BTreeSet::new() };
        self.main_header(&[], &[], least)?.map_err(refused(self.main_file()))?;
        let beside = Beside::of(self.specs, all.iter().map(String::as_str));
        for (index, (spec, file)) in self.specs.iter().zip(files).enumerate() {
            let others = beside.unit(index, &outside);
            self.header_of(&[spec], others.iter(), &Metadata::of_unit(self.source, self.code))
                .map_err(refused(file))?;
        }
        let most = self.main_header(&specs, &[], &all)?;
        Ok(if most.is_ok() && !self.in_one_file() { Room::Enough } else { Room::AfterPlanning })
    }

    /// Accepts a directory whose units are all planned: `coded` are coded, `rest` are left for the
    /// main file.
    pub fn check_planned(&self, coded: &[&UnitSpec], rest: &BTreeSet<String>) -> Result<(), Error> {
        self.main_header(coded, &[], rest)?.map_err(unwritable(self.source, self.main_file(), self.single_file))
    }

    /// Whether the main file's header fits, with the units `coded` in the record, the arrays of
    /// `inside` and the tensors `raw`.
    fn main_header(
        &self,
        coded: &[&UnitSpec],
        inside: &[&UnitSpec],
        raw: &BTreeSet<String>,
    ) -> Result<Result<(), Fault>, Error> {
        let record = record_of(self.source, coded, &BTreeMap::new(), self.written_at_most(coded)?);
        let metadata = match self.code {
            CodeKind::Canonical => Metadata::Record(&record, &Value::Null),
            CodeKind::Published => Saver::of(self.source, self.single_file).metadata(),
        };
        Ok(self.header_of(inside, raw.iter(), &metadata))
    }

    /// The longest list that the record can hold of the other files in the model's folder.
    fn written_at_most(&self, coded: &[&UnitSpec]) -> Result<Written, Error> {
        let (none, size) = (Digits::default(), u64::MAX);
        let part = self.source.path.file_name().map(|name| name.to_string_lossy().into_owned());
        // A file of shapes has no folder.
        if !self.source.is_dir || self.source.files.is_empty() {
            return Ok(Written { part, ..Written::default() });
        }
        let weights = match self.single_file {
            true => Vec::new(),
            false => file_names(coded.iter().map(|spec| spec.name.as_str())),
        };
        let weights = weights.into_iter().map(|name| OurFile::Weights { name, size, header: none, xxh3: none });
        let small = [
            OurFile::Config { name: CONFIG_FILE.to_owned(), size, xxh3: none },
            OurFile::Card { name: README.to_owned(), xxh3: none },
        ];
        let files = weights.chain(small).chain(copies_at_most(&self.source.path, &self.source.carried)?).collect();
        Ok(Written { files, data: none, part })
    }

    fn header_of<'t>(
        &self,
        units: &[&'t UnitSpec],
        raw: impl Iterator<Item = &'t String>,
        metadata: &Metadata<'_>,
    ) -> Result<(), Fault> {
        let sized = units.iter().map(|spec| (*spec, widest(spec.weights)));
        let layout = layout(self.source, sized, raw.map(String::as_str))?;
        header(self.source, &layout, metadata).map(drop)
    }
}

/// Upper bounds for the array sizes of a unit with this number of weights.
fn widest(weights: u64) -> PartSizes {
    let weights = weights.min(MAX_WEIGHTS);
    // The longest codes, and the end of a stream in the published code.
    let stream = (weights * u64::from(MAX_CODE_BITS / 8) + 8).min(MAX_STREAM_BYTES) as usize;
    PartSizes::of(weights, stream, MAX_TABLES)
}
