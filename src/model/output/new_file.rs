use std::fs::{self, File};
use std::path::PathBuf;

use crate::Error;
use crate::safetensors::write_at;

/// A file in the making, written by position.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    temporary: Option<PathBuf>,
    file: File,
}

impl NewFile {
    /// `file` was created under its temporary name, where it has one, else as `path`.
    pub(super) fn new(path: PathBuf, temporary: Option<PathBuf>, file: File) -> NewFile {
        NewFile { path, temporary, file }
    }

    /// Writes `bytes` at `position`.
    pub fn write(&self, bytes: &[u8], position: u64) -> Result<(), Error> {
        write_at(&self.file, bytes, position).map_err(Error::io("write", &self.path))
    }

    /// Waits until everything is on the disk, and gives the file its name.
    pub fn finish(self) -> Result<(), Error> {
        self.sync()?;
        self.rename()
    }

    pub(super) fn rename(self) -> Result<(), Error> {
        let Some(temporary) = &self.temporary else { return Ok(()) };
        fs::rename(temporary, &self.path).map_err(Error::io("rename to its final name", &self.path))
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }
}
