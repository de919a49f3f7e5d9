//! What lies beside the weights of the output: copies, and the model card where it was asked for.
//!
//! Copies come first: what they were is then known before hours of work, and the record, which is written last, can list them.

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::options::{CodeKind, CompressOptions, CompressReport};
use crate::Error;
use crate::files::our_files::{Digits, OurFile};
use crate::jobs::card::{README, beside_card, card};
use crate::progress::Progress;
use crate::writer::copies::{Copied, Named, copy_others};
use crate::writer::output::Output;

/// What the files beside the weights are called in the output.
pub(super) fn names_beside(options: &CompressOptions) -> &'static Named<'static> {
    if options.model_card { &beside_card } else { &|name| Some(name.to_path_buf()) }
}

/// Writes the model card, which tells the sizes of all weight files.
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

/// The model card as a record lists it.
pub(super) fn card_of(xxh3: Digits) -> OurFile {
    OurFile::Card { name: README.to_owned(), xxh3 }
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
    ) -> Result<Copied, Error> {
        if options.code == CodeKind::Published {
            return Ok(Copied::default());
        }
        // A card, if there is one, lies at the top of the output.
        let has_card = below == Path::new("");
        let every: &Named<'_> = &|name| Some(name.to_path_buf());
        let named = if has_card { names_beside(options) } else { every };
        let copied = copy_others(folder, output, below, named, progress)?;
        self.add_copied(&copied);
        Ok(copied)
    }

    /// Writes a small file.
    pub(super) fn write_small(&mut self, output: &Output, name: &Path, bytes: &[u8]) -> Result<(), Error> {
        let file = output.file(name)?;
        file.write(bytes, 0)?;
        file.finish()?;
        self.files += 1;
        Ok(())
    }

    /// Takes in what was copied beside the weights.
    pub(super) fn add_copied(&mut self, copied: &Copied) {
        self.files += copied.files.len();
        self.notes.extend(copied.notes.iter().cloned());
    }
}
