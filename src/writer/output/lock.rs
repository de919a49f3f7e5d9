//! Allows one run for each `OUTPUT.partial`. The system releases the lock when the process ends,
//! however it ends.
//!
//! The lock is on the file [`MARK`] in the folder. The mark also says that the folder is ours. A
//! run that ends removes both. So the next run may open a file that has lost its name, or find that
//! a folder it has just seen is gone. Then it begins again:
//!
//! ```text
//! repeat: create the folder, unless it exists
//!         it exists and is not ours?            refuse, and leave it as it is
//!         open or create the mark               folder gone meanwhile? repeat
//!         lock the mark                         locked by another run? refuse
//!         does its name still lead to it?       no: it was removed before we locked it; repeat
//! ```
//!
//! Proof that only one run holds the lock: only the holder of the lock removes the name. So whoever
//! has locked the file that has the name is alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use super::identity::is_at;
use super::mode::Mode;
use super::tidy::{is_empty_folder, refused};
use crate::Error;
use crate::error::OutputReason;
use crate::files::file_names::UNFINISHED_MARK;

/// The file that marks the folder of a run.
pub(super) const MARK: &str = UNFINISHED_MARK;

/// The text in it.
const MARK_TEXT: &[u8] =
    b"A run of df11 works in this folder, or was interrupted in it. It is for df11 to empty: keep nothing else here.\n";

/// How often another run may end at the very moment at which this one begins.
const TRIES: usize = 100;

/// Refuses whatever has the name `OUTPUT.partial` and is not ours: a file, a link, or a folder that
/// is not empty and lacks our mark.
pub(super) fn refuse_unmarked(partial: &Path, place: &Path) -> Result<(), Error> {
    // A run that ends now removes first its mark, then its folder. If neither the mark nor an empty
    // folder is seen, look again.
    for _ in 0..3 {
        match fs::symlink_metadata(partial) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("open", partial)(error)),
            Ok(found) if !found.is_dir() => break,
            Ok(_) if is_marked(partial)? || is_empty_folder(partial) => return Ok(()),
            Ok(_) => {}
        }
    }
    Err(refused(place, OutputReason::InTheWay { found: partial.to_path_buf() }))
}

/// Whether a folder has our mark. A mark that a kill cut short counts if nothing else is in the
/// folder.
fn is_marked(folder: &Path) -> Result<bool, Error> {
    let path = folder.join(MARK);
    if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(false);
    }
    let mut text = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(MARK_TEXT.len() as u64 + 1).read_to_end(&mut text));
    match read {
        // On systems with mandatory locks, a locked mark cannot be read. The attempt to lock it
        // will report that.
        Err(_) if cfg!(windows) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("open", &path)(error)),
        Ok(_) if text == MARK_TEXT => Ok(true),
        Ok(_) => Ok(MARK_TEXT.starts_with(&text) && fs::read_dir(folder).is_ok_and(|entries| entries.count() == 1)),
    }
}

/// Locks the folder `partial` for this run, until the returned file is closed. Also returns whether
/// the folder is new.
///
/// # Errors
/// Another run holds the lock, or the folder is not ours.
pub(super) fn take(partial: &Path, place: &Path) -> Result<(File, bool), Error> {
    for _ in 0..TRIES {
        let created = match Mode::PRIVATE.create_new_folder(partial) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            created => created.map(|()| true).map_err(Error::io("create", partial))?,
        };
        refuse_unmarked(partial, place)?;
        let path = partial.join(MARK);
        let mut file = match open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            opened => opened.map_err(Error::io("open", &path))?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(refused(place, OutputReason::Busy { partial: partial.to_path_buf() }));
            }
            // If files cannot be locked here, only the users can keep two runs apart.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        match is_at(&file, &path) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("open", &path)(error)),
        }
        refuse_unmarked(partial, place)?;
        if let Err(error) = write_mark(&mut file) {
            // Nothing else is in the folder.
            let _ = fs::remove_file(&path).and_then(|()| fs::remove_dir(partial));
            return Err(Error::io("write", &path)(error));
        }
        return Ok((file, created));
    }
    Err(refused(place, OutputReason::BusyAgainAndAgain { partial: partial.to_path_buf() }))
}

/// Writes the mark, unless it is whole. A kill must not leave a short mark in a folder that holds
/// more.
fn write_mark(file: &mut File) -> io::Result<()> {
    if file.metadata()?.len() == MARK_TEXT.len() as u64 {
        return Ok(());
    }
    file.set_len(0)?;
    file.write_all(MARK_TEXT)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Others may read and write the file meanwhile, but not delete it.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 1 | 2);
    options.open(path)
}
