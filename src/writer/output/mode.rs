//! Who may read the files that we write: nobody who may not read the files that they are made from.
//!
//! ```text
//! a file that we make        the rights that every weight file of INPUT, its configuration and
//!                            its lists of shards have in common
//! a copy                     the rights of the file that is copied
//! a folder                   the rights of INPUT's folder of that name, plus all rights for its
//!                            owner, who must write in it
//! OUTPUT.partial             rights for the owner alone
//! ```
//!
//! The system also applies the user's umask to all of these. Systems without such rights keep their
//! own.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use super::tidy::walk;
use crate::Error;
use crate::files::file_names::{CONFIG_FILE, is_index, is_weights_file};

/// The rights of what a job writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modes {
    /// Rights of files.
    pub file: Mode,
    /// Rights of OUTPUT, if it is a folder.
    pub folder: Mode,
}

impl Modes {
    /// The rights that the model at `input` allows.
    pub fn of(input: &Path) -> Result<Modes, Error> {
        let found = fs::metadata(input).map_err(Error::io("open", input))?;
        if !found.is_dir() {
            return Ok(Modes { file: Mode::FILE.and(Mode::of(&found)), folder: Mode::FOLDER });
        }
        let mut modes = Modes { file: Mode::FILE, folder: Mode::of(&found) };
        walk(input, &mut |name, _| {
            let is_read = is_weights_file(name)
                || name.file_name().is_some_and(|file| file == CONFIG_FILE || is_index(&file.to_string_lossy()));
            if is_read
                && let Ok(found) = fs::metadata(input.join(name))
                && found.is_file()
            {
                modes.file = modes.file.and(Mode::of(&found));
            }
            Ok(())
        })?;
        Ok(modes)
    }
}

/// Rights of owner, group and others: `rwxrwxrwx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode(u32);

impl Mode {
    /// All rights that a file can need.
    const FILE: Mode = Mode(0o666);
    /// All rights that a folder can need.
    const FOLDER: Mode = Mode(0o777);
    /// All rights for the owner alone.
    pub const PRIVATE: Mode = Mode(0o700);
    /// The rights that the owner needs while a file is written.
    #[cfg(unix)]
    const MAKING: u32 = 0o600;

    /// The rights of a file or folder.
    pub fn of(metadata: &Metadata) -> Mode {
        #[cfg(unix)]
        let bits = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        #[cfg(not(unix))]
        let bits = if metadata.is_dir() { 0o777 } else { 0o666 };
        Mode(bits)
    }

    /// The rights that both allow.
    pub fn and(self, other: Mode) -> Mode {
        Mode(self.0 & other.0)
    }

    /// Creates a file and opens it for writing.
    pub fn create(self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.0 | Mode::MAKING);
        options.open(path)
    }

    /// Removes from a finished file the rights that [`Mode::create`] had to add for its owner.
    #[cfg(unix)]
    pub fn settle(self, file: &File) -> io::Result<()> {
        if self.0 & Mode::MAKING == Mode::MAKING {
            return Ok(());
        }
        let now = Mode::of(&file.metadata()?);
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(now.and(self).0))
    }

    /// Does nothing: on this system [`Mode::create`] adds no rights.
    #[cfg(not(unix))]
    pub fn settle(self, _file: &File) -> io::Result<()> {
        Ok(())
    }

    /// Creates a folder and its missing parents. An existing folder is no error.
    pub fn create_folder(self, path: &Path) -> io::Result<()> {
        self.create_folders(path, true)
    }

    /// Creates a folder that must not exist yet.
    pub fn create_new_folder(self, path: &Path) -> io::Result<()> {
        self.create_folders(path, false)
    }

    #[cfg(unix)]
    fn create_folders(self, path: &Path, recursive: bool) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        DirBuilder::new().recursive(recursive).mode(self.0 | Mode::PRIVATE.0).create(path)
    }

    #[cfg(not(unix))]
    fn create_folders(self, path: &Path, recursive: bool) -> io::Result<()> {
        DirBuilder::new().recursive(recursive).create(path)
    }
}
