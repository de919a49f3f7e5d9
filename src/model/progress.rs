//! How a job tells what it is doing.

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
}

impl Progress for () {}
