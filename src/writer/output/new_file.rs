//! Files being written.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use super::mode::Mode;
use crate::Error;
use crate::safetensors::write_at;

/// Most files of [`NewFiles`] that are open at a time. Usually many files are written one after
/// another, and only a few in turn.
const MOST_OPEN: usize = 16;

/// A file being written, at given positions.
#[derive(Debug)]
pub(crate) struct NewFile {
    names: Names,
    file: File,
}

/// The temporary and the final name of a file being written.
#[derive(Clone, Debug)]
struct Names {
    path: PathBuf,
    temporary: PathBuf,
    mode: Mode,
}

impl NewFile {
    /// Creates the file that will get the name `path`.
    pub(super) fn create(path: PathBuf, temporary: PathBuf, mode: Mode) -> Result<NewFile, Error> {
        let file = mode.create(&temporary).map_err(Error::io("create", &path))?;
        Ok(NewFile { names: Names { path, temporary, mode }, file })
    }

    /// Writes `bytes` at `position`.
    pub fn write(&self, bytes: &[u8], position: u64) -> Result<(), Error> {
        write_at(&self.file, bytes, position).map_err(Error::io("write", &self.names.path))
    }

    /// Waits until everything is on the disk, then gives the file its name.
    pub fn finish(self) -> Result<(), Error> {
        self.sync()?;
        self.rename()
    }

    pub(super) fn rename(self) -> Result<(), Error> {
        let Names { path, temporary, mode } = self.names;
        let renamed = mode.settle(&self.file).and_then(|()| fs::rename(&temporary, &path));
        renamed.map_err(Error::io("rename to its final name", &path))
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io("write", &self.names.path))
    }
}

/// Any number of files being written. Only a few are open at a time, because a model of ten
/// thousand shards must not run out of handles.
#[derive(Debug, Default)]
pub(crate) struct NewFiles {
    all: Vec<Names>,
    /// The open files with their numbers. The one written last is at the end.
    open: RefCell<VecDeque<(usize, NewFile)>>,
}

impl NewFiles {
    /// Adds a file. Its number is the number of files added before.
    pub fn add(&mut self, file: NewFile) -> Result<(), Error> {
        self.all.push(file.names.clone());
        self.put(self.all.len() - 1, file)
    }

    /// Writes `bytes` at `position` of the file with this number.
    pub fn write(&self, number: usize, bytes: &[u8], position: u64) -> Result<(), Error> {
        let file = self.take(number)?;
        file.write(bytes, position)?;
        self.put(number, file)
    }

    /// Waits until everything is on the disk, then gives the files their names.
    pub fn finish(self) -> Result<(), Error> {
        (0..self.all.len()).try_for_each(|number| self.take(number)?.finish())
    }

    fn take(&self, number: usize) -> Result<NewFile, Error> {
        let mut open = self.open.borrow_mut();
        let at = open.iter().position(|(found, _)| *found == number);
        if let Some((_, file)) = at.and_then(|at| open.remove(at)) {
            return Ok(file);
        }
        let names = self.all[number].clone();
        let file = OpenOptions::new().write(true).open(&names.temporary);
        Ok(NewFile { file: file.map_err(Error::io("open", &names.path))?, names })
    }

    /// Keeps a file open, and closes the oldest one if too many are open. A file is synced before
    /// it is closed: a later failure could be reported to nobody.
    fn put(&self, number: usize, file: NewFile) -> Result<(), Error> {
        let mut open = self.open.borrow_mut();
        open.push_back((number, file));
        if open.len() > MOST_OPEN
            && let Some((_, oldest)) = open.pop_front()
        {
            oldest.sync()?;
        }
        Ok(())
    }
}
