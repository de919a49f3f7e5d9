//! Turns a DFloat11 model back into BF16: the source's files byte for byte, if the record of the
//! source is there.
//!
//! ```text
//! plan (restoration)
//!   -> copies, each with its checksum
//!   -> units and raw tensors, each with its checksum
//!   -> commit
//!
//! If files are missing or changed, the job ends with an error that names each of them.
//! With `partial`: what is unsound is found first, and left out.
//! ```

mod model;
mod options;
mod partial;
mod parts;
mod pass;

use std::path::Path;

use crate::Error;
use crate::progress::Progress;
use crate::record::manifest::Input;
use crate::writer::output::Output;
use model::{inputs, plan, restore, work};
pub use options::{DecompressOptions, DecompressReport};
use parts::restore_parts;

/// Decompresses the model at `input`, a file or a directory, to `output`, in the form of the
/// source. Runs on the current rayon pool.
///
/// # Errors
/// INPUT is not a readable DFloat11 model, a file of it is missing or changed ([`Error::NotWhole`]
/// names each), a unit does not decode, a checksum differs, or OUTPUT may not be written. OUTPUT is
/// then absent, or unchanged.
pub fn decompress(
    input: &Path,
    output: &Path,
    options: &DecompressOptions,
    progress: &dyn Progress,
) -> Result<DecompressReport, Error> {
    match Input::open(input)? {
        Input::Model(mut model) => {
            let plan = plan(&mut model, options)?;
            let output = Output::begin(output, &inputs(input, options), plan.form, options.force)?;
            progress.begin(work(&plan, options));
            let report = restore(&model, plan, &output, Path::new(""), options, progress)?;
            output.commit()?;
            Ok(report)
        }
        Input::Pipeline(pipeline) => restore_parts(input, output, pipeline, options, progress),
    }
}
