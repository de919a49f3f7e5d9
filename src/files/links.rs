//! Where the links of a model's folder may lead. A link in the folder of an unknown author must not
//! carry a private file into a model that will be published.
//!
//! ```text
//! from a weight file       anywhere, to a regular file: its header is checked, and the weights are
//!                          what the user asked for
//! from any other file      to a file in the folder given, or to a blob of the same cache
//! from a folder            to a folder of the blobs; a folder inside the folder given is found
//!                          without the link
//! ```
//!
//! ```text
//! models--ORG--NAME/       what a hub's tools keep of a model
//!   blobs/HASH             the files
//!   snapshots/REVISION/    the folder given: each file in it is a link to ../../blobs/HASH
//! ```

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::pipeline::names_part;
use crate::{Error, open};

/// The names, in a cache, of the folder of a model's revisions and of the folder of its files.
pub(super) const SNAPSHOTS: &str = "snapshots";
const BLOBS: &str = "blobs";

/// The places that the links of a folder may lead to.
#[derive(Debug)]
pub(crate) struct Home {
    /// The folder given, or the pipeline that it belongs to.
    root: PathBuf,
    /// The blobs of its cache.
    blobs: Option<PathBuf>,
}

/// What a name in a model's folder leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A file to read: its real path.
    File(PathBuf),
    /// A folder to enter: its real path.
    Folder(PathBuf),
    /// Something that is not read: a special file, or a link that may not be followed.
    LeftOut(&'static str),
}

impl Home {
    /// The home of the files in `folder`.
    ///
    /// # Errors
    /// The folder cannot be found.
    pub fn of(folder: &Path) -> Result<Home, Error> {
        let given = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let full = fs::canonicalize(given).map_err(Error::io("open", folder))?;
        let root = match (full.parent(), full.file_name()) {
            (Some(pipeline), Some(part)) if names_part(pipeline, part) => pipeline.to_path_buf(),
            _ => full,
        };
        let snapshots = root.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == SNAPSHOTS));
        let blobs = snapshots.unwrap_or(&root).parent().map(|cache| cache.join(BLOBS));
        Ok(Home { root, blobs })
    }

    /// What lies at `path`, which must be in this home; `None` if nothing does.
    ///
    /// # Errors
    /// A link leads to nothing: a download was not finished.
    pub fn look(&self, path: &Path) -> Result<Option<Entry>, Error> {
        let own = match fs::symlink_metadata(path) {
            Ok(own) => own.file_type(),
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(Error::io("open", path)(error)),
        };
        if !own.is_symlink() {
            return Ok(Some(if own.is_file() {
                Entry::File(path.to_path_buf())
            } else if own.is_dir() {
                Entry::Folder(follow(path)?.0)
            } else {
                Entry::LeftOut(open::kind_name(own))
            }));
        }
        let (real, kind) = follow(path)?;
        Ok(Some(if kind.is_dir() {
            if self.is_blob(&real) { Entry::Folder(real) } else { Entry::LeftOut("a link to a folder") }
        } else if !kind.is_file() {
            Entry::LeftOut("a link to a special file")
        } else if real.starts_with(&self.root) || self.is_blob(&real) {
            Entry::File(real)
        } else {
            Entry::LeftOut("a link that leads out of the model's folder")
        }))
    }

    fn is_blob(&self, real: &Path) -> bool {
        self.blobs.as_ref().is_some_and(|blobs| real.starts_with(blobs))
    }
}

/// Whether there is a weight file at `path`. Its link may lead to a regular file anywhere. A folder
/// is not a weight file.
///
/// # Errors
/// It is a special file, or a link to nothing.
pub(crate) fn is_weights(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Err(error) if is_absence(&error) => return Ok(false),
        Err(error) => return Err(Error::io("open", path)(error)),
        Ok(_) => {}
    }
    let (_, kind) = follow(path)?;
    if kind.is_file() || kind.is_dir() {
        return Ok(kind.is_file());
    }
    Err(Error::NotRead { path: path.to_path_buf(), found: open::kind_name(kind) })
}

/// Follows the links at `path` to their end.
fn follow(path: &Path) -> Result<(PathBuf, fs::FileType), Error> {
    let found = fs::canonicalize(path).and_then(|real| Ok((fs::metadata(&real)?.file_type(), real)));
    match found {
        Ok((kind, real)) => Ok((real, kind)),
        Err(error) if is_absence(&error) || leads_in_a_circle(&error) => {
            Err(Error::NotRead { path: path.to_path_buf(), found: "a link to nothing (an unfinished download?)" })
        }
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

/// No file has this name, or a parent in the path is a file.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn leads_in_a_circle(error: &io::Error) -> bool {
    #[cfg(unix)]
    return rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP);
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}
