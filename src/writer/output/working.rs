//! `OUTPUT.partial`: the folder of one run at a time. The run removes from it what runs have made,
//! and nothing else.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::identity::inode;
use super::journal::{self, Journal, key};
use super::lock::{self, MARK};
use super::place::Gate;
use super::tidy::{exists, read_if_there, remove, walk};
use crate::Error;

/// The names of all files made for OUTPUT, as lines of JSON.
const MADE: &str = "made";
/// The future OUTPUT.
const OUTPUT: &str = "output";
/// The old OUTPUT, where the two cannot be exchanged in one step.
const REPLACED: &str = "replaced";
/// The inode of a finished [`OUTPUT`], written to the disk before OUTPUT gets its place. It later
/// tells what has that name: the work, or what it was exchanged for.
const DONE: &str = "done";

/// The folder. It is locked for as long as this value lives.
#[derive(Debug)]
pub(super) struct Working {
    path: PathBuf,
    lock: Option<File>,
    is_new: bool,
    made: RefCell<BTreeSet<String>>,
}

impl Working {
    /// Takes the folder for a job. It may hold something from an earlier run.
    ///
    /// # Errors
    /// Another run holds the lock, or the folder is not ours.
    pub fn take(gate: &Gate) -> Result<Working, Error> {
        let path = gate.partial.clone();
        let (lock, is_new) = lock::take(&path, &gate.place)?;
        let made = read_if_there(&path.join(MADE))?;
        let names = made.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let made = RefCell::new(names.collect());
        Ok(Working { path, lock: Some(lock), is_new, made })
    }

    /// Whether the folder did not exist before this run.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the future OUTPUT is made.
    pub fn output(&self) -> PathBuf {
        self.path.join(OUTPUT)
    }

    /// Where the old OUTPUT goes if it cannot be exchanged.
    pub fn replaced(&self) -> PathBuf {
        self.path.join(REPLACED)
    }

    /// Where a file is written before it gets its name.
    pub fn temporary(&self, number: usize) -> PathBuf {
        self.path.join(number.to_string())
    }

    /// Where the journal is, if the job has one.
    pub fn journal(&self) -> PathBuf {
        self.path.join(journal::NAME)
    }

    /// Notes that df11 makes the file `name` of OUTPUT. Call this before the file exists.
    pub fn note(&self, name: &Path) -> Result<(), Error> {
        let (path, name) = (self.path.join(MADE), key(name));
        if self.made.borrow().contains(&name) {
            return Ok(());
        }
        // A line break before and after, because an earlier line may have been cut short.
        let line = format!("\n{}\n", serde_json::Value::from(name.as_str()));
        let file = OpenOptions::new().append(true).create(true).open(&path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(Error::io("write", &path))?;
        self.made.borrow_mut().insert(name);
        Ok(())
    }

    /// Notes that the future OUTPUT is finished.
    pub fn note_done(&self) -> Result<(), Error> {
        let path = self.path.join(DONE);
        let text = inode(&self.output()).map_err(Error::io("open", &self.output()))?.to_string();
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(format!("{text}\n").as_bytes())?;
            file.sync_all()
        });
        written.map_err(Error::io("write", &path))?;
        super::tidy::sync_directory(&self.path)
    }

    /// The inode that [`Working::note_done`] noted.
    pub fn done(&self) -> Result<Option<u64>, Error> {
        let text = read_if_there(&self.path.join(DONE))?;
        let number = text.strip_suffix(b"\n").and_then(|text| std::str::from_utf8(text).ok());
        Ok(number.and_then(|number| number.parse().ok()))
    }

    /// Finds something in the folder that df11 did not make. Looks below `output` only if
    /// `looks_into_output`.
    pub fn stranger(&self, looks_into_output: bool) -> Result<Option<PathBuf>, Error> {
        for entry in fs::read_dir(&self.path).map_err(Error::io("open", &self.path))? {
            let name = entry.map_err(Error::io("open", &self.path))?.file_name();
            let is_ours = [MARK, journal::NAME, MADE, OUTPUT, REPLACED, DONE].iter().any(|ours| name == **ours);
            let path = self.path.join(&name);
            if !(is_ours || is_number(&name) && !is_folder(&path)) {
                return Ok(Some(path));
            }
        }
        let (output, mut found) = (self.output(), None);
        if looks_into_output && exists(&output) {
            let made = self.made.borrow();
            if !is_folder(&output) {
                return Ok((!made.contains("")).then_some(output));
            }
            walk(&output, &mut |name, kind| {
                if !kind.is_dir() && !made.contains(&key(name)) {
                    found = Some(output.join(name));
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Removes the files of OUTPUT that were made but not finished, and the note that the work is
    /// done. Returns the number of finished files.
    pub fn keep_finished(&self, journal: &Journal) -> Result<usize, Error> {
        self.remove(DONE)?;
        let finished = self.remove_made(&|name| journal.find(name).is_some())?;
        self.remove_temporaries()?;
        Ok(finished)
    }

    /// Removes everything that runs have made, except the mark. The caller has already removed the
    /// old OUTPUT.
    pub fn clear(&self) -> Result<(), Error> {
        // First remove the note, so that what is left of the work is never taken for all of it.
        self.remove(DONE)?;
        self.remove_made(&|_| false)?;
        self.remove_temporaries()?;
        self.remove(journal::NAME)?;
        self.remove(MADE)?;
        self.made.borrow_mut().clear();
        Ok(())
    }

    /// Ends the run. Removes what runs have put into the folder. Removes the folder too, if nothing
    /// else is in it.
    pub fn end(&mut self) -> Result<(), Error> {
        if exists(&self.output()) {
            self.clear()?;
        }
        self.remove_temporaries()?;
        for name in [journal::NAME, MADE, DONE] {
            self.remove(name)?;
        }
        if cfg!(windows) {
            // Windows does not remove an open file. So another run may take the mark now, and then
            // it is not removed either.
            self.lock = None;
        }
        self.remove(MARK)?;
        // Close the file before the folder is removed: network file systems keep a removed file
        // under another name while it is open.
        self.lock = None;
        // Fails, as it should, if something is left in the folder or another run has just begun in
        // it.
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }

    fn remove_temporaries(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.path).map_err(Error::io("open", &self.path))? {
            let name = entry.map_err(Error::io("open", &self.path))?.file_name();
            if is_number(&name) {
                let path = self.path.join(name);
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Removes what was made for OUTPUT and is not kept, and folders that are then empty. Returns
    /// the number of kept files.
    fn remove_made(&self, is_kept: &dyn Fn(&Path) -> bool) -> Result<usize, Error> {
        let (output, made) = (self.output(), self.made.borrow());
        if !is_folder(&output) {
            return if made.contains("") {
                remove(&output).map_err(Error::io("remove", &output)).map(|()| 0)
            } else {
                Ok(0)
            };
        }
        let (mut kept, mut folders) = (0, vec![PathBuf::new()]);
        walk(&output, &mut |name, kind| {
            let path = output.join(name);
            if kind.is_dir() {
                folders.push(name.to_path_buf());
            } else if is_kept(name) {
                kept += 1;
            } else if made.contains(&key(name)) {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
            Ok(())
        })?;
        let least = usize::from(kept > 0);
        for folder in folders[least..].iter().rev() {
            // Fails, as it should, if something is left in the folder.
            let _ = fs::remove_dir(output.join(folder));
        }
        Ok(kept)
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        remove(&path).map_err(Error::io("remove", &path))
    }
}

/// Whether a name is the name of a [`Working::temporary`].
fn is_number(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}
