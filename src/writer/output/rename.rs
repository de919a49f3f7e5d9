//! Renames that destroy nothing: one refuses to replace, the other exchanges two names.
//!
//! Linux and macOS do each in one step. Where a system or a file system cannot, `without_replacing`
//! takes a detour and `exchange` returns `Unsupported`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Renames `from` to `to`, which must not exist.
///
/// # Errors
/// `AlreadyExists`: `to` exists. Both stay as they were.
pub(super) fn without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match in_one_step::without_replacing(from, to) {
        Err(error) if in_one_step::is_unsupported(&error) => by_a_detour(from, to),
        done => done,
    }
}

/// Exchanges two names. Returns `Unsupported` if the system cannot do it in one step.
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    match in_one_step::exchange(one, other) {
        Err(error) if in_one_step::is_unsupported(&error) => Err(ErrorKind::Unsupported.into()),
        done => done,
    }
}

/// Renames without flags. A file gets its new name by a second link, which refuses a name that is
/// taken. A folder can only be renamed onto an empty folder, so nothing is lost even if `to`
/// appears after the check. A file could be lost in that way only where the file system has no
/// links.
fn by_a_detour(from: &Path, to: &Path) -> io::Result<()> {
    let is_folder = fs::symlink_metadata(from)?.is_dir();
    if !is_folder {
        match fs::hard_link(from, to) {
            Ok(()) => return fs::remove_file(from),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
    }
    if super::tidy::exists(to) {
        return Err(ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
mod in_one_step {
    use std::io;
    use std::path::Path;

    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    pub fn without_replacing(from: &Path, to: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
    }

    /// Whether the system or the file system does not know the call or its flag. A sandbox answers
    /// `PERM` to a call that it does not know.
    pub fn is_unsupported(error: &io::Error) -> bool {
        const ANSWERS: [Errno; 5] = [Errno::NOSYS, Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::PERM];
        Errno::from_io_error(error).is_some_and(|errno| ANSWERS.contains(&errno))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod in_one_step {
    use std::io::{self, ErrorKind};
    use std::path::Path;

    pub fn without_replacing(_from: &Path, _to: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    pub fn exchange(_one: &Path, _other: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    pub fn is_unsupported(_error: &io::Error) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries a file and a folder, each with a free name and with every kind of taken name.
    #[test]
    fn what_has_the_name_already_stays() {
        for rename in [without_replacing, by_a_detour] {
            for from_folder in [false, true] {
                let dir = tempfile::tempdir().expect("a folder");
                let at = |name: &str| dir.path().join(name);
                let (from, file, folder) = (at("from"), at("file"), at("folder"));
                let make = |path: &Path| match from_folder {
                    true => fs::create_dir(path).and_then(|()| fs::write(path.join("a"), "new")).expect("created"),
                    false => fs::write(path, "new").expect("written"),
                };
                make(&from);
                fs::write(&file, "old").expect("written");
                fs::create_dir(&folder).expect("created");
                fs::write(folder.join("b"), "old").expect("written");
                #[cfg(unix)]
                std::os::unix::fs::symlink(at("nowhere"), at("link")).expect("linked");
                for taken in [
                    "file",
                    "folder",
                    #[cfg(unix)]
                    "link",
                ] {
                    let error = rename(&from, &at(taken)).expect_err("taken");
                    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{taken}");
                }
                assert_eq!(fs::read(&file).expect("read"), b"old");
                assert_eq!(fs::read(folder.join("b")).expect("read"), b"old");
                rename(&from, &at("free")).expect("renamed");
                assert!(!super::super::tidy::exists(&from));
                assert!(super::super::tidy::exists(&at("free")));
            }
        }
    }

    #[test]
    fn an_exchange_leaves_both_or_says_that_there_is_none() {
        let dir = tempfile::tempdir().expect("a folder");
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        fs::write(&one, "1").expect("written");
        fs::create_dir(&other).expect("created");
        match exchange(&one, &other) {
            Ok(()) => assert!(one.is_dir() && fs::read(&other).expect("read") == b"1"),
            Err(error) => assert!(error.kind() == ErrorKind::Unsupported && other.is_dir() && one.is_file()),
        }
        assert!(exchange(&one, &dir.path().join("none")).is_err());
    }
}
