//! The files next to the weights of the output: copies, and the model card if it was asked for.
//!
//! Copies come first. Their content is then known before hours of work, and the record, which is
//! written last, can list them.

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::options::{CodeKind, CompressOptions, CompressReport};
use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::files::our_files::{Digits, OurFile};
use crate::jobs::card::{README, beside_card, card};
use crate::progress::Progress;
use crate::writer::copies::{Copied, Named, copy_others};
use crate::writer::output::Output;

/// Gives the names that the files next to the weights have in the output.
pub(super) fn names_beside(options: &CompressOptions) -> &'static Named<'static> {
    if options.model_card { &beside_card } else { &|name| Some(name.to_path_buf()) }
}

/// Writes the model card, which states the sizes of all weight files.
pub(super) fn add_card(
    input: &Path,
    output: &Output,
    parts: &[PathBuf],
    report: &mut CompressReport,
) -> Result<OurFile, Error> {
    let (text, note) = card(input, output.place(), parts, report)?;
    report.notes.extend(note);
    report.write_small(output, Path::new(README), text.as_bytes())?;
    Ok(card_of(Digits(xxh3_64(text.as_bytes()))))
}

/// The entry for the model card in a record.
pub(super) fn card_of(xxh3: Digits) -> OurFile {
    OurFile::Card { name: README.to_owned(), xxh3 }
}

impl CompressReport {
    /// Copies the files next to the weights of `source` to the folder `below` of the output. The
    /// published tool copies nothing.
    pub(super) fn copy_beside(
        &mut self,
        source: &Checkpoint,
        output: &Output,
        below: &Path,
        options: &CompressOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, Error> {
        if options.code == CodeKind::Published {
            return Ok(Copied::default());
        }
        // A card, if there is one, lies at the top of the output.
        let has_card = below == Path::new("");
        let every: &Named<'_> = &|name| Some(name.to_path_buf());
        let named = if has_card { names_beside(options) } else { every };
        let copied = copy_others(&source.path, output, below, named, &source.carried, progress)?;
        self.add_copied(&copied);
        Ok(copied)
    }

    pub(super) fn write_small(&mut self, output: &Output, name: &Path, bytes: &[u8]) -> Result<(), Error> {
        let file = output.file(name)?;
        file.write(bytes, 0)?;
        file.finish()?;
        self.files += 1;
        Ok(())
    }

    /// Adds the copied files, and their notes, to the report.
    pub(super) fn add_copied(&mut self, copied: &Copied) {
        self.files += copied.files.len();
        self.notes.extend(copied.notes.iter().cloned());
    }
}
