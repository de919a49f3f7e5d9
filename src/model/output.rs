//! OUTPUT is whole or absent: the work goes to `OUTPUT.partial` beside it, which takes its name when everything is on the disk.
//!
//! ```text
//! OUTPUT.partial/
//!   <file>                 finished: written under a temporary name, synced, renamed
//!   .df11-work/            of the run alone; gone before OUTPUT gets its name
//!     0, 1, ...            files in the making
//!     journal              of a job that can be resumed: what it is, and what it has finished
//! ```
//!
//! A single file is `OUTPUT.partial` itself: it is finished all at once, so there is nothing to resume.

pub(crate) mod journal;
mod new_file;
mod place;
mod tidy;

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::Error;
use journal::{Finished, JobLine, Journal};
pub(crate) use new_file::NewFile;
use place::{apart_from_input, may_be_replaced};
use tidy::{remove, remove_all_but, sync_directory};

/// What a run keeps for itself in `OUTPUT.partial`.
pub(crate) const WORK_FOLDER: &str = ".df11-work";

/// A file or directory in the making. Dropped before [`Output::commit`] or [`Output::conclude`], it removes what it wrote.
#[derive(Debug)]
pub(crate) struct Output {
    place: PathBuf,
    partial: PathBuf,
    is_dir: bool,
    force: bool,
    journal: Option<RefCell<Journal>>,
    /// Temporary names given so far.
    temporaries: Cell<usize>,
    /// What is in `partial` stays.
    over: bool,
}

/// What OUTPUT will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    File,
    Directory,
}

impl Output {
    /// Begins `OUTPUT.partial`.
    ///
    /// # Errors
    /// OUTPUT exists and `force` is not given, is of the other form, or contains INPUT or lies in it; remains of an earlier run are in the way.
    pub fn begin(place: &Path, input: &Path, form: Form, force: bool) -> Result<Output, Error> {
        let mut output = Output::at(place, input, form, force)?;
        output.clear_the_way()?;
        output.create()?;
        Ok(output)
    }

    /// Begins the directory `OUTPUT.partial` of a job that can be resumed, or, with `resume`, goes on with it where there is one.
    ///
    /// # Errors
    /// As `begin`; what is to be resumed is another job, or under way.
    pub fn begin_resumable(
        place: &Path,
        input: &Path,
        force: bool,
        resume: bool,
        job: &JobLine,
    ) -> Result<Output, Error> {
        let mut output = Output::at(place, input, Form::Directory, force)?;
        if resume && fs::symlink_metadata(&output.partial).is_ok() {
            let journal = Journal::reopen(&output.partial, job)?;
            remove_all_but(&output.partial, Path::new(""), &journal)?;
            output.journal = Some(RefCell::new(journal));
            return Ok(output);
        }
        output.clear_the_way()?;
        output.create()?;
        let journal = Journal::begin(&output.partial, job);
        output.journal = Some(RefCell::new(journal?));
        Ok(output)
    }

    fn at(place: &Path, input: &Path, form: Form, force: bool) -> Result<Output, Error> {
        let Some(name) = place.file_name() else {
            let reason = "expected a path that ends in a name".into();
            return Err(Error::Output { path: place.to_path_buf(), reason });
        };
        apart_from_input(place, input)?;
        may_be_replaced(place, form, force)?;
        let mut partial_name = OsString::from(name);
        partial_name.push(".partial");
        let partial = place.with_file_name(partial_name);
        let is_dir = form == Form::Directory;
        let (place, temporaries) = (place.to_path_buf(), Cell::new(0));
        // Nothing is there yet that could be removed.
        Ok(Output { place, partial, is_dir, force, journal: None, temporaries, over: true })
    }

    /// Removes the remains of an earlier run, or refuses to.
    fn clear_the_way(&self) -> Result<(), Error> {
        if fs::symlink_metadata(&self.partial).is_err() {
            return Ok(());
        }
        let can_be_resumed = Journal::is_free(&self.partial)?;
        if self.force {
            return remove(&self.partial).map_err(Error::io("remove", &self.partial));
        }
        let way_on = if can_be_resumed { "go on with --resume" } else { "remove it" };
        let reason = format!(
            "{} is in the way: another run is writing it, or was interrupted; {way_on}, or replace it with --force",
            self.partial.display()
        );
        Err(Error::Output { path: self.place.clone(), reason })
    }

    fn create(&mut self) -> Result<(), Error> {
        if self.is_dir {
            fs::create_dir(&self.partial).map_err(Error::io("create", &self.partial))?;
            self.over = false;
            let work = self.partial.join(WORK_FOLDER);
            fs::create_dir(&work).map_err(Error::io("create", &work))
        } else {
            drop(File::create_new(&self.partial).map_err(Error::io("create", &self.partial))?);
            self.over = false;
            Ok(())
        }
    }

    /// Where OUTPUT will be.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Creates the file `name` of a directory, or the one file.
    pub fn file(&self, name: &Path) -> Result<NewFile, Error> {
        let (path, temporary) = if self.is_dir {
            let number = self.temporaries.replace(self.temporaries.get() + 1);
            (self.partial.join(name), Some(self.partial.join(WORK_FOLDER).join(number.to_string())))
        } else {
            (self.partial.clone(), None)
        };
        let file = File::create(temporary.as_ref().unwrap_or(&path)).map_err(Error::io("create", &path))?;
        Ok(NewFile::new(path, temporary, file))
    }

    /// Creates a folder of a directory, unless it is there.
    pub fn folder(&self, name: &Path) -> Result<(), Error> {
        let path = self.path(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))
    }

    /// Where a file of a directory is when it is finished.
    pub fn path(&self, name: &Path) -> PathBuf {
        self.partial.join(name)
    }

    /// What an earlier run noted of the file `name`, if it has finished it.
    pub fn finished(&self, name: &Path) -> Option<Finished> {
        self.journal.as_ref()?.borrow().find(name).filter(|_| self.path(name).is_file())
    }

    /// Gives a finished file its name; one of a job that can be resumed is noted before.
    pub fn finish(&self, file: NewFile, noted: &Finished) -> Result<(), Error> {
        file.sync()?;
        if let Some(journal) = &self.journal {
            journal.borrow_mut().note(noted)?;
        }
        file.rename()
    }

    /// Gives the finished work its name; where the job failed, keeps what can be resumed and removes the rest.
    pub fn conclude<T>(mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        let error = match outcome {
            Ok(result) => return self.commit().map(|()| result),
            Err(error) => error,
        };
        let Some(journal) = &self.journal else { return Err(error) };
        let finished = remove_all_but(&self.partial, Path::new(""), &journal.borrow());
        match finished {
            Ok(files) if files > 0 && error.may_pass() => {
                self.over = true;
                Err(Error::Kept { error: Box::new(error), partial: self.partial.clone(), files })
            }
            // What an earlier run has left is not this one's to remove: another source may have been given by mistake.
            Ok(files) => {
                self.over &= files > 0;
                Err(error)
            }
            Err(_) => Err(error),
        }
    }

    /// Gives the finished work its name.
    pub fn commit(mut self) -> Result<(), Error> {
        // Whatever happens now, the work is done and worth keeping.
        self.over = true;
        let renaming = || Error::io("rename to its final name", &self.partial);
        if self.is_dir {
            drop(self.journal.take());
            let work = self.partial.join(WORK_FOLDER);
            fs::remove_dir_all(&work).map_err(Error::io("remove", &work))?;
            sync_directory(&self.partial)?;
        }
        if self.is_dir && self.place.is_dir() {
            let replaced = self.partial.with_extension("replaced");
            if self.force && fs::symlink_metadata(&replaced).is_ok() {
                remove(&replaced).map_err(Error::io("remove", &replaced))?;
            }
            fs::rename(&self.place, &replaced).map_err(renaming())?;
            if let Err(error) = fs::rename(&self.partial, &self.place) {
                let _ = fs::rename(&replaced, &self.place);
                return Err(renaming()(error));
            }
            remove(&replaced).map_err(Error::io("remove", &replaced))?;
        } else {
            fs::rename(&self.partial, &self.place).map_err(renaming())?;
        }
        match self.place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
            _ => sync_directory(Path::new(".")),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.over {
            // An error is already on its way to the user; one about the cleaning would hide it.
            drop(self.journal.take());
            let _ = remove(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn what_is_not_committed_leaves_nothing() {
        let dir = folder();
        let (input, place) = (dir.path().join("in"), dir.path().join("out"));
        fs::write(&input, b"x").expect("written");
        for form in [Form::File, Form::Directory] {
            let output = Output::begin(&place, &input, form, false).expect("free");
            output.file(Path::new("a")).expect("created").write(b"abc", 0).expect("written");
            drop(output);
            assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "{form:?}");
        }
    }

    #[test]
    fn an_output_that_exists_is_replaced_only_by_force() {
        let dir = folder();
        let (input, place) = (dir.path().join("in"), dir.path().join("out"));
        fs::write(&input, b"x").expect("written");
        fs::write(&place, b"old").expect("written");
        assert!(matches!(Output::begin(&place, &input, Form::File, false), Err(Error::Output { .. })));
        assert!(matches!(Output::begin(&place, &input, Form::Directory, true), Err(Error::Output { .. })));
        let output = Output::begin(&place, &input, Form::File, true).expect("forced");
        let file = output.file(Path::new("")).expect("created");
        file.write(b"new", 0).expect("written");
        file.finish().expect("synced");
        assert_eq!(fs::read(&place).expect("read"), b"old");
        output.commit().expect("renamed");
        assert_eq!(fs::read(&place).expect("read"), b"new");
    }

    #[test]
    fn force_replaces_a_model_and_never_another_directory() {
        let dir = folder();
        let (input, place) = (dir.path().join("in"), dir.path().join("out"));
        fs::write(&input, b"x").expect("written");
        fs::create_dir(&place).expect("created");
        fs::write(place.join("thesis.tex"), b"x").expect("written");
        assert!(Output::begin(&place, &input, Form::Directory, true).is_err());
        fs::write(place.join("model.safetensors"), b"x").expect("written");
        let output = Output::begin(&place, &input, Form::Directory, true).expect("a model");
        output.commit().expect("renamed");
        assert_eq!(fs::read_dir(&place).expect("listed").count(), 0);
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 2);
    }

    #[test]
    fn input_and_output_are_never_inside_each_other() {
        let dir = folder();
        let input = dir.path().join("in");
        fs::create_dir(&input).expect("created");
        for place in [input.clone(), input.join("out"), dir.path().to_path_buf()] {
            assert!(matches!(Output::begin(&place, &input, Form::Directory, true), Err(Error::Output { .. })));
        }
    }

    #[test]
    fn remains_of_an_interrupted_run_are_named() {
        let dir = folder();
        let (input, place) = (dir.path().join("in"), dir.path().join("out"));
        fs::write(&input, b"x").expect("written");
        fs::create_dir(dir.path().join("out.partial")).expect("created");
        let error = Output::begin(&place, &input, Form::Directory, false).expect_err("in the way");
        assert!(error.to_string().contains("out.partial"), "{error}");
        Output::begin(&place, &input, Form::Directory, true).expect("forced").commit().expect("renamed");
    }
}
