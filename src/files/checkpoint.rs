//! The files of a model, and where each tensor lies. This serves BF16 sources and DFloat11 models
//! alike; [`account`](super::account) says which files they are.
//!
//! Each file is opened, and its header parsed, once ([`Reader`]). Small files are read once. At the
//! end [`Checkpoint::check_unchanged`] checks that the files are still the ones that were read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::folder::SmallFile;
use super::hub;
use super::own::MAIN_KEY;
use super::superseded::is_superseded;
use crate::safetensors::{Reader, TensorInfo, total};
use crate::{Error, Note};

/// Most files of a model that stay open while it is read. Further files are opened for each
/// reading. Why 64: together with OUTPUT's files it stays far below the 256 that some systems
/// allow, and most models have fewer files.
pub(super) const MAX_HELD: usize = 64;

/// The opened weight files of a model. Headers are read and checked; data is not read yet.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// INPUT as given.
    pub path: PathBuf,
    /// Whether INPUT is a directory.
    pub is_dir: bool,
    /// The weight files, by name.
    pub files: Vec<WeightsFile>,
    /// Every tensor, by its name in the model.
    pub tensors: BTreeMap<String, Place>,
    /// The F32 and F16 tensors that hold BF16 values only, each with the BF16 entry that it is
    /// coded as.
    pub disguised: BTreeMap<String, TensorInfo>,
    /// The name of the file that will hold the tensors outside units.
    pub main_file: &'static str,
    /// config.json and the lists of shards of a source directory.
    pub small: Vec<SmallFile>,
    /// The index of the file that holds the record of the source, in a DFloat11 model.
    pub record_file: Option<usize>,
    /// Weight files that the record of a DFloat11 directory names but that cannot be read or hold
    /// other tensors, each with the reason.
    pub unreadable: Vec<(String, Error)>,
    /// Some tensors of the model are in files that its record does not name: someone rearranged
    /// them.
    pub relaid: bool,
    /// Weight files beside a DFloat11 model that do not belong to it.
    pub strangers: Vec<String>,
    /// Whether an index names all of its tensors.
    pub has_index: bool,
    /// Weight files beside a BF16 model that are carried along as they are.
    pub carried: BTreeSet<String>,
    /// Whether it is a DFloat11 model, whole or damaged.
    pub coded: bool,
    /// What was not read, for the report.
    pub notes: Vec<Note>,
}

/// One weight file.
#[derive(Debug)]
pub(crate) struct WeightsFile {
    /// Its name without a folder.
    pub name: String,
    /// Its checked header.
    pub reader: Reader,
}

/// Where a tensor lies.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its index in `Checkpoint::files`.
    pub file: usize,
    /// Dtype, shape and range.
    pub info: TensorInfo,
}

impl Checkpoint {
    /// A model without files.
    pub fn empty(path: &Path, is_dir: bool, main_file: &'static str) -> Checkpoint {
        Checkpoint {
            path: path.to_path_buf(),
            is_dir,
            files: Vec::new(),
            tensors: BTreeMap::new(),
            disguised: BTreeMap::new(),
            main_file,
            small: Vec::new(),
            record_file: None,
            unreadable: Vec::new(),
            relaid: false,
            strangers: Vec::new(),
            has_index: false,
            carried: BTreeSet::new(),
            coded: false,
            notes: Vec::new(),
        }
    }

    /// Adds a file. `in_model` gives the name in the model of each of its tensors.
    pub fn add(&mut self, name: String, mut reader: Reader, in_model: impl Fn(&str) -> String) -> Result<(), Error> {
        let file = self.files.len();
        if file >= MAX_HELD {
            reader.let_go();
        }
        for (tensor, info) in &reader.header().tensors {
            if let Some(first) = self.tensors.insert(in_model(tensor), Place { file, info: info.clone() }) {
                return Err(Error::TensorTwice {
                    tensor: tensor.clone(),
                    first: self.files[first.file].reader.path().to_path_buf(),
                    second: reader.path().to_path_buf(),
                });
            }
        }
        self.files.push(WeightsFile { name, reader });
        Ok(())
    }

    /// Adds tensors without a file.
    pub fn add_shapes(&mut self, shapes: BTreeMap<String, TensorInfo>) {
        self.tensors.extend(shapes.into_iter().map(|(name, info)| (name, Place { file: 0, info })));
    }

    /// Refuses a source with a tensor that is called as a superseded one would be.
    pub fn check_names(&self) -> Result<(), Error> {
        for WeightsFile { reader, .. } in &self.files {
            if let Some((tensor, info)) = reader.header().tensors.iter().find(|(name, _)| is_superseded(name)) {
                return Err(Error::TensorUnfit {
                    path: reader.path().to_path_buf(),
                    tensor: tensor.clone(),
                    found: format!("{} {:?}", info.dtype, info.shape),
                    expected: "another name: one that ends in `@` and a weight file means a superseded tensor".into(),
                });
            }
        }
        Ok(())
    }

    /// The names of the superseded tensors.
    pub fn superseded(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str).filter(|name| is_superseded(name))
    }

    /// Takes the superseded tensors out, since nothing is written that could restore them.
    pub fn drop_superseded(&mut self) {
        self.tensors.retain(|name, _| !is_superseded(name));
        self.notes.retain(|note| !matches!(note, Note::Superseded { .. }));
        let used: BTreeSet<usize> = self.tensors.values().map(|place| place.file).collect();
        let unused = self.files.iter().enumerate().filter(|(index, _)| !used.contains(index));
        self.notes.extend(unused.map(|(_, file)| Note::NotOfModel { file: file.name.clone() }));
    }

    /// Every tensor of the model with its header entry, by name. A tensor in disguise has the entry
    /// that it is coded as. Superseded tensors are not the model's.
    pub fn infos(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        let info = |(name, place)| self.disguised.get(name).unwrap_or(place);
        self.tensors
            .iter()
            .filter(|(name, _)| !is_superseded(name))
            .map(move |(name, place)| (name.as_str(), info((name, &place.info))))
    }

    /// The file of a tensor.
    pub fn reader(&self, place: &Place) -> &Reader {
        &self.files[place.file].reader
    }

    /// The path of the file that says what a tensor is: its weight file, or a file of shapes.
    pub fn path_of(&self, place: &Place) -> PathBuf {
        self.files.get(place.file).map_or(&*self.path, |file| file.reader.path()).to_path_buf()
    }

    /// The folder where config.json is looked for.
    pub fn folder(&self) -> &Path {
        if self.is_dir { &self.path } else { self.path.parent().unwrap_or(Path::new("")) }
    }

    /// The file that holds the data of the model as a whole.
    pub fn main_path(&self) -> PathBuf {
        match self.record_file {
            Some(file) => self.files[file].reader.path().to_path_buf(),
            None if self.is_dir => self.path.join(self.main_file),
            None => self.path.clone(),
        }
    }

    /// The name of the file with the record, as the metadata of the other weight files give it.
    pub fn main_promised(&self) -> Option<&str> {
        self.files.iter().find_map(|file| file.reader.header().metadata.get(MAIN_KEY)).map(String::as_str)
    }

    /// Checks that all files are still what they were when they were opened.
    ///
    /// # Errors
    /// The first file that has changed.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        self.files.iter().try_for_each(|file| file.reader.check_unchanged())?;
        self.small.iter().try_for_each(|file| file.witness.check())
    }

    /// Bytes of all weight files, or of the data alone if there are no files.
    pub fn file_bytes(&self) -> u64 {
        if self.files.is_empty() {
            return total(self.tensors.values().map(|place| place.info.bytes()));
        }
        total(self.files.iter().map(|file| file.reader.file_bytes()))
    }

    /// The `__metadata__` of all files. If two files hold the same key, the first file counts.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (key, value) in self.files.iter().flat_map(|file| &file.reader.header().metadata) {
            all.entry(key.clone()).or_insert_with(|| value.clone());
        }
        all
    }
}

/// Whether the path is a directory. Links are followed.
pub(super) fn is_directory(path: &Path) -> Result<bool, Error> {
    hub::check_exists(path)?;
    Ok(fs::metadata(path).map_err(Error::io("open", path))?.is_dir())
}
