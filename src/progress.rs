//! How a job tells what it is doing, and is told to stop.

use crate::Error;

/// Told about a job's progress while it runs; `()` listens to nothing.
pub trait Progress: Sync {
    /// The job has looked at its input and begins to write; `total_bytes` will be announced to [`Progress::advance`] in all. A job that is ended
    /// before leaves nothing behind.
    fn begin(&self, total_bytes: u64) {
        let _ = total_bytes;
    }

    /// A unit, or the file of the raw tensors, is being worked on.
    fn unit(&self, name: &str) {
        let _ = name;
    }

    /// `bytes` more are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Whether the job is to end before it is done. From [`Progress::begin`] on it asks between any two pieces of a few MB that it reads or writes; while
    /// it codes one unit it does not ask.
    fn is_stopped(&self) -> bool {
        false
    }
}

impl Progress for () {}

/// Most bytes that are read or written before a job is asked again whether it is to end: a slow disk takes a fifth of a second for them.
pub(crate) const PIECE_BYTES: usize = 16 << 20;

/// Ends a job that is to end, asked before the piece at `offset` of something that is read or written in pieces. Before the first it was just asked.
pub(crate) fn check_between(progress: &dyn Progress, offset: u64) -> Result<(), Error> {
    if offset > 0 { check_stopped(progress) } else { Ok(()) }
}

/// Ends a job that is to end.
pub(crate) fn check_stopped(progress: &dyn Progress) -> Result<(), Error> {
    if progress.is_stopped() { Err(Error::Stopped) } else { Ok(()) }
}
