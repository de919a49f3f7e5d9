//! What lies beside the weights of the output: copies, and the model card where it was asked for.

use std::path::{Path, PathBuf};

use super::super::beside::{Copied, Named, copy_others};
use super::super::card::{README, beside_card, card};
use super::super::output::Output;
use super::super::progress::Progress;
use super::{CodeKind, CompressOptions, CompressReport};
use crate::Error;

/// What the files beside the weights are called in the output.
pub(super) fn names_beside(options: &CompressOptions) -> &'static Named<'static> {
    if options.model_card { &beside_card } else { &|name| Some(name.to_path_buf()) }
}

/// Writes the model card that was asked for.
pub(super) fn add_card(
    input: &Path,
    output: &Output,
    parts: &[PathBuf],
    options: &CompressOptions,
    report: &mut CompressReport,
) -> Result<(), Error> {
    if options.model_card {
        let (card, note) = card(input, output.place(), parts, report)?;
        report.notes.extend(note);
        let file = output.file(Path::new(README))?;
        file.write(card.as_bytes(), 0)?;
        file.finish()?;
        report.files += 1;
    }
    Ok(())
}

impl CompressReport {
    /// Copies what is beside the weights of the model in `folder` to the folder `below` of the output; the published tool copies nothing.
    pub(super) fn copy_beside(
        &mut self,
        folder: &Path,
        output: &Output,
        below: &Path,
        options: &CompressOptions,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        if options.code == CodeKind::Canonical {
            // A card, if there is one, lies at the top of the output.
            let has_card = below == Path::new("");
            let every: &Named<'_> = &|name| Some(name.to_path_buf());
            let named = if has_card { names_beside(options) } else { every };
            self.add_copied(copy_others(folder, output, below, named, progress)?);
        }
        Ok(())
    }

    /// Takes in what was copied beside the weights.
    pub(super) fn add_copied(&mut self, copied: Copied) {
        self.files += copied.files;
        self.notes.extend(copied.notes);
    }
}
