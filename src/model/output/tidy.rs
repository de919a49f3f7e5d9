//! Folders: emptied, and made durable.

use std::fs::{self, File};
use std::path::Path;

use super::WORK_FOLDER;
use super::journal::{self, Journal};
use crate::Error;

/// Removes a file, or a folder with all that is in it.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Removes what is below `partial` but the journal and what it calls finished. Returns the number of finished files.
pub(super) fn remove_all_but(partial: &Path, below: &Path, journal: &Journal) -> Result<usize, Error> {
    let folder = partial.join(below);
    let mut finished = 0;
    for entry in fs::read_dir(&folder).map_err(Error::io("open", &folder))? {
        let name = below.join(entry.map_err(Error::io("open", &folder))?.file_name());
        let path = partial.join(&name);
        if fs::symlink_metadata(&path).map_err(Error::io("open", &path))?.is_dir() {
            finished += remove_all_but(partial, &name, journal)?;
            if name != Path::new(WORK_FOLDER) {
                // Fails, as it should, where something is left in it.
                let _ = fs::remove_dir(&path);
            }
        } else if journal.find(&name).is_some() {
            finished += 1;
        } else if name != journal::place() {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(finished)
}

/// Makes renames and new names in a directory durable. Windows has no handle for that and needs none.
pub(super) fn sync_directory(path: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(path).and_then(|directory| directory.sync_all()).map_err(Error::io("write", path))?;
    }
    Ok(())
}
