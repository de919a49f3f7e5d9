//! The weight files of a folder, each opened once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::files::checkpoint::MAX_HELD;
use crate::files::folder::{SmallFile, replaced_files, weights_files};
use crate::files::leaves::has_units;
use crate::files::links::is_weights;
use crate::files::own::PREFIX;
use crate::safetensors::Reader;

/// The weight files of a folder.
pub(super) struct Folder {
    pub path: PathBuf,
    /// Each weight file by name: opened, or the reason why it cannot be.
    files: BTreeMap<String, Result<Reader, Error>>,
}

impl Folder {
    /// Opens every weight file of a folder.
    ///
    /// # Errors
    /// The folder cannot be listed, or a link in it leads to nothing.
    pub fn open(path: &Path) -> Result<Folder, Error> {
        let mut folder = Folder { path: path.to_path_buf(), files: BTreeMap::new() };
        for name in weights_files(path)? {
            folder.open_one(name);
        }
        Ok(folder)
    }

    fn open_one(&mut self, name: String) {
        let mut reader = Reader::open(&self.path.join(&name));
        if let (Ok(reader), true) = (&mut reader, self.files.len() >= MAX_HELD) {
            reader.let_go();
        }
        self.files.insert(name, reader);
    }

    /// The names of the weight files, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether the file `name` is there. A list of shards may give a shard any name.
    pub fn has(&self, name: &str) -> Result<bool, Error> {
        Ok(self.files.contains_key(name) || is_weights(&self.path.join(name))?)
    }

    /// The opened file `name`.
    pub fn opened(&self, name: &str) -> Option<&Reader> {
        self.files.get(name)?.as_ref().ok()
    }

    /// Takes the opened file `name` out.
    ///
    /// # Errors
    /// It could not be opened.
    pub fn take(&mut self, name: &str) -> Result<Reader, Error> {
        self.files.remove(name).unwrap_or_else(|| Reader::open(&self.path.join(name)))
    }

    /// The files that were not taken, in order.
    pub fn rest(self) -> impl Iterator<Item = (String, Result<Reader, Error>)> {
        self.files.into_iter()
    }

    /// config.json and the lists of shards.
    pub fn read_small(&self) -> Result<Vec<SmallFile>, Error> {
        replaced_files(&self.path)
    }

    /// The files that could be opened.
    pub fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.files.values().filter_map(|reader| reader.as_ref().ok())
    }
}

/// Whether a file holds units, or metadata of ours.
pub(super) fn is_marked(reader: &Reader) -> bool {
    let header = reader.header();
    has_units(header.tensors.iter().map(|(name, _)| name.as_str()))
        || header.metadata.keys().any(|key| key.starts_with(PREFIX))
}
