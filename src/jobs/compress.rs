//! A BF16 checkpoint becomes a DFloat11 one.
//!
//! ```text
//! directory form: other files copied
//!                 for each unit: read, plan                 -> not smaller than BF16? its tensors stay raw
//!                                encode, verify, write <unit>.safetensors with the module's other tensors
//!                 config.json;  the rest -> model.safetensors, and last into it the record, which lists all files
//! one file:       for each unit: read, plan;  then all sizes are known, and for each unit: read, encode, verify, write at its place
//! ```
//!
//! Memory holds one unit: its weights and its arrays. In one file every unit is read twice instead of kept: the sizes in the header come first,
//! and an upper bound for them would leave holes. A header is written when the data is, since the record in it has every tensor's checksum. At the end
//! every file of the source must still be the one that was read.
//!
//! Where the published tool's own bytes are asked for, `published` and `published_main` have what differs.
//!
//! Files, from the top down; none takes a name from one above it:
//!
//! ```text
//! parts           a pipeline folder, part by part
//! model           one model: a file for each unit, or one file
//! main_file       the main file and the record;  published_main: the same as the published tool writes it
//! file            one file, filled and sealed;  resume: one that is there already
//! plan            whether a unit is coded
//! begin           the output is begun;  source: what may be compressed;  gate: whether its readers will take it
//! layout          places and headers;  contents: what goes into which file;  published: the published tool's choices
//! unit  task      what is in memory;  what is given, and what is done so far
//! ```

mod begin;
mod beside;
pub(super) mod contents;
mod file;
pub(super) mod gate;
pub(super) mod layout;
mod main_file;
mod model;
pub(super) mod options;
mod parts;
mod plan;
pub(super) mod published;
mod published_main;
mod resume;
pub(super) mod source;
mod task;
mod unit;

use std::path::Path;

use crate::Error;
use crate::files::weight_files;
use crate::progress::Progress;
use crate::writer::copies::Copied;
use crate::writer::output::{Form, Output};
use begin::begin;
use model::compress_model;
pub use options::{CodeKind, CompressOptions, CompressReport, KeptRaw, KeptReason};
use parts::compress_parts;
use source::{Passed, ToCode, refuse_without_bf16};
use task::Destination;

/// Compresses the model at `input`, a file or a directory, to `output`, which becomes the same. Runs on the current rayon pool.
///
/// # Errors
/// INPUT is not a readable BF16 model, OUTPUT may not be written, a unit does not decode to what was read. OUTPUT is then absent, or what it was;
/// where the error is one that may pass, `OUTPUT.partial` keeps what is finished ([`Error::Kept`]).
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
    let model = ToCode::open(input, options)?;
    refuse_without_bf16(&model.source)?;
    let model = model.pass(options)?;
    let form = if model.model.source.is_dir { Form::Directory } else { Form::File };
    let output = begin(output, input, form, options, &[(Path::new(""), &model)], progress)?;
    let outcome = fill(input, &model, &output, options, progress);
    output.conclude(outcome)
}

fn fill(
    input: &Path,
    model: &Passed,
    output: &Output,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let mut report = CompressReport::default();
    let source = &model.model.source;
    let copied = match source.is_dir {
        true => report.copy_beside(input, output, Path::new(""), options, progress)?,
        false => Copied::default(),
    };
    let destination = Destination { below: Path::new(""), copied: &copied, part: None, has_card: options.model_card };
    let coded = compress_model(model, output, &destination, options, progress)?;
    source.check_unchanged()?;
    copied.check_unchanged()?;
    // What the weights are told before what lies beside them.
    Ok(CompressReport {
        files: coded.files + report.files,
        notes: coded.notes.into_iter().chain(report.notes).collect(),
        ..coded
    })
}
