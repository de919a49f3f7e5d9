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

use super::layout::{FileLayout, Metadata, header, places, remove, unwritable};
use super::record::record_of;
use crate::error::{JsonReason, ModelReason};
use crate::files::file_names::{CONFIG_FILE, is_weights_file, plain_name};
use crate::files::folder::names;
use crate::files::our_files::{Digits, OurFile};
use crate::jobs::card::README;
use crate::naming::units::UnitSpec;
use crate::record::config::{ConfigFile, dfloat11_config};
use crate::record::source::Written;
use crate::safetensors::{Fault, MAX_HEADER_BYTES};
use crate::writer::copies::copies_at_most;
use crate::{Error, Note};

/// What determines the files that are written.
#[derive(Clone, Copy)]
pub(crate) struct Gate<'a> {
    pub layout: &'a dyn FileLayout,
    pub specs: &'a [UnitSpec],
}

/// Whether every header is known to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Every header fits, whichever units are coded.
    Enough,
    /// The answer is known once every unit is planned.
    AfterPlanning,
}

impl Gate<'_> {
    /// Accepts what readers will accept.
    ///
    /// # Errors
    /// Readers would refuse something. The error gives its place in INPUT, and what to do.
    pub fn check(&self) -> Result<Room, Error> {
        let source = self.layout.source();
        if source.is_dir && !source.files.is_empty() && self.layout.has_record() {
            self.check_names()?;
        }
        self.check_config()?;
        self.check_headers()
    }

    /// The record names the source's files, and no copied file may have the name of a file that we
    /// make.
    fn check_names(&self) -> Result<(), Error> {
        let source = self.layout.source();
        let files = self.layout.unit_files().unwrap_or_default();
        source.files.iter().try_for_each(|file| plain_name(&file.name, &source.path))?;
        let made = files.iter().map(String::as_str).chain([source.main_file, CONFIG_FILE]);
        let made: BTreeSet<String> = made.map(str::to_ascii_lowercase).collect();
        for name in names(&source.path)? {
            let path = source.path.join(&name);
            let is_replaced = is_weights_file(&name) || name == Path::new(CONFIG_FILE);
            let is_carried = name.to_str().is_some_and(|name| source.carried.contains(name));
            let is_copied = path.is_dir() || !is_replaced || is_carried;
            if is_copied && made.contains(&name.to_string_lossy().to_ascii_lowercase()) {
                return Err(Error::NotAModel { path, reason: ModelReason::NameOfCodedFile });
            }
        }
        Ok(())
    }

    /// Readers read the future config.json again, so it must be small enough.
    fn check_config(&self) -> Result<(), Error> {
        let source = self.layout.source();
        let codable: Vec<&UnitSpec> = self.specs.iter().filter(|spec| spec.weights <= MAX_WEIGHTS).collect();
        let patterns = self.layout.pattern_dict(&codable);
        self.layout.check_patterns(&patterns)?;
        let found = if source.is_dir { ConfigFile::read(source.folder())? } else { None };
        let text = self.layout.config_text(found.as_ref(), &dfloat11_config(patterns))?;
        if text.len() as u64 > MAX_HEADER_BYTES {
            let path = source.folder().join(CONFIG_FILE);
            let reason = JsonReason::GrowsTooLarge { bytes: text.len() as u64, most: MAX_HEADER_BYTES };
            return Err(Error::Json { path, reason });
        }
        Ok(())
    }

    fn check_headers(&self) -> Result<Room, Error> {
        let every: Vec<usize> = (0..self.specs.len()).collect();
        let all: BTreeSet<String> = self.layout.source().tensors.keys().cloned().collect();
        if self.main_header(&every, &every, all.iter())?.is_ok() {
            return Ok(Room::Enough);
        }
        let mut outside = all.clone();
        self.specs.iter().for_each(|spec| remove(&mut outside, &spec.tensors));
        let files = self.layout.unit_files();
        let least = if files.is_none() { &outside } else { &BTreeSet::new() };
        self.main_header(&[], &[], least.iter())?.map_err(self.refused(self.layout.main_file()))?;
        for (index, file) in files.unwrap_or_default().iter().enumerate() {
            let others = self.layout.beside(index, &outside);
            self.header_of(&[index], others.iter(), &self.layout.unit_metadata()).map_err(self.refused(file))?;
        }
        let most = self.main_header(&every, &[], all.iter())?;
        Ok(if most.is_ok() && files.is_some() { Room::Enough } else { Room::AfterPlanning })
    }

    /// Accepts a directory whose units are all planned: `coded` are coded, `rest` are left for the
    /// main file.
    pub fn check_planned(&self, coded: &[usize], rest: &[String]) -> Result<(), Error> {
        self.main_header(coded, &[], rest.iter())?.map_err(self.refused(self.layout.main_file()))
    }

    fn refused(&self, file: &str) -> impl Fn(Fault) -> Error + use<> {
        unwritable(self.layout, file)
    }

    /// Whether the main file's header fits, with the units `coded` in the record, the arrays of
    /// `inside` and the tensors `raw`.
    fn main_header<'t>(
        &self,
        coded: &[usize],
        inside: &[usize],
        raw: impl Iterator<Item = &'t String>,
    ) -> Result<Result<(), Fault>, Error> {
        let specs: Vec<&UnitSpec> = coded.iter().map(|&index| &self.specs[index]).collect();
        let record = record_of(self.layout.source(), &specs, &BTreeMap::new(), self.written_at_most(coded)?);
        Ok(self.header_of(inside, raw, &self.layout.main_metadata(&record, &Value::Null)))
    }

    /// The longest list that the record can hold of the other files in the model's folder.
    fn written_at_most(&self, coded: &[usize]) -> Result<Written, Error> {
        let source = self.layout.source();
        let (none, size) = (Digits::default(), u64::MAX);
        let part = source.path.file_name().map(|name| name.to_string_lossy().into_owned());
        // A file of shapes has no folder.
        if !source.is_dir || source.files.is_empty() {
            return Ok(Written { part, ..Written::default() });
        }
        let weights = self.layout.unit_files().into_iter().flat_map(|files| coded.iter().map(|&index| &files[index]));
        let weights = weights.map(|name| OurFile::Weights { name: name.clone(), size, header: none, xxh3: none });
        let small = [
            OurFile::Config { name: CONFIG_FILE.to_owned(), size, xxh3: none },
            OurFile::Card { name: README.to_owned(), xxh3: none },
        ];
        let (copies, notes) = copies_at_most(&source.path, &source.carried)?;
        let left_out = source.notes.iter().chain(&notes).flat_map(Note::left_out).collect();
        Ok(Written { files: weights.chain(small).chain(copies).collect(), data: none, part, left_out })
    }

    fn header_of<'t>(
        &self,
        units: &[usize],
        raw: impl Iterator<Item = &'t String>,
        metadata: &Metadata<'_>,
    ) -> Result<(), Fault> {
        let source = self.layout.source();
        let sized = units.iter().map(|&index| (&self.specs[index], widest(self.specs[index].weights)));
        header(source, &places(source, sized, raw.map(String::as_str))?, metadata).map(drop)
    }
}

/// Upper bounds for the array sizes of a unit with this number of weights.
fn widest(weights: u64) -> PartSizes {
    let weights = weights.min(MAX_WEIGHTS);
    // The longest codes, and the end of a stream in the published code.
    let stream = (weights * u64::from(MAX_CODE_BITS / 8) + 8).min(MAX_STREAM_BYTES) as usize;
    PartSizes::of(weights, stream, MAX_TABLES)
}
