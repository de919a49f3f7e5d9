//! One run for each `OUTPUT.partial`: a lock that the system takes back when its process ends, however that ends.
//!
//! The lock is on the file [`MARK`] in the folder, which also says that the folder is ours. A run ends by removing both, so a next one may have opened a
//! file that has no name any more; and it may find the folder gone that it has just seen. Then it begins anew:
//!
//! ```text
//! repeat: create the folder, unless it is there
//!         there, and not ours?                          refuse: it stays as it is
//!         open or create the mark                       folder gone meanwhile? repeat
//!         lock it                                       another has it? refuse
//!         is it still the file of that name?            no: it was removed before we locked it; repeat
//! ```
//!
//! Whoever holds the lock on the file that has the name is alone: the name goes only by the hand that holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use super::identity::is_at;
use super::mode::Mode;
use super::tidy::{is_empty_folder, refused};
use crate::Error;
use crate::error::OutputReason;

/// The file that marks the folder of a run.
pub(super) const MARK: &str = "df11.lock";

/// What is in it.
const MARK_TEXT: &[u8] =
    b"A run of df11 works in this folder, or was interrupted in it. It is for df11 to empty: keep nothing else here.\n";

/// How often another run may end at the very moment that this one begins.
const TRIES: usize = 100;

/// Refuses what has the name of `OUTPUT.partial` and is not ours: a file, a link, a folder without our mark that is not empty.
pub(super) fn refuse_unmarked(partial: &Path, place: &Path) -> Result<(), Error> {
    // A run that ends just now takes its mark away before its folder: whoever sees neither mark nor emptiness looks again.
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

/// Whether a folder has our mark. One that a kill cut short marks a folder that holds nothing else.
fn is_marked(folder: &Path) -> Result<bool, Error> {
    let path = folder.join(MARK);
    if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(false);
    }
    let mut text = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(MARK_TEXT.len() as u64 + 1).read_to_end(&mut text));
    match read {
        // Where locks are mandatory, one that is held is not to be read. Who tries to lock it will hear that.
        Err(_) if cfg!(windows) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("open", &path)(error)),
        Ok(_) if text == MARK_TEXT => Ok(true),
        Ok(_) => Ok(MARK_TEXT.starts_with(&text) && fs::read_dir(folder).is_ok_and(|entries| entries.count() == 1)),
    }
}

/// Makes the folder `partial` ours alone, for as long as the file is open. Returns whether the folder is new.
///
/// # Errors
/// Another run has it, or it is not ours.
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
            // Where files cannot be locked, nothing keeps two runs apart but their users.
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
            // There is nothing else in the folder.
            let _ = fs::remove_file(&path).and_then(|()| fs::remove_dir(partial));
            return Err(Error::io("write", &path)(error));
        }
        return Ok((file, created));
    }
    Err(refused(place, OutputReason::BusyAgainAndAgain { partial: partial.to_path_buf() }))
}

/// Writes the mark, unless it is whole: a kill must not find it cut short in a folder with more in it.
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
    // To be read and written beside us, but not deleted.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 1 | 2);
    options.open(path)
}
