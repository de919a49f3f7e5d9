//! A pipeline folder: the parts that have units, one after another.

use std::path::{Path, PathBuf};

use super::super::pipeline::{PartProgress, each_part};
use super::super::progress::Progress;
use super::source::{open_source, units_of};
use super::{CompressOptions, CompressReport, KeptRaw, compress};
use crate::Error;

/// Compresses the parts of a pipeline that have units; the others are copied.
pub(super) fn compress_parts(
    input: &Path,
    output: &Path,
    parts: &[PathBuf],
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let mut all = CompressReport::default();
    let mut coded = Vec::new();
    let mut work = 0;
    for part in parts {
        let source = open_source(&input.join(part), options)?;
        if units_of(&source, options)?.is_empty() {
            all.notes.push(format!("{}: nothing to code, copied", part.display()));
            all.source_bytes += source.file_bytes();
            all.output_bytes += source.file_bytes();
        } else {
            coded.push(part.clone());
            work += source.file_bytes();
        }
    }
    progress.begin(work);
    let copied = each_part(input, output, options.force, &coded, |from, to| {
        let report = compress(from, to, options, &PartProgress(progress))?;
        all.add(report, &from.file_name().unwrap_or_default().to_string_lossy());
        Ok(())
    })?;
    all.files += copied.files;
    all.notes.extend(copied.notes);
    Ok(all)
}

impl CompressReport {
    /// Takes in the report of a pipeline's part.
    fn add(&mut self, part: CompressReport, name: &str) {
        self.units += part.units;
        self.kept_raw
            .extend(part.kept_raw.into_iter().map(|kept| KeptRaw { unit: format!("{name}: {}", kept.unit), ..kept }));
        self.source_bytes += part.source_bytes;
        self.output_bytes += part.output_bytes;
        self.files += part.files;
        self.notes.extend(part.notes.into_iter().map(|note| format!("{name}: {note}")));
    }
}
