//! Limits that the system sets for a process, and what happens when the process exceeds them.

/// The number of open files to request if there is no limit: macOS accepts no larger number.
#[cfg(unix)]
const MOST_FILES: u64 = 10_240;

/// Turns a file that grows too large into an error, as for a full disk. Raises the number of open
/// files to what the user may have.
///
/// If the system refuses, nothing changes: the job may still succeed.
#[cfg(unix)]
pub fn prepare() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    use signal_hook::consts::SIGXFSZ;

    // By default the signal would end the program in the middle of its work. With a handler, the
    // write fails with EFBIG instead.
    let heard = std::sync::Arc::default();
    let _ = signal_hook::flag::register(SIGXFSZ, heard);

    // A model of many shards needs many open files. The soft limit is low for the sake of programs
    // that cannot handle large file numbers.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum.or(Some(MOST_FILES));
    let _ = setrlimit(Resource::Nofile, files);
}

/// There is nothing to prepare.
#[cfg(not(unix))]
pub fn prepare() {}
