//! A file as it was when it was first opened. Code that opens the file again, or ends a job that
//! read it, checks that it is still the same file.
//!
//! ```text
//! open a file         -> keep its identity
//! open it again       -> the same identity, or Error::ChangedMeanwhile
//! end of the job      -> the same identity at the same path, or Error::ChangedMeanwhile
//! ```
//!
//! On Unix the identity includes the time of the inode's last change, which no program can set. So
//! a file that is the same at both ends of a job was the same in between.

use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{Error, open};

/// Differs between two files, and between one file before and after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    bytes: u64,
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    /// Seconds and nanoseconds.
    #[cfg(unix)]
    modified_and_changed: [(i64, i64); 2],
    #[cfg(not(unix))]
    modified_and_created: [Option<std::time::SystemTime>; 2],
}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Identity {
        use std::os::unix::fs::MetadataExt;
        Identity {
            bytes: metadata.len(),
            device_and_inode: (metadata.dev(), metadata.ino()),
            modified_and_changed: [
                (metadata.mtime(), metadata.mtime_nsec()),
                (metadata.ctime(), metadata.ctime_nsec()),
            ],
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Identity {
        Identity { bytes: metadata.len(), modified_and_created: [metadata.modified().ok(), metadata.created().ok()] }
    }
}

/// A file, and its identity when it was first opened.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    path: PathBuf,
    identity: Identity,
}

impl Witness {
    /// Opens the regular file at `path`. Links are followed.
    ///
    /// # Errors
    /// It cannot be opened, or is not a regular file.
    pub fn open(path: &Path) -> Result<(File, Witness), Error> {
        let file = open::regular(path)?;
        let identity = Identity::of(&file.metadata().map_err(Error::io("open", path))?);
        Ok((file, Witness { path: path.to_path_buf(), identity }))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.identity.bytes
    }

    /// Opens the file again.
    ///
    /// # Errors
    /// It cannot be opened, or it is another file now.
    pub fn reopen(&self) -> Result<File, Error> {
        let (file, now) = Witness::open(&self.path)?;
        if now.identity == self.identity { Ok(file) } else { Err(self.changed()) }
    }

    /// Checks that `path` still leads to the opened file, unchanged.
    ///
    /// # Errors
    /// It does not, or the file is gone.
    pub fn check(&self) -> Result<(), Error> {
        match fs::metadata(&self.path) {
            Ok(metadata) if Identity::of(&metadata) == self.identity => Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("read", &self.path)(error)),
            _ => Err(self.changed()),
        }
    }

    fn changed(&self) -> Error {
        Error::ChangedMeanwhile { path: self.path.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Longer than one tick of any file system's clock.
    const TICK: Duration = Duration::from_millis(50);

    #[test]
    fn a_file_that_was_moved_edited_cut_or_removed_is_noticed() {
        type Change = fn(&Path, &Path);
        let changes: [(&str, Change); 6] = [
            ("another file of the same size and date moved over it", |path, other| {
                let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).expect("a date");
                File::options().append(true).open(other).and_then(|file| file.set_modified(modified)).expect("dated");
                fs::rename(other, path).expect("moved");
            }),
            ("edited in place", |path, _| {
                use std::io::Write;
                File::options().write(true).open(path).and_then(|mut file| file.write_all(b"x")).expect("written");
            }),
            ("cut", |path, _| File::options().write(true).open(path).and_then(|f| f.set_len(1)).expect("cut")),
            ("longer", |path, _| fs::write(path, b"abcd").expect("written")),
            ("removed", |path, _| fs::remove_file(path).expect("removed")),
            ("a folder in its place", |path, _| {
                fs::remove_file(path).and_then(|()| fs::create_dir(path)).expect("created");
            }),
        ];
        for (what, change) in changes {
            let dir = tempfile::tempdir().expect("a folder");
            let [path, other] = ["a", "b"].map(|name| dir.path().join(name));
            [&path, &other].into_iter().for_each(|path| fs::write(path, b"abc").expect("written"));
            let (_, witness) = Witness::open(&path).expect("opened");
            witness.check().expect("untouched");
            drop(witness.reopen().expect("untouched"));
            std::thread::sleep(TICK);
            change(&path, &other);
            assert!(matches!(witness.check(), Err(Error::ChangedMeanwhile { .. })), "{what}");
            assert!(witness.reopen().is_err(), "{what}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_regular_file_is_never_opened() {
        let error = Witness::open(Path::new("/dev/zero")).expect_err("a device").to_string();
        assert!(error.contains("a device, which is not read"), "{error}");
    }
}
