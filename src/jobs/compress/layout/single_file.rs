//! Our layout of one file: every unit and every other tensor.

use std::collections::BTreeSet;

use super::file_layout::FileLayout;
use crate::error::Fitting;
use crate::files::checkpoint::Checkpoint;

/// Everything is in the main file.
pub(super) struct SingleFile<'a> {
    pub source: &'a Checkpoint,
}

impl FileLayout for SingleFile<'_> {
    fn source(&self) -> &Checkpoint {
        self.source
    }

    fn unit_files(&self) -> Option<&[String]> {
        None
    }

    fn beside(&self, _: usize, _: &BTreeSet<String>) -> Vec<String> {
        Vec::new()
    }

    fn fitting(&self) -> Fitting {
        if self.source.is_dir { Fitting::FileForEachUnit } else { Fitting::Directory }
    }
}
