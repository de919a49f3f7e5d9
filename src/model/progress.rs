//! How a job tells what it is doing, and is told to stop.

use crate::Error;

/// Told about a job's progress while it runs; `()` listens to nothing.
pub trait Progress: Sync {
    /// The job begins; `total_bytes` will be announced to [`Progress::advance`] in all.
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

    /// Whether the job is to end before it is done; it asks a few times for each unit.
    fn is_stopped(&self) -> bool {
        false
    }
}

impl Progress for () {}

/// Ends a job that is to end.
pub(crate) fn check_stopped(progress: &dyn Progress) -> Result<(), Error> {
    if progress.is_stopped() { Err(Error::Stopped) } else { Ok(()) }
}
