//! How a job reports its progress, and how the caller stops it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

/// Receives the progress of a running job. `()` ignores it.
pub trait Progress: Sync {
    /// The job has checked its input and begins to write. The calls of [`Progress::advance`] will
    /// add up to `total_bytes`. A job that is stopped before this call leaves nothing on the disk.
    fn begin(&self, total_bytes: u64) {
        let _ = total_bytes;
    }

    /// The job now works on this unit, or on the file of the raw tensors. It names each once.
    fn unit(&self, name: &str) {
        let _ = name;
    }

    /// `bytes` more are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// `bytes` of the work were done by an earlier run, which this one resumes. They are among those
    /// announced, and tell nothing about how fast this run is.
    fn kept(&self, bytes: u64) {
        self.advance(bytes);
    }

    /// The job reads something large that [`Progress::begin`] does not count: it copies a file,
    /// compares a copy with its checksum, or searches a tensor for values that are not BF16. `bytes`
    /// of `total` are read. It may come before `begin`.
    fn reading(&self, name: &str, bytes: u64, total: u64) {
        let _ = (name, bytes, total);
    }

    /// Returns `true` to stop the job. After [`Progress::begin`], the job asks between any two
    /// pieces of a few MB that it reads or writes. It does not ask while it codes one unit.
    fn is_stopped(&self) -> bool {
        false
    }
}

impl Progress for () {}

/// Moves the progress while a unit is under way. A unit's weights are read, coded or decoded, and
/// written: each step counts a part of the bytes that it handles, and [`Early::done`] what is left.
///
/// ```text
/// three steps of 60 bytes     advance(60) -> 20, advance(60) -> 20, done(60) -> 20
/// ```
///
/// Whatever the steps count, all calls add up to the bytes given to `done`.
pub(crate) struct Early<'a> {
    progress: &'a dyn Progress,
    /// A step counts one byte in this many.
    steps: u64,
    /// Bytes counted before they were done.
    told: AtomicU64,
}

impl<'a> Early<'a> {
    pub fn new(progress: &'a dyn Progress, steps: u64) -> Early<'a> {
        Early { progress, steps, told: AtomicU64::new(0) }
    }

    /// These bytes are done.
    pub fn done(&self, bytes: u64) {
        let told = self.told.load(Ordering::Relaxed).min(bytes);
        self.told.fetch_sub(told, Ordering::Relaxed);
        self.progress.advance(bytes - told);
    }

    /// These bytes were done by an earlier run.
    pub fn kept(&self, bytes: u64) {
        self.progress.kept(bytes);
    }
}

impl Progress for Early<'_> {
    fn advance(&self, bytes: u64) {
        let bytes = bytes / self.steps;
        self.told.fetch_add(bytes, Ordering::Relaxed);
        self.progress.advance(bytes);
    }

    fn is_stopped(&self) -> bool {
        self.progress.is_stopped()
    }
}

/// Most bytes that a job reads or writes before it asks again whether to stop. A slow disk takes a
/// fifth of a second for them.
pub(crate) const PIECE_BYTES: usize = 16 << 20;

/// Reports that something is being read that the work does not count, if it is large enough to be
/// waited for.
pub(crate) fn report_reading(progress: &dyn Progress, name: &str, bytes: u64, total: u64) {
    if total > PIECE_BYTES as u64 {
        progress.reading(name, bytes, total);
    }
}

/// Stops the job if the caller asked for it. Called before the piece at `offset` of data that is
/// read or written in pieces. At offset 0 it does not ask: the job has just asked.
pub(crate) fn check_between(progress: &dyn Progress, offset: u64) -> Result<(), Error> {
    if offset > 0 { check_stopped(progress) } else { Ok(()) }
}

/// Returns an error if the caller stops the job.
pub(crate) fn check_stopped(progress: &dyn Progress) -> Result<(), Error> {
    if progress.is_stopped() { Err(Error::Stopped) } else { Ok(()) }
}
