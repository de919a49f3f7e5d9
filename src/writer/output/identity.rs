//! Tells which file or folder a path leads to, however the path is spelled.
//!
//! The spelling proves little: `..`, links, bind mounts, hard links and file systems without case
//! give one file many paths. Device and inode are the same for all of them. On systems without
//! inodes, the canonical path is used.

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
    /// The identity of the file at the end of the links of `path`.
    pub fn of(path: &Path) -> io::Result<Identity> {
        fs::metadata(path).map(|metadata| Identity::from(&metadata))
    }

    /// The identity of what `path` itself names; a link is not followed.
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
    /// The identity of the file at the end of the links of `path`.
    pub fn of(path: &Path) -> io::Result<Identity> {
        fs::canonicalize(path).map(Identity)
    }

    /// The identity of what `path` itself names; a link is not followed.
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

/// Whether the name `path` still leads to this open file. On these systems nobody can delete an
/// open file, so it is enough that the name exists.
#[cfg(not(unix))]
pub(super) fn is_at(_file: &File, path: &Path) -> io::Result<bool> {
    fs::symlink_metadata(path).map(|_| true)
}

/// The part of an identity that survives a rename: the inode. The device number is left out,
/// because it may change with the next mount.
#[cfg(unix)]
pub(super) fn inode(path: &Path) -> io::Result<u64> {
    fs::symlink_metadata(path).map(|metadata| std::os::unix::fs::MetadataExt::ino(&metadata))
}

/// The part of an identity that survives a rename. This system reports none.
#[cfg(not(unix))]
pub(super) fn inode(path: &Path) -> io::Result<u64> {
    fs::symlink_metadata(path).map(|_| 0)
}

/// Whether another file system is mounted on a folder. Such a folder cannot be renamed.
#[cfg(unix)]
pub(super) fn is_mount_point(path: &Path) -> bool {
    let device = |path: &Path| Identity::of(path).ok().map(|identity| identity.0.0);
    device(path) != device(super::tidy::parent(path))
}

/// Whether another file system is mounted on a folder. This system does not report it.
#[cfg(not(unix))]
pub(super) fn is_mount_point(_path: &Path) -> bool {
    false
}
