//! What a run notes about itself, so that another run can resume it. The journal is JSON: one line
//! for the job, and one for each finished file.
//!
//! A line is on the disk before its file gets its name. So every file with its final name has a
//! line. If a crash cut the last line short, that line is dropped.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::tidy::read_if_there;
use crate::error::{JobDifference, OutputReason};
use crate::{Error, Note};

/// Describes a job. Two equal jobs write the same bytes if the tensors of the source are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobLine {
    /// Version of the program.
    pub df11: String,
    /// The code that is written: ours, or the published tool's.
    pub code: String,
    /// Whether each unit is verified.
    pub verify: bool,
    /// Checksum of the source's headers and small files, and of the list of units.
    pub source: u64,
}

/// A finished file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Finished {
    /// Its name in the directory, with `/` between folders.
    pub file: String,
    /// xxh3 of its header.
    pub header: u64,
    /// Checksums of the arrays of its units.
    pub arrays: BTreeMap<String, u64>,
    /// Checksums of the source's tensors that it was made from.
    pub tensors: BTreeMap<String, u64>,
    /// What the user should know about it.
    pub notes: Vec<Note>,
}

/// The journal of a running job.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    finished: BTreeMap<String, Finished>,
}

/// The journal's name in the folder of its run.
pub(super) const NAME: &str = "journal";

/// The name of a file of the directory, as the journal spells it.
pub(crate) fn key(name: &Path) -> String {
    let components: Vec<_> = name.iter().map(|component| component.to_string_lossy()).collect();
    components.join("/")
}

impl Journal {
    /// Begins the journal of a job.
    pub fn begin(path: &Path, job: &JobLine) -> Result<Journal, Error> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.map_err(Error::io("create", path))?;
        let mut journal = Journal { path: path.to_path_buf(), file, finished: BTreeMap::new() };
        journal.append(job)?;
        Ok(journal)
    }

    /// Continues the journal of an interrupted run in `partial`.
    ///
    /// # Errors
    /// The journal is of another job.
    pub fn reopen(path: &Path, partial: &Path, job: &JobLine) -> Result<Journal, Error> {
        let refused = |reason| Error::Output { path: partial.to_path_buf(), reason };
        let text = read_if_there(path)?;
        let mut lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let first = lines.next().unwrap_or_default();
        let found: JobLine = serde_json::from_slice(first)
            .map_err(|error| refused(OutputReason::JournalUnreadable { message: error.to_string() }))?;
        if let Some(difference) = difference(&found, job) {
            return Err(refused(OutputReason::OtherJob { difference }));
        }
        let mut end = first.len() as u64;
        let mut finished = BTreeMap::new();
        for line in lines {
            let Ok(noted) = serde_json::from_slice::<Finished>(line) else { break };
            end += line.len() as u64;
            finished.insert(noted.file.clone(), noted);
        }
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io("open", path))?;
        file.set_len(end).map_err(Error::io("write", path))?;
        Ok(Journal { path: path.to_path_buf(), file, finished })
    }

    /// Counts the finished files in the journal at `path`, whatever its job. Zero if there is no
    /// journal.
    pub fn count(path: &Path) -> Result<usize, Error> {
        let text = read_if_there(path)?;
        Ok(text.split(|&byte| byte == b'\n').filter(|line| is_of::<Finished>(line)).count())
    }

    /// What the journal says about a file.
    pub fn find(&self, name: &Path) -> Option<Finished> {
        self.finished.get(&key(name)).cloned()
    }

    /// Notes a file that is finished but does not have its name yet.
    pub fn note(&mut self, noted: &Finished) -> Result<(), Error> {
        self.append(noted)?;
        self.finished.insert(noted.file.clone(), noted.clone());
        Ok(())
    }

    fn append(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let mut line = serde_json::to_vec(value).unwrap_or_default();
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_all());
        written.map_err(Error::io("write", &self.path))
    }
}

fn is_of<T: serde::de::DeserializeOwned>(line: &[u8]) -> bool {
    serde_json::from_slice::<T>(line).is_ok()
}

fn difference(found: &JobLine, job: &JobLine) -> Option<JobDifference> {
    if found.df11 != job.df11 {
        return Some(JobDifference::Version { begun: found.df11.clone(), now: job.df11.clone() });
    }
    if found.code != job.code {
        return Some(JobDifference::Code { begun: found.code.clone(), now: job.code.clone() });
    }
    if found.verify != job.verify {
        return Some(JobDifference::Verification { begun: found.verify });
    }
    (found.source != job.source).then_some(JobDifference::Source)
}
