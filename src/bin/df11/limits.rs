//! What the system allows a process, and what it does to one that asks for more.

/// Open files to ask for where there is no limit: macOS takes no larger number.
#[cfg(unix)]
const MOST_FILES: u64 = 10_240;

/// Makes a file that grows too large an error like a full disk, and takes as many open files as the user may have.
///
/// Where the system refuses, all is as it was: a job may still do.
#[cfg(unix)]
pub fn prepare() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    use signal_hook::consts::SIGXFSZ;

    // The signal would end the program in the middle of its work. Once it is heard, the write fails instead, with EFBIG.
    let heard = std::sync::Arc::default();
    let _ = signal_hook::flag::register(SIGXFSZ, heard);

    // A model of many shards is many open files. The soft limit is low for the sake of programs that cannot handle large numbers of them.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum.or(Some(MOST_FILES));
    let _ = setrlimit(Resource::Nofile, files);
}

/// There is nothing to prepare.
#[cfg(not(unix))]
pub fn prepare() {}
