//! Which tensor goes into which file. The trait `FileLayout` says it; compression writes the files
//! of a layout, the gate checks their headers, and the estimate adds up their bytes.
//!
//! ```text
//! PerUnit     a unit, and the other tensors below its module -> <unit>.safetensors
//!             every other tensor                             -> the main file
//! SingleFile  everything                                     -> the main file
//! Published   as one of these, with the published tool's headers and names
//! ```
//!
//! Files, from the top down. None uses a name from a file above it:
//!
//! ```text
//! walk         goes through the units, and hands over each file's content
//! published    the published tool's choices
//! per_unit, single_file
//! file_layout  the trait
//! header       the places of tensors in one file, and its header
//! ```

mod file_layout;
mod header;
mod per_unit;
mod published;
mod single_file;
mod walk;

use super::options::CodeKind;
use crate::files::checkpoint::Checkpoint;
use crate::naming::pattern::PatternDict;
use crate::naming::units::UnitSpec;
pub(crate) use file_layout::{FileLayout, unwritable};
pub(crate) use header::{Metadata, header, places, split_positions};
use per_unit::PerUnit;
use published::Published;
pub(super) use published::Saver;
use single_file::SingleFile;
pub(crate) use walk::{Contents, Fate, MainContents, Steps, remove, walk};

/// The layout of a model with these units.
pub(crate) fn layout_of<'a>(
    source: &'a Checkpoint,
    specs: &'a [UnitSpec],
    code: CodeKind,
    pattern_dict: Option<&'a PatternDict>,
    single_file: bool,
) -> Box<dyn FileLayout + 'a> {
    let ours: Box<dyn FileLayout + 'a> = match source.is_dir && !single_file {
        true => Box::new(PerUnit::new(source, specs)),
        false => Box::new(SingleFile { source }),
    };
    match code {
        CodeKind::Canonical => ours,
        CodeKind::Published => {
            let saver = Saver::of(source, single_file);
            Box::new(Published { tensors: ours, saver, specs, given: pattern_dict })
        }
    }
}
