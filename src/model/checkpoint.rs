//! The files of a model: which they are, and where each tensor lies. For BF16 sources and DFloat11 models alike.
//!
//! A source directory names its weight files itself: `model.safetensors`, the shards of its index, or diffusers' names for the same. A DFloat11
//! directory is all its `.safetensors` files, since readers go by tensor name. Links are followed; nothing is modified.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use df11_core::bf16;

use super::beside::{names, read_small};
use super::names::module_of;
use super::pipeline::parts;
use super::shapes::read_shapes;
use super::spelling::Spelling;
use super::words;
use crate::Error;
use crate::safetensors::{Dtype, Reader, TensorInfo};

/// What a directory's only weight file is called, by family, most common first. With `.index.json` behind: the list of its shards.
pub(crate) const MAIN_FILES: [&str; 2] = ["model.safetensors", "diffusion_pytorch_model.safetensors"];
/// The model's own description, which `dfloat11_config` is part of.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// Bytes of a tensor in disguise that are in memory beside its weights.
const COPY_BYTES: usize = 4 << 20;

/// A model's weight files, opened: headers read and checked, data untouched.
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
    /// F32 and F16 tensors that hold BF16 values only, as the BF16 tensors that they can be coded as.
    pub disguised: BTreeMap<String, TensorInfo>,
    /// The name of the file that the tensors outside units go to.
    pub main_file: &'static str,
    /// What was passed over, for the report.
    pub notes: Vec<String>,
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
    /// Which of the files.
    pub file: usize,
    /// Dtype, shape and range.
    pub info: TensorInfo,
}

impl Checkpoint {
    /// Opens a model to be compressed or compared with.
    pub fn open_source(path: &Path) -> Result<Checkpoint, Error> {
        if !is_directory(path)? {
            return Checkpoint::open_file(path);
        }
        let (names, main_file, index) = match find_source_files(path)? {
            Found::Whole(names, main_file) => (names, main_file, None),
            Found::Sharded(index, main_file) => (shard_names(&index)?, main_file, Some(index)),
        };
        let mut checkpoint = Checkpoint::open_files(path, &names, main_file)?;
        if let Some(index) = index {
            checkpoint.check_index(&index)?;
        }
        for name in weights_files(path)? {
            if !names.contains(&name) {
                let why = if is_consolidated(&name) {
                    "holds the same weights in another form"
                } else {
                    "is not part of the model"
                };
                checkpoint.notes.push(format!("{name} {why} and was left out"));
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
        Checkpoint::open_files(path, &names, main_file.unwrap_or(MAIN_FILES[0]))
    }

    /// A directory of these shapes, which has no files to read.
    pub fn of_shapes(path: &Path) -> Result<Checkpoint, Error> {
        let mut checkpoint = Checkpoint::empty(path, true, MAIN_FILES[0]);
        let places = read_shapes(path)?.into_iter().map(|(name, info)| (name, Place { file: 0, info }));
        checkpoint.tensors = places.collect();
        Ok(checkpoint)
    }

    fn open_file(path: &Path) -> Result<Checkpoint, Error> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut checkpoint = Checkpoint::empty(path, false, MAIN_FILES[0]);
        checkpoint.add(name, Reader::open(path)?)?;
        Ok(checkpoint)
    }

    fn open_files(path: &Path, names: &[String], main_file: &'static str) -> Result<Checkpoint, Error> {
        let mut checkpoint = Checkpoint::empty(path, true, main_file);
        for name in names {
            checkpoint.add(name.clone(), Reader::open(&path.join(name))?)?;
        }
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
            notes: Vec::new(),
        }
    }

    fn add(&mut self, name: String, reader: Reader) -> Result<(), Error> {
        let file = self.files.len();
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

    /// Every tensor of the index must be in the file that the index names.
    fn check_index(&self, index: &Path) -> Result<(), Error> {
        for (tensor, file) in weight_map(index)? {
            let found = self.tensors.get(&tensor).is_some_and(|place| self.files[place.file].name == file);
            if !found {
                let promised_by = index.display().to_string();
                return Err(Error::TensorMissing { path: self.path.join(file), tensor, promised_by });
            }
        }
        Ok(())
    }

    /// Every tensor with its header entry, one in disguise as what it can be coded as, by name.
    pub fn infos(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        let info = |(name, place)| self.disguised.get(name).unwrap_or(place);
        self.tensors.iter().map(move |(name, place)| (name.as_str(), info((name, &place.info))))
    }

    /// Finds the F32 and F16 tensors that hold BF16 values only, among those that a Linear or Embedding may own, or among all: looks at the runs of
    /// weights that `runs` tells for their number, up to the first that is none.
    pub fn find_disguised<R: Iterator<Item = (u64, u64)>>(
        &mut self,
        all: bool,
        runs: impl Fn(u64) -> R,
    ) -> Result<(), Error> {
        let mut found = BTreeMap::new();
        let mut buffer = Vec::new();
        for (name, place) in &self.tensors {
            let info = &place.info;
            let may_be_owned = all || (info.shape.len() == 2 && module_of(name).is_some());
            let wide = Spelling::of(info.dtype.name()).filter(|spelling| may_be_owned && *spelling != Spelling::Bf16);
            let (Some(spelling), false) = (wide, info.bytes() == 0) else { continue };
            let mut all_fit = true;
            for (first, length) in runs(info.bytes() / spelling.bytes() as u64) {
                buffer.resize(length as usize, bf16::ZERO);
                all_fit = self.try_read_weights(name, first, &mut buffer, |_| {})?.is_ok();
                if !all_fit {
                    break;
                }
            }
            if all_fit {
                found.insert(name.clone(), TensorInfo { dtype: Dtype::named("BF16"), ..info.clone() });
            }
        }
        self.disguised = found;
        Ok(())
    }

    /// The number of a tensor's weights, if it is BF16 or in disguise.
    pub fn weights_of(&self, tensor: &str) -> u64 {
        let info = &self.tensors[tensor].info;
        info.bytes() / Spelling::of(info.dtype.name()).map_or(1, Spelling::bytes) as u64
    }

    /// Reads weights of a tensor that is BF16 or in disguise, from weight `first` on. `see` is shown the bytes as they stand in the file.
    pub fn read_weights(
        &self,
        tensor: &str,
        first: u64,
        weights: &mut [bf16],
        see: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let changed = |_| {
            let path = self.reader(&self.tensors[tensor]).path().to_path_buf();
            Error::SourceChanged { path, tensor: tensor.to_owned() }
        };
        self.try_read_weights(tensor, first, weights, see)?.map_err(changed)
    }

    /// The same of any tensor; tells the index of the first value that is no BF16 value.
    fn try_read_weights(
        &self,
        tensor: &str,
        first: u64,
        weights: &mut [bf16],
        mut see: impl FnMut(&[u8]),
    ) -> Result<Result<(), usize>, Error> {
        let place = &self.tensors[tensor];
        let reader = self.reader(place);
        let Some(spelling) = Spelling::of(place.info.dtype.name()) else { return Ok(Err(0)) };
        if spelling == Spelling::Bf16 {
            words::from_file(weights, |bytes| {
                reader.read(tensor, &place.info, first * size_of::<bf16>() as u64, bytes)
            })?;
            see(&words::to_file(weights));
            return Ok(Ok(()));
        }
        let mut bytes = vec![0; COPY_BYTES.min(weights.len() * spelling.bytes())];
        let mut at = first * spelling.bytes() as u64;
        for weights in weights.chunks_mut(COPY_BYTES / spelling.bytes()) {
            let bytes = &mut bytes[..weights.len() * spelling.bytes()];
            reader.read(tensor, &place.info, at, bytes)?;
            if let Err(index) = spelling.read(bytes, weights) {
                return Ok(Err(index));
            }
            see(bytes);
            at += bytes.len() as u64;
        }
        Ok(Ok(()))
    }

    /// The file of a tensor.
    pub fn reader(&self, place: &Place) -> &Reader {
        &self.files[place.file].reader
    }

    /// The folder that config.json is looked for in.
    pub fn folder(&self) -> &Path {
        if self.is_dir { &self.path } else { self.path.parent().unwrap_or(Path::new("")) }
    }

    /// The file that holds what belongs to the whole model.
    pub fn main_path(&self) -> PathBuf {
        if self.is_dir { self.path.join(self.main_file) } else { self.path.clone() }
    }

    /// Bytes of all weight files; of the data alone where there are none.
    pub fn file_bytes(&self) -> u64 {
        if self.files.is_empty() {
            return self.tensors.values().map(|place| place.info.bytes()).sum();
        }
        self.files.iter().map(|file| file.reader.file_bytes()).sum()
    }

    /// The `__metadata__` of all files; where two hold the same key, the first file's.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (key, value) in self.files.iter().flat_map(|file| &file.reader.header().metadata) {
            all.entry(key.clone()).or_insert_with(|| value.clone());
        }
        all
    }
}

enum Found {
    Whole(Vec<String>, &'static str),
    Sharded(PathBuf, &'static str),
}

fn find_source_files(path: &Path) -> Result<Found, Error> {
    for main in MAIN_FILES {
        let index = path.join(format!("{main}.index.json"));
        if path.join(main).is_file() {
            return Ok(Found::Whole(vec![main.to_owned()], main));
        }
        if index.is_file() {
            return Ok(Found::Sharded(index, main));
        }
    }
    let refused = |reason: String| Err(Error::NotAModel { path: path.to_path_buf(), reason });
    let own: Vec<String> = weights_files(path)?.into_iter().filter(|name| !is_consolidated(name)).collect();
    if let Some(shards) = whole_set(&own) {
        return Ok(Found::Whole(shards, MAIN_FILES[0]));
    }
    match own.as_slice() {
        [_] => Ok(Found::Whole(own, MAIN_FILES[0])),
        [] => match weights_files(path)?.as_slice() {
            [_] => Ok(Found::Whole(weights_files(path)?, MAIN_FILES[0])),
            _ => refused(no_weights(path)?),
        },
        many => refused(format!(
            "holds {} .safetensors files and none of {}, nor an index; give one of the files",
            many.len(),
            MAIN_FILES.join(", ")
        )),
    }
}

/// Whether a file holds the same weights as the others in another form: Mistral's own, beside those of transformers.
fn is_consolidated(name: &str) -> bool {
    name.starts_with("consolidated")
}

/// The files, if they are the shards 1 to N of N: `model-00001-of-00003.safetensors`. An index says the same where there is one.
fn whole_set(names: &[String]) -> Option<Vec<String>> {
    let shard = |name: &String| {
        let (number, of) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
        let (stem, number) = number.rsplit_once('-')?;
        Some((stem.to_owned(), number.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
    };
    let shards: Vec<_> = names.iter().map(shard).collect::<Option<_>>()?;
    let (stem, _, of) = shards.first()?.clone();
    let expected: Vec<_> = (1..=names.len()).map(|number| (stem.clone(), number, of)).collect();
    (of == names.len() && shards == expected).then(|| names.to_vec())
}

/// Why a directory without safetensors files is refused, by what it holds instead.
fn no_weights(path: &Path) -> Result<String, Error> {
    let parts = parts(path)?;
    if !parts.is_empty() {
        let parts: Vec<_> = parts.iter().map(|part| part.display().to_string()).collect();
        return Ok(format!("is a pipeline folder; give one of its parts: {}", parts.join(", ")));
    }
    let names = names(path)?;
    let of_kind = |endings: &[&str]| {
        names.iter().find(|name| name.extension().is_some_and(|e| endings.iter().any(|end| e == *end)))
    };
    let found = |name: &Path, advice: &str| format!("holds no .safetensors file, but {}: {advice}", name.display());
    Ok(match (of_kind(&["gguf"]), of_kind(&["bin", "pt", "pth", "ckpt"])) {
        (Some(name), _) => found(name, "GGUF weights are not read; get the BF16 safetensors that they were made from"),
        (_, Some(name)) => found(name, "pickled weights can run code and are not read; save them as safetensors first"),
        _ => "holds no .safetensors file; give a file or directory of safetensors weights".into(),
    })
}

/// The shards that an index names, each once, in order of name.
fn shard_names(index: &Path) -> Result<Vec<String>, Error> {
    let names: BTreeSet<_> = weight_map(index)?.into_values().collect();
    for name in &names {
        plain_name(name, index)?;
    }
    Ok(names.into_iter().collect())
}

fn weight_map(index: &Path) -> Result<BTreeMap<String, String>, Error> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let bytes = read_small(index)?;
    let index: Index = serde_json::from_slice(&bytes).map_err(|error| Error::Json {
        path: index.to_path_buf(),
        reason: format!("expected an index with a `weight_map` of tensor to file: {error}"),
    })?;
    Ok(index.weight_map)
}

/// Refuses a file name that is more than a name: it came from a stranger's file.
pub(crate) fn plain_name(name: &str, found_in: &Path) -> Result<(), Error> {
    let plain = !name.is_empty() && name != "." && !name.contains("..") && !name.contains(['/', '\\', ':', '\0']);
    if plain { Ok(()) } else { Err(Error::NameLeavesDirectory { path: found_in.to_path_buf(), name: name.to_owned() }) }
}

fn is_directory(path: &Path) -> Result<bool, Error> {
    Ok(fs::metadata(path).map_err(Error::io("open", path))?.is_dir())
}

/// Whether a file is called like weights.
pub(crate) fn is_weights_file(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "safetensors")
}

/// The `.safetensors` files of a directory, by name.
pub(crate) fn weights_files(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("open", path))? {
        let name = PathBuf::from(entry.map_err(Error::io("open", path))?.file_name());
        if is_weights_file(&name) && path.join(&name).is_file() {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
