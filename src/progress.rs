//! How a job reports its progress, and how the caller stops it.

use crate::Error;

/// Receives the progress of a running job. `()` ignores it.
pub trait Progress: Sync {
    /// The job has checked its input and begins to write. The calls of [`Progress::advance`] will
    /// add up to `total_bytes`. A job that is stopped before this call leaves nothing on the disk.
    fn begin(&self, total_bytes: u64) {
        let _ = total_bytes;
    }

    /// The job now works on this unit, or on the file of the raw tensors.
    fn unit(&self, name: &str) {
        let _ = name;
    }

    /// `bytes` more are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Returns `true` to stop the job. After [`Progress::begin`], the job asks between any two
    /// pieces of a few MB that it reads or writes. It does not ask while it codes one unit.
    fn is_stopped(&self) -> bool {
        false
    }
}

impl Progress for () {}

/// Most bytes that a job reads or writes before it asks again whether to stop. A slow disk takes a
/// fifth of a second for them.
pub(crate) const PIECE_BYTES: usize = 16 << 20;

/// Stops the job if the caller asked for it. Called before the piece at `offset` of data that is
/// read or written in pieces. At offset 0 it does not ask: the job has just asked.
pub(crate) fn check_between(progress: &dyn Progress, offset: u64) -> Result<(), Error> {
    if offset > 0 { check_stopped(progress) } else { Ok(()) }
}

/// Returns an error if the caller stops the job.
pub(crate) fn check_stopped(progress: &dyn Progress) -> Result<(), Error> {
    if progress.is_stopped() { Err(Error::Stopped) } else { Ok(()) }
}
