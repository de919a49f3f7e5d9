//! The files of a model: which files they are, and where each tensor lies. This serves BF16 sources
//! and DFloat11 models alike.
//!
//! A source directory names its weight files itself: `model.safetensors`, the shards of its index,
//! or diffusers' names for the same. A DFloat11 directory has the `.safetensors` files that its
//! record names. Without a record, all of them belong to it, since readers look tensors up by name.
//! Links are followed. Nothing is modified.
//!
//! Each file is opened, and its header parsed, once ([`Reader`]). Small files are read once. At the
//! end [`Checkpoint::check_unchanged`] checks that the files are still the ones that were read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::file_names::{MAIN_FILES, is_consolidated};
use super::folder::{SmallFile, replaced_files, weights_files};
use super::leaves::has_units;
use super::our_files::Digits;
use super::own::{MAIN_KEY, Own, PREFIX, has_record};
use super::shapes::read_shapes;
use super::weight_files::{Found, find_source_files, no_weights, shard_names, weight_map};
use crate::error::{FileReason, ModelReason, Promise};
use crate::safetensors::{Reader, TensorInfo, total};
use crate::{Error, Note};

/// Most files of a model that stay open while it is read. Further files are opened for each
/// reading. Why 64: together with OUTPUT's files it stays far below the 256 that some systems
/// allow, and most models have fewer files.
const MAX_HELD: usize = 64;

/// The opened weight files of a model. Headers are read and checked; data is not read yet.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// INPUT as given.
    pub path: PathBuf,
    /// Whether INPUT is a directory.
    pub is_dir: bool,
    /// The weight files, by name.
    pub files: Vec<WeightsFile>,
    /// Every tensor, by name.
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
    /// Opens a model that is to be compressed, or that another is compared with.
    pub fn open_source(path: &Path) -> Result<Checkpoint, Error> {
        if !is_directory(path)? {
            return Checkpoint::open_file(path);
        }
        let small = replaced_files(path)?;
        let (names, main_file, index) = match find_source_files(path)? {
            Found::Whole(names, main_file) => (names, main_file, None),
            Found::Sharded(index, main_file) => {
                let file = small.iter().find(|file| file.witness.path() == index);
                let file = file.ok_or_else(|| Error::ChangedMeanwhile { path: index.clone() })?;
                let weight_map = weight_map(&file.bytes, &index)?;
                (shard_names(&weight_map, &index)?, main_file, Some((index, weight_map)))
            }
        };
        let mut checkpoint = Checkpoint { small, ..Checkpoint::empty(path, true, main_file) };
        for name in &names {
            checkpoint.add(name.clone(), Reader::open(&path.join(name))?)?;
        }
        if let Some((index, weight_map)) = index {
            checkpoint.check_index(&index, weight_map)?;
        }
        let of_model: BTreeSet<&String> = names.iter().collect();
        for name in weights_files(path)? {
            if !of_model.contains(&name) {
                checkpoint.notes.push(match is_consolidated(&name) {
                    true => Note::OtherForm { file: name },
                    false => Note::NotOfModel { file: name },
                });
            }
        }
        Ok(checkpoint)
    }

    /// Opens a DFloat11 model.
    pub fn open_coded(path: &Path) -> Result<Checkpoint, Error> {
        if !is_directory(path)? {
            return Checkpoint::open_file(path);
        }
        let names = weights_files(path)?;
        if names.is_empty() {
            return Err(Error::NotAModel { path: path.to_path_buf(), reason: no_weights(path)? });
        }
        let main_file = MAIN_FILES.into_iter().find(|main| names.iter().any(|name| name == main));
        let mut checkpoint = Checkpoint::empty(path, true, main_file.unwrap_or(MAIN_FILES[0]));
        let mut opened = Vec::with_capacity(names.len());
        for name in names {
            let mut reader = Reader::open(&path.join(&name));
            if let (Ok(reader), true) = (&mut reader, opened.len() >= MAX_HELD) {
                reader.let_go();
            }
            opened.push((name, reader));
        }
        let record = record_among(&opened, checkpoint.main_file)
            .map_err(|reason| Error::NotAModel { path: path.to_path_buf(), reason })?;
        let own = record.and_then(|(_, reader)| Own::of(&reader.header().metadata));
        let record = record.map(|(name, _)| name.to_owned());
        let Some(own) = own else {
            // Without a record, all files belong to the model.
            for (name, reader) in opened {
                checkpoint.add_coded(name, reader?, record.as_deref())?;
            }
            return Ok(checkpoint);
        };
        let mut others = Vec::new();
        for (name, reader) in opened {
            let header = own.files.get(&name);
            match reader {
                Ok(reader) if record.as_ref() == Some(&name) => {
                    checkpoint.add_coded(name, reader, record.as_deref())?
                }
                Ok(reader) if is_header(&reader, header) => checkpoint.add_coded(name, reader, None)?,
                Ok(reader) => others.push((name, reader)),
                Err(_) if header.is_none() => checkpoint.strangers.push(name),
                Err(error @ Error::Unreadable { .. }) => checkpoint.unreadable.push((name, error)),
                Err(error) => return Err(error),
            }
        }
        for (name, reader) in others {
            let is_named = own.files.contains_key(&name);
            if own.holds(reader.header()) && checkpoint.holds_none_of(&reader) {
                // These are the model's tensors, but in another file than the one that was written.
                checkpoint.relaid |= !is_named;
                checkpoint.add_coded(name, reader, None)?;
            } else if is_named {
                let path = path.join(&name);
                checkpoint.unreadable.push((name, Error::FileDiffers { path, reason: FileReason::OtherTensors }));
            } else {
                checkpoint.strangers.push(name);
            }
        }
        Ok(checkpoint)
    }

    /// A directory with these shapes and no files to read.
    pub fn of_shapes(path: &Path) -> Result<Checkpoint, Error> {
        let mut checkpoint = Checkpoint::empty(path, true, MAIN_FILES[0]);
        let places = read_shapes(path)?.into_iter().map(|(name, info)| (name, Place { file: 0, info }));
        checkpoint.tensors = places.collect();
        Ok(checkpoint)
    }

    fn open_file(path: &Path) -> Result<Checkpoint, Error> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut checkpoint = Checkpoint::empty(path, false, MAIN_FILES[0]);
        let reader = Reader::open(path)?;
        checkpoint.record_file = has_record(&reader.header().metadata).then_some(0);
        checkpoint.add(name, reader)?;
        Ok(checkpoint)
    }

    fn empty(path: &Path, is_dir: bool, main_file: &'static str) -> Checkpoint {
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
            notes: Vec::new(),
        }
    }

    /// Adds a file of a DFloat11 model. `record` names the file that holds the record.
    fn add_coded(&mut self, name: String, reader: Reader, record: Option<&str>) -> Result<(), Error> {
        if record == Some(&name) {
            self.record_file = Some(self.files.len());
        }
        self.add(name, reader)
    }

    fn holds_none_of(&self, reader: &Reader) -> bool {
        reader.header().tensors.iter().all(|(name, _)| !self.tensors.contains_key(name))
    }

    fn add(&mut self, name: String, mut reader: Reader) -> Result<(), Error> {
        let file = self.files.len();
        if file >= MAX_HELD {
            reader.let_go();
        }
        for (tensor, info) in &reader.header().tensors {
            if let Some(first) = self.tensors.insert(tensor.clone(), Place { file, info: info.clone() }) {
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

    /// Checks that every tensor of the index is in the file that the index names.
    fn check_index(&self, index: &Path, weight_map: BTreeMap<String, String>) -> Result<(), Error> {
        for (tensor, file) in weight_map {
            let found = self.tensors.get(&tensor).is_some_and(|place| self.files[place.file].name == file);
            if !found {
                let promised_by = Promise::Index { index: index.to_path_buf() };
                return Err(Error::TensorMissing { path: self.path.join(file), tensor, promised_by });
            }
        }
        Ok(())
    }

    /// Every tensor with its header entry, by name. A tensor in disguise has the entry that it is
    /// coded as.
    pub fn infos(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        let info = |(name, place)| self.disguised.get(name).unwrap_or(place);
        self.tensors.iter().map(move |(name, place)| (name.as_str(), info((name, &place.info))))
    }

    /// The file of a tensor.
    pub fn reader(&self, place: &Place) -> &Reader {
        &self.files[place.file].reader
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

    /// Whether the model has units, or a record of ours that says why it has none.
    pub fn is_coded(&self) -> bool {
        has_units(self.tensors.keys().map(String::as_str))
            || self.files.iter().any(|file| file.reader.header().metadata.keys().any(|key| key.starts_with(PREFIX)))
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

/// The file with the record: the main file, or another one if the user renamed it.
fn record_among<'a>(
    opened: &'a [(String, Result<Reader, Error>)],
    main_file: &str,
) -> Result<Option<(&'a str, &'a Reader)>, ModelReason> {
    let holders: Vec<(&str, &Reader)> = opened
        .iter()
        .filter_map(|(name, reader)| Some((name.as_str(), reader.as_ref().ok()?)))
        .filter(|(_, reader)| has_record(&reader.header().metadata))
        .collect();
    match (holders.iter().find(|(name, _)| *name == main_file), holders.as_slice()) {
        (Some(main), _) | (None, [main]) => Ok(Some(*main)),
        (None, []) => Ok(None),
        (None, many) => Err(ModelReason::SeveralModels { models: many.len() }),
    }
}

/// Whether the header of a file is the one that was written.
fn is_header(reader: &Reader, expected: Option<&Digits>) -> bool {
    Some(&Digits(xxh3_64(reader.header_bytes()))) == expected
}

fn is_directory(path: &Path) -> Result<bool, Error> {
    Ok(fs::metadata(path).map_err(Error::io("open", path))?.is_dir())
}
