//! The main file of the published form, and the files that the published tool writes next to it.

use std::path::{Path, PathBuf};

use df11_cpu::Plan;

use super::file::{Contents, write_file};
use super::published::{Saver, pattern_dict};
use super::resume::is_finished;
use super::task::{Ledger, Task};
use super::unit::UnitBuffer;
use crate::files::file_names::CONFIG_FILE;
use crate::files::folder::SmallFile;
use crate::naming::units::UnitSpec;
use crate::record::config::{ConfigFile, dfloat11_config, python_text_of_only};
use crate::writer::copies::others;
use crate::{Error, Note};

/// What `transformers` writes next to config.json for a model that generates text.
const GENERATION_CONFIG_FILE: &str = "generation_config.json";

/// Writes the main file and the files that the published tool writes next to it.
pub(super) fn write_published_main(
    task: Task<'_>,
    unit: &mut UnitBuffer<'_>,
    ledger: &mut Ledger,
    units: &[(usize, Plan)],
    raw: &[String],
    coded: &[&UnitSpec],
) -> Result<(), Error> {
    let Task { source, output, options, .. } = task;
    let saver = Saver::of(source, options.single_file);
    let name = saver.main_file(source);
    if !is_finished(task, unit, ledger, name, 0)? {
        task.progress.unit(name);
        write_file(task, unit, ledger, Contents { name, units, raw }, saver.metadata())?;
    }
    let patterns = pattern_dict(options.pattern_dict.as_ref(), task.specs, coded, source);
    let report = &mut ledger.report;
    if !source.is_dir {
        report.notes.push(Note::PatternsNotHeld { patterns: patterns.to_string() });
        return Ok(());
    }
    let config = dfloat11_config(patterns);
    let folder = source.folder().to_path_buf();
    let text = match ConfigFile::of(source)? {
        Some(file) if saver == Saver::Transformers => file.python_text_with(&config)?,
        found => {
            if found.is_some() {
                report.notes.push(Note::ConfigAlone);
            }
            python_text_of_only(&config, &folder.join(CONFIG_FILE))?
        }
    };
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
