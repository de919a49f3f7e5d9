//! The main file, written last: with the raw tensors that are in no other, and the record, which lists all files.
//!
//! ```text
//! config.json  ->  the main file's data  ->  the card, which tells sizes  ->  checksums into the record  ->  the main file's header
//! ```

use df11_cpu::Plan;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::super::card::README;
use super::beside::{add_card, card_of};
use super::contents::record_of;
use super::file::{self, Metadata};
use super::gate::unwritable;
use super::{CodeKind, Job};
use crate::Error;
use crate::files::file_names::CONFIG_FILE;
use crate::files::our_files::{Digits, OurFile, check_names_in};
use crate::naming::pattern::PatternDict;
use crate::naming::units::UnitSpec;
use crate::record::config::{ConfigFile, dfloat11_config, text_of_only};
use crate::record::source::Written;

impl Job<'_> {
    /// Writes the main file, with the record in it, and config.json.
    pub(super) fn write_main(&mut self, units: &[(usize, Plan)], raw: &[String], coded: &[usize]) -> Result<(), Error> {
        let coded: Vec<&UnitSpec> = coded.iter().map(|&index| &self.specs[index]).collect();
        if self.options.code == CodeKind::Published {
            return self.write_published_main(units, raw, &coded);
        }
        let (extension, published): (Vec<&UnitSpec>, Vec<&UnitSpec>) =
            coded.iter().partition(|spec| spec.is_extension());
        if !extension.is_empty() {
            let count = extension.len();
            self.report.extension_units = count;
            self.report.notes.push(format!(
                "{count} tensors are coded that the published loader cannot inject; only df11 reads this model"
            ));
        }
        let pattern_dict = PatternDict::to_json(&published, self.source.tensors.keys().map(String::as_str));
        let config = dfloat11_config(pattern_dict);
        let written = self.written(&config)?;
        let mut record = record_of(self.source, &coded, &self.hashes, written);
        self.progress.unit(self.source.main_file);
        let main = self.write_data(self.source.main_file, units, raw, &Metadata::Record(&record, &config))?;
        for (name, tensor) in &mut record.tensors {
            tensor.xxh3 = self.hashes.get(name).copied().unwrap_or(0);
        }
        if let Some(written) = &mut record.written {
            written.data = main.data_checksum();
            for file in written.files.iter_mut().filter(|file| matches!(file, OurFile::Card { .. })) {
                *file = add_card(&self.source.path, self.output, &[], &mut self.report)?;
            }
        }
        // The same length as before: a checksum always has 16 digits.
        let unwritable = unwritable(self.source, self.source.main_file, self.options.single_file);
        let header =
            file::header(self.source, &main.layout, &Metadata::Record(&record, &config)).map_err(unwritable)?;
        main.file.write(&header, 0)?;
        main.file.finish()
    }

    /// Writes config.json, and lists what is written beside the main file; the checksum of what is yet to come is 0.
    fn written(&mut self, dfloat11_config: &Value) -> Result<Written, Error> {
        let mut files = self.ours.clone();
        if self.source.is_dir {
            let text = match ConfigFile::of(self.source)? {
                Some(file) => file.text_with(Some(dfloat11_config)),
                None => text_of_only(dfloat11_config),
            };
            let text = text.unwrap_or_default();
            self.report.write_small(self.output, &self.below.join(CONFIG_FILE), text.as_bytes())?;
            let (name, size) = (CONFIG_FILE.to_owned(), text.len() as u64);
            files.push(OurFile::Config { name, size, xxh3: Digits(xxh3_64(text.as_bytes())) });
        }
        if self.destination.has_card {
            files.push(card_of(Digits::default()));
        }
        files.extend(self.destination.copied.ours());
        Ok(Written { files, data: Digits::default(), part: self.destination.part.map(str::to_owned) })
    }

    /// Refuses names that another system would take for something else, before any work: of what will be written, and of what would be restored.
    pub(super) fn check_names(&self, units: &[String]) -> Result<(), Error> {
        if !self.source.is_dir || self.options.code == CodeKind::Published {
            return Ok(());
        }
        let copied = &self.destination.copied.files;
        let card = self.destination.has_card.then_some(README);
        let own = units.iter().map(String::as_str).chain([self.source.main_file, CONFIG_FILE]).chain(card);
        check_names_in(&self.source.path, own.chain(copied.iter().map(|file| file.ours.name())))?;
        let weights = self.source.files.iter().map(|file| file.name.as_str());
        let sources = weights.chain(self.source.small.iter().map(|file| file.name.as_str()));
        check_names_in(&self.source.path, sources.chain(copied.iter().filter_map(|file| file.ours.source_name())))
    }
}
