//! The main file of the published form, and the files that the published tool writes next to it.

use std::path::{Path, PathBuf};

use df11_cpu::Plan;
use serde_json::Value;

use super::file::write_file;
use super::layout::{Contents, Saver};
use super::resume::is_finished;
use super::task::{Ledger, Task};
use super::unit::UnitBuffer;
use crate::files::file_names::CONFIG_FILE;
use crate::files::folder::SmallFile;
use crate::record::config::ConfigFile;
use crate::record::source::Record;
use crate::writer::copies::others;
use crate::{Error, Note};

/// What `transformers` writes next to config.json for a model that generates text.
const GENERATION_CONFIG_FILE: &str = "generation_config.json";

/// Writes the main file and the files that the published tool writes next to it.
pub(super) fn write_published_main(
    task: Task<'_>,
    unit: &mut UnitBuffer<'_>,
    ledger: &mut Ledger,
    contents: &Contents<'_, Plan>,
    config: &Value,
) -> Result<(), Error> {
    let Task { source, output, layout, .. } = task;
    if !is_finished(task, unit, ledger, contents.name, 0)? {
        task.progress.unit(contents.name);
        write_file(task, unit, ledger, contents, layout.main_metadata(&Record::default(), config))?;
    }
    let report = &mut ledger.report;
    if !source.is_dir {
        report.notes.push(Note::PatternsNotHeld { patterns: config["pattern_dict"].to_string() });
        return Ok(());
    }
    let folder = source.folder().to_path_buf();
    let saver = Saver::of(source, task.options.single_file);
    let of_source = ConfigFile::of(source)?;
    let text = layout.config_text(of_source.as_ref(), config)?;
    if of_source.is_some() && saver != Saver::Transformers {
        report.notes.push(Note::ConfigAlone);
    }
    report.write_small(output, &task.place(CONFIG_FILE), text.as_bytes())?;
    let mut left = others(&folder)?;
    left.extend(source.carried.iter().map(PathBuf::from));
    if saver == Saver::Transformers && left.iter().any(|name| name == Path::new(GENERATION_CONFIG_FILE)) {
        left.retain(|name| name != Path::new(GENERATION_CONFIG_FILE));
        let file = SmallFile::read(&folder, GENERATION_CONFIG_FILE)?;
        report.write_small(output, &task.place(GENERATION_CONFIG_FILE), &file.bytes)?;
        file.witness.check()?;
    }
    if let Some(first) = left.first() {
        let (first, more) = (first.to_string_lossy().into_owned(), left.len() - 1);
        report.notes.push(Note::NotCopied { first, more });
    }
    Ok(())
}
