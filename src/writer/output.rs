//! OUTPUT is whole or absent. The work is done in `OUTPUT.partial` beside it, and is renamed to
//! OUTPUT when everything is on the disk.
//!
//! ```text
//! OUTPUT.partial/
//!   df11.lock      marks the folder as one of df11; locked while a run is alive
//!   output         the future OUTPUT, a file or a folder; each file in it was written under a
//!                  number, synced, then renamed
//!   0, 1, ...      files being written
//!   made           the names of all files in `output`: these may be removed again
//!   journal        only of a job that can be resumed: what the job is, and its finished files
//!   done           the work is finished; from now on `output` may also hold the old OUTPUT
//!   replaced       the old OUTPUT, where the two cannot be exchanged in one step
//! ```
//!
//! This holds for files and folders, and for every verb. Rooms: [`place`] checks whether a job may
//! write there at all. [`replaceable`] checks what `force` may replace. [`lock`] keeps other runs
//! out. [`working`] is the folder. [`remains`] handles what an earlier run left in it. [`commit`]
//! is the last step, with the renames of [`rename`]. [`mode`] decides who may read. [`identity`]
//! tells which file a path means.

mod commit;
mod identity;
pub(crate) mod journal;
mod lock;
mod mode;
mod new_file;
mod place;
mod remains;
mod rename;
mod replaceable;
mod tidy;
mod working;

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::error::OutputReason;
use journal::{Finished, JobLine, Journal};
use mode::{Mode, Modes};
pub(crate) use new_file::{NewFile, NewFiles};
pub(crate) use place::Form;
use place::Gate;
use remains::{Start, remove_replaced, settle};
use tidy::{exists, parent, refused, sync_directory, walk};
use working::Working;

/// A file or directory being written. If it is dropped before [`Output::commit`] or
/// [`Output::conclude`], it removes what it wrote.
#[derive(Debug)]
pub(crate) struct Output {
    gate: Gate,
    working: Working,
    modes: Modes,
    journal: Option<RefCell<Journal>>,
    start: Start,
    /// Number of temporary names used so far.
    temporaries: Cell<usize>,
    /// If set, the contents of the folder are kept.
    over: bool,
}

impl Output {
    /// Begins OUTPUT. `inputs` lists everything that the job reads, INPUT first.
    ///
    /// # Errors
    /// OUTPUT exists and may not be replaced, or has the other form. An input is OUTPUT, lies in
    /// it, or contains it. Another run writes OUTPUT. Remains of an earlier run are in the way. In
    /// all these cases nothing was touched.
    pub fn begin(place: &Path, inputs: &[&Path], form: Form, force: bool) -> Result<Output, Error> {
        Output::open(Gate::new(place, inputs, form, force)?, None)
    }

    /// Begins the directory OUTPUT for a job that can be resumed. With `resume`, continues an
    /// earlier run if it left something to continue.
    ///
    /// # Errors
    /// As `begin`; or the run to be resumed did another job.
    pub fn begin_resumable(
        place: &Path,
        inputs: &[&Path],
        force: bool,
        resume: bool,
        job: &JobLine,
    ) -> Result<Output, Error> {
        Output::open(Gate::new(place, inputs, Form::Directory, force)?, Some((job, resume)))
    }

    fn open(gate: Gate, job: Option<(&JobLine, bool)>) -> Result<Output, Error> {
        gate.check()?;
        let modes = Modes::of(gate.input())?;
        let mut working = Working::take(&gate)?;
        match prepare(&working, &gate, modes, job) {
            Ok((start, journal)) => {
                let journal = journal.map(RefCell::new);
                Ok(Output { gate, working, modes, journal, start, temporaries: Cell::new(0), over: false })
            }
            Err(error) => {
                if working.is_new() {
                    // The first error is the one to report.
                    let _ = working.end();
                }
                Err(error)
            }
        }
    }

    /// Where OUTPUT will be.
    pub fn place(&self) -> &Path {
        &self.gate.place
    }

    /// Creates the file `name` of a directory, or the single file.
    pub fn file(&self, name: &Path) -> Result<NewFile, Error> {
        self.create(name, self.modes.file)
    }

    /// As [`Output::file`], for a copy of `source`.
    pub fn copy_of(&self, name: &Path, source: &File) -> Result<NewFile, Error> {
        let metadata = source.metadata().map_err(Error::io("read the rights of the source of", &self.path(name)))?;
        self.create(name, Mode::of(&metadata))
    }

    fn create(&self, name: &Path, mode: Mode) -> Result<NewFile, Error> {
        let name = if self.gate.form == Form::Directory { name } else { Path::new("") };
        let number = self.temporaries.replace(self.temporaries.get() + 1);
        self.working.note(name)?;
        NewFile::create(self.path(name), self.working.temporary(number), mode)
    }

    /// Creates a folder of a directory, unless it exists.
    pub fn folder(&self, name: &Path) -> Result<(), Error> {
        let source = fs::metadata(self.gate.input().join(name)).ok().filter(fs::Metadata::is_dir);
        let path = self.path(name);
        let mode = source.map_or(self.modes.folder, |source| Mode::of(&source));
        mode.create_folder(&path).map_err(Error::io("create", &path))
    }

    /// Where a finished file of a directory lies, or the single file.
    pub fn path(&self, name: &Path) -> PathBuf {
        if name == Path::new("") { self.working.output() } else { self.working.output().join(name) }
    }

    /// What an earlier run noted about the file `name`, if that run finished it.
    pub fn finished(&self, name: &Path) -> Option<Finished> {
        self.journal.as_ref()?.borrow().find(name).filter(|_| self.path(name).is_file())
    }

    /// Gives a finished file its name. In a job that can be resumed, the journal notes it first.
    pub fn finish(&self, file: NewFile, noted: &Finished) -> Result<(), Error> {
        file.sync()?;
        if let Some(journal) = &self.journal {
            journal.borrow_mut().note(noted)?;
        }
        file.rename()
    }

    /// Gives the finished work its name. If the job failed, keeps what can be resumed and removes
    /// the rest.
    pub fn conclude<T>(mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        let error = match outcome.and_then(|result| self.make_durable().map(|()| result)) {
            Ok(result) => return self.put_into_place().map(|()| result),
            Err(error) => error,
        };
        let Some(journal) = &self.journal else { return Err(error) };
        let finished = self.working.keep_finished(&journal.borrow());
        match finished {
            Ok(files) if files > 0 && error.may_pass() => {
                self.over = true;
                Err(Error::Kept { error: Box::new(error), partial: self.gate.partial.clone(), files })
            }
            // Do not remove what an earlier run left: this run may have been given another source
            // by mistake.
            Ok(files) => {
                self.over = files > 0 && self.start == Start::Resumed;
                Err(error)
            }
            Err(_) => Err(error),
        }
    }

    /// Gives the finished work its name.
    ///
    /// # Errors
    /// The work could not get its name; the message says where the work is. Or the old OUTPUT could
    /// not be removed; then the new OUTPUT is complete.
    pub fn commit(self) -> Result<(), Error> {
        self.make_durable()?;
        self.put_into_place()
    }

    /// Waits until the names of all files are on the disk. Then notes that the work is finished.
    fn make_durable(&self) -> Result<(), Error> {
        if self.gate.form == Form::Directory {
            let output = self.working.output();
            let mut folders = vec![output.clone()];
            walk(&output, &mut |name, kind| {
                folders.extend(kind.is_dir().then(|| output.join(name)));
                Ok(())
            })?;
            folders.iter().try_for_each(|folder| sync_directory(folder))?;
        }
        self.working.note_done()
    }

    fn put_into_place(mut self) -> Result<(), Error> {
        // From here on the work is done and worth keeping, whatever happens.
        self.over = true;
        drop(self.journal.take());
        let place = &self.gate.place;
        commit::into_place(&self.working, &self.gate)?;
        let removed = sync_directory(parent(place))
            .and_then(|()| remove_replaced(&self.working.output(), &self.gate))
            .and_then(|()| remove_replaced(&self.working.replaced(), &self.gate))
            .and_then(|()| self.working.end());
        removed.map_err(|error| {
            let source = Box::new(error);
            refused(place, OutputReason::NotCleaned { source })
        })
    }
}

/// Settles what an earlier run left, and creates what a job begins with.
fn prepare(
    working: &Working,
    gate: &Gate,
    modes: Modes,
    job: Option<(&JobLine, bool)>,
) -> Result<(Start, Option<Journal>), Error> {
    // Check again: another run may have ended before this one got the lock.
    gate.check()?;
    let start = settle(working, gate, job.is_some_and(|(_, resume)| resume))?;
    let journal = match (job, start) {
        (Some((job, _)), Start::Anew) => Some(Journal::begin(&working.journal(), job)?),
        (Some((job, _)), Start::Resumed) => {
            let journal = Journal::reopen(&working.journal(), working.path(), job)?;
            working.keep_finished(&journal)?;
            Some(journal)
        }
        (None, _) => None,
    };
    let output = working.output();
    if gate.form == Form::Directory && !exists(&output) {
        modes.folder.create_folder(&output).map_err(Error::io("create", &output))?;
    }
    Ok((start, journal))
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.over {
            // An error is already on its way to the user. An error about the cleaning would hide
            // it.
            drop(self.journal.take());
            let _ = self.working.end();
        }
    }
}

#[cfg(test)]
mod tests;
