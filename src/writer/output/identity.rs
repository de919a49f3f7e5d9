//! Which file or folder a path leads to, however the path is spelled.
//!
//! Spelling says little: `..`, links, bind mounts, hard links and file systems without case give one file many paths. Device and inode are the same for
//! all of them. Systems without inodes have the canonical path.

use std::fs::{self, File};
use std::io;
use std::path::Path;

#[cfg(unix)]
type Key = (u64, u64);
#[cfg(not(unix))]
type Key = std::path::PathBuf;

/// Equal for two paths if they lead to the same file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity(Key);

#[cfg(unix)]
impl Identity {
    /// Of what `path` leads to in the end.
    pub fn of(path: &Path) -> io::Result<Identity> {
        fs::metadata(path).map(|metadata| Identity::from(&metadata))
    }

    /// Of what has the name `path` itself, a link where it is one.
    pub fn of_name(path: &Path) -> io::Result<Identity> {
        fs::symlink_metadata(path).map(|metadata| Identity::from(&metadata))
    }

    fn from(metadata: &fs::Metadata) -> Identity {
        use std::os::unix::fs::MetadataExt;
        Identity((metadata.dev(), metadata.ino()))
    }
}

#[cfg(not(unix))]
impl Identity {
    /// Of what `path` leads to in the end.
    pub fn of(path: &Path) -> io::Result<Identity> {
        fs::canonicalize(path).map(Identity)
    }

    /// Of what has the name `path` itself, a link where it is one.
    pub fn of_name(path: &Path) -> io::Result<Identity> {
        fs::symlink_metadata(path)?;
        let parent = fs::canonicalize(super::tidy::parent(path))?;
        Ok(Identity(parent.join(path.file_name().unwrap_or_default())))
    }
}

/// Whether the name `path` still leads to this open file.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    Ok(Identity::from(&file.metadata()?) == Identity::of_name(path)?)
}

/// Whether the name `path` still leads to this open file: what nobody may delete while it is open.
#[cfg(not(unix))]
pub(super) fn is_at(_file: &File, path: &Path) -> io::Result<bool> {
    fs::symlink_metadata(path).map(|_| true)
}

/// What a file or folder keeps when it is renamed: its inode. Not its device, whose number may be another after the next mount.
#[cfg(unix)]
pub(super) fn inode(path: &Path) -> io::Result<u64> {
    fs::symlink_metadata(path).map(|metadata| std::os::unix::fs::MetadataExt::ino(&metadata))
}

/// What a file or folder keeps when it is renamed: nothing that this system tells.
#[cfg(not(unix))]
pub(super) fn inode(path: &Path) -> io::Result<u64> {
    fs::symlink_metadata(path).map(|_| 0)
}

/// Whether a folder is where another file system is mounted: such a folder cannot be renamed.
#[cfg(unix)]
pub(super) fn is_mount_point(path: &Path) -> bool {
    let device = |path: &Path| Identity::of(path).ok().map(|identity| identity.0.0);
    device(path) != device(super::tidy::parent(path))
}

/// Whether a folder is where another file system is mounted: not that this system tells.
#[cfg(not(unix))]
pub(super) fn is_mount_point(_path: &Path) -> bool {
    false
}
