//! Turns a BF16 checkpoint into a DFloat11 one.
//!
//! ```text
//! directory form:  other files copied
//!   for each unit: read, plan  -> not smaller than BF16? its tensors stay raw
//!                  encode, verify, write <unit>.safetensors with the module's other tensors
//!   config.json;  the rest -> model.safetensors;  last, the record in it, which lists all files
//!
//! one file:
//!   for each unit: read, plan;  then all sizes are known
//!   for each unit: read, encode, verify, write at its place
//! ```
//!
//! Memory holds one unit: its weights and its arrays. In the one-file form, every unit is read
//! twice instead of kept: the header comes first and needs all sizes, and upper bounds in their
//! place would leave holes. A header is written after the data, since its record has the checksum
//! of every tensor. At the end, every file of the source must still be the one that was read.
//!
//! `layout::published` and `published_main` hold what differs when the published tool's own bytes
//! are asked for.
//!
//! Files, from the top down. None uses a name from a file above it:
//!
//! ```text
//! parts           a pipeline folder, part by part
//! model           one model: a file for each unit, or one file
//! main_file       the main file and the record
//! published_main  the same, as the published tool writes it
//! file            one file, filled and sealed
//! resume          a file that an earlier run has finished
//! plan            whether a unit is coded
//! begin           begins the output
//! source          what may be compressed
//! gate            whether readers will accept the result
//! layout          which tensor goes into which file
//! record          the record of the source and the files
//! unit            what is in memory
//! task            what a job is given, and what it has done so far
//! ```

mod begin;
mod beside;
mod file;
pub(super) mod gate;
pub(super) mod layout;
mod main_file;
mod model;
pub(super) mod options;
mod parts;
mod plan;
mod published_main;
pub(super) mod record;
mod resume;
pub(super) mod source;
mod task;
mod unit;

use std::path::Path;

use crate::Error;
use crate::files::weight_files;
use crate::jobs::chosen::{note_on_patterns, nothing_gained};
use crate::progress::Progress;
use crate::writer::copies::Copied;
use crate::writer::output::{Form, Output};
use begin::begin;
use model::compress_model;
pub use options::{CodeKind, CompressOptions, CompressReport, KeptRaw, KeptReason};
use parts::compress_parts;
use source::{Passed, ToCode, refuse_without_bf16};
use task::Destination;

/// Compresses the model at `input` to `output`: a file to a file, a directory to a directory. Runs
/// on the current rayon pool.
///
/// # Errors
/// INPUT is not a readable BF16 model, OUTPUT may not be written, or a unit does not decode to what
/// was read. OUTPUT is then absent, or unchanged. If the cause may pass, `OUTPUT.partial` keeps the
/// finished files ([`Error::Kept`]).
pub fn compress(
    input: &Path,
    output: &Path,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let parts = weight_files::parts(input)?;
    if !parts.is_empty() {
        return compress_parts(input, output, &parts, options, progress);
    }
    let mut model = ToCode::open(input, options, progress)?;
    refuse_without_bf16(&model.source)?;
    let unmatched = note_on_patterns(std::iter::once(&model.source), options.pattern_dict.as_ref())?;
    model.source.notes.extend(unmatched);
    let model = model.pass(options)?;
    let form = if model.model.source.is_dir { Form::Directory } else { Form::File };
    let output = begin(output, input, form, options, &[(Path::new(""), &model)], progress)?;
    let outcome = fill(&model, &output, options, progress);
    output.conclude(outcome)
}

fn fill(
    model: &Passed,
    output: &Output,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let mut report = CompressReport::default();
    let source = &model.model.source;
    let copied = match source.is_dir {
        true => report.copy_beside(source, output, Path::new(""), options, progress)?,
        false => Copied::default(),
    };
    let destination = Destination { below: Path::new(""), copied: &copied, part: None, has_card: options.model_card };
    let coded = compress_model(model, output, &destination, options, progress)?;
    source.check_unchanged()?;
    copied.check_unchanged()?;
    let gained = nothing_gained(coded.source_bytes, coded.output_bytes, coded.units);
    // Notes on the weights come before notes on the files next to them.
    Ok(CompressReport {
        files: coded.files + report.files,
        notes: coded.notes.into_iter().chain(report.notes).chain(gained).collect(),
        ..coded
    })
}
