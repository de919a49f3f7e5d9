//! Walks folders, empties them, and makes them durable.

use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::error::OutputReason;
use crate::{Error, open};

/// Whether something has this name. A link that leads nowhere counts.
pub(super) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// All bytes of a file that an earlier run made; none if it does not exist. Whoever may write to
/// the folder may have put a pipe in its place, which would block its reader for ever. So only a
/// regular file is read.
pub(super) fn read_if_there(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match open::regular(path) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(bytes),
        file => file?.read_to_end(&mut bytes).map(|_| bytes).map_err(Error::io("read", path)),
    }
}

/// Removes a file, or a folder with everything in it, if it exists. Links are not followed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Calls `visit` for everything below the folder `root`, with the path relative to it. A folder
/// comes before its contents. Links are not followed. A folder that this user may not read, or that
/// disappears before its turn, counts as empty.
pub(super) fn walk(root: &Path, visit: &mut dyn FnMut(&Path, FileType) -> Result<(), Error>) -> Result<(), Error> {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let entries = match fs::read_dir(&path) {
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => continue,
            entries => entries.map_err(Error::io("open", &path))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("open", &path))?;
            let kind = match entry.file_type() {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                kind => kind.map_err(Error::io("open", &path))?,
            };
            let name = folder.join(entry.file_name());
            if kind.is_dir() {
                folders.push(name.clone());
            }
            visit(&name, kind)?;
        }
    }
    Ok(())
}

/// Makes renames and new names in a directory durable. Windows has no handle for this and needs
/// none.
pub(super) fn sync_directory(path: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(path).and_then(|directory| directory.sync_all()).map_err(Error::io("write", path))?;
    }
    Ok(())
}

/// The folder that a path lies in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a path leads to an empty folder.
pub(super) fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// The error that names a path of OUTPUT.
pub(super) fn refused(path: &Path, reason: OutputReason) -> Error {
    Error::Output { path: path.to_path_buf(), reason }
}
