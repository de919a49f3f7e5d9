//! The main file, written last. It holds the raw tensors that are in no other file, and the record,
//! which lists all files.
//!
//! ```text
//! config.json -> the main file's data -> the card, which states sizes -> checksums into the record
//!             -> the main file's header
//! ```

use df11_cpu::Plan;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::beside::{add_card, card_of};
use super::file::write_data;
use super::layout::{Contents, MainContents, header, unwritable};
use super::published_main::write_published_main;
use super::record::record_of;
use super::task::{Ledger, Task};
use super::unit::UnitBuffer;
use crate::files::file_names::CONFIG_FILE;
use crate::files::our_files::{Digits, OurFile, check_names_in};
use crate::jobs::card::README;
use crate::naming::units::UnitSpec;
use crate::record::config::{ConfigFile, dfloat11_config};
use crate::record::source::Written;
use crate::{Error, Note};

/// Writes config.json, and the main file with the record in it.
pub(super) fn write_main(
    task: Task<'_>,
    unit: &mut UnitBuffer<'_>,
    ledger: &mut Ledger,
    main: &MainContents<Plan>,
) -> Result<(), Error> {
    let Task { source, layout, .. } = task;
    let coded: Vec<&UnitSpec> = main.coded.iter().map(|&index| &task.specs[index]).collect();
    let config = dfloat11_config(layout.pattern_dict(&coded));
    let contents = Contents { name: layout.main_file(), units: &main.units, raw: &main.raw };
    if !layout.has_record() {
        return write_published_main(task, unit, ledger, &contents, &config);
    }
    let extension = coded.iter().filter(|spec| spec.is_extension()).count();
    if extension > 0 {
        ledger.report.extension_units = extension;
        ledger.report.notes.push(Note::Extension { tensors: extension });
    }
    let written = written(task, ledger, &config)?;
    let mut record = record_of(source, &coded, &unit.hashes, written);
    task.progress.unit(contents.name);
    let metadata = layout.main_metadata(&record, &config);
    let draft = write_data(task, unit, &mut ledger.report, &contents, &metadata)?;
    for (name, tensor) in &mut record.tensors {
        tensor.xxh3 = unit.hashes.get(name).copied().unwrap_or(0);
    }
    if let Some(written) = &mut record.written {
        written.data = draft.data_checksum();
        for file in written.files.iter_mut().filter(|file| matches!(file, OurFile::Card { .. })) {
            *file = add_card(&source.path, task.output, &[], &mut ledger.report)?;
        }
    }
    // The length is the same as before: a checksum always has 16 digits.
    let metadata = layout.main_metadata(&record, &config);
    let header = header(source, &draft.places, &metadata).map_err(unwritable(layout, contents.name))?;
    draft.file.write(&header, 0)?;
    draft.file.finish()
}

/// Writes config.json, and lists the files written next to the main file. A file that is not
/// written yet has checksum 0.
fn written(task: Task<'_>, ledger: &mut Ledger, dfloat11_config: &Value) -> Result<Written, Error> {
    let Task { source, destination, .. } = task;
    let mut files = ledger.ours.clone();
    if source.is_dir {
        let text = task.layout.config_text(ConfigFile::of(source)?.as_ref(), dfloat11_config)?;
        ledger.report.write_small(task.output, &task.place(CONFIG_FILE), text.as_bytes())?;
        let (name, size) = (CONFIG_FILE.to_owned(), text.len() as u64);
        files.push(OurFile::Config { name, size, xxh3: Digits(xxh3_64(text.as_bytes())) });
    }
    if destination.has_card {
        files.push(card_of(Digits::default()));
    }
    files.extend(destination.copied.ours());
    let left_out = source.notes.iter().chain(&destination.copied.notes).flat_map(Note::left_out).collect();
    Ok(Written { files, data: Digits::default(), part: destination.part.map(str::to_owned), left_out })
}

/// Refuses, before any work, names that another system would read differently: those of files to be
/// written, and those of files to be restored.
pub(super) fn check_names(task: Task<'_>) -> Result<(), Error> {
    let Task { source, destination, layout, .. } = task;
    if !source.is_dir || !layout.has_record() {
        return Ok(());
    }
    let units = layout.unit_files().unwrap_or_default();
    let copied = &destination.copied.files;
    let card = destination.has_card.then_some(README);
    let own = units.iter().map(String::as_str).chain([source.main_file, CONFIG_FILE]).chain(card);
    check_names_in(&source.path, own.chain(copied.iter().map(|file| file.ours.name())))?;
    let weights = source.files.iter().map(|file| file.name.as_str());
    let sources = weights.chain(source.small.iter().map(|file| file.name.as_str()));
    check_names_in(&source.path, sources.chain(copied.iter().filter_map(|file| file.ours.source_name())))
}
