//! What decompression will write: which files, and where in them each tensor goes. Made before a byte is written, and checked against what the
//! model really holds, so that no size from a record is believed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checkpoint::{CONFIG_FILE, Checkpoint};
use super::coded::CodedModel;
use super::config::known_shape;
use super::matrices::{Matrix, Naming};
use super::output::Form;
use super::pattern::PatternDict;
use super::record::{PREFIX, Record, SOURCES_KEY, SourceKind, TENSORS_KEY};
use super::spelling::Spelling;
use super::units::weights;
use super::weight_files::plain_name;
use crate::Error;
use crate::safetensors::{Dtype, Header, Layout, Most, NewTensor};

/// Bytes of one weight.
const WEIGHT_BYTES: u64 = 2;

/// The plan of a decompression.
#[derive(Debug)]
pub(crate) struct Restoration {
    /// One file or a directory, as the source was.
    pub form: Form,
    /// The safetensors files: name and header.
    pub files: Vec<(String, Vec<u8>)>,
    /// Small files that are restored whole.
    pub verbatim: Vec<(String, Vec<u8>)>,
    /// Where each tensor goes.
    pub targets: BTreeMap<String, Target>,
    /// The matrices of each unit, in the order of the model's units.
    pub matrices: Vec<Vec<Matrix>>,
    /// Whether every file will be the source's, byte for byte.
    pub byte_exact: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Where a tensor goes, and what it must be.
#[derive(Debug)]
pub(crate) struct Target {
    /// Which of the files.
    pub file: usize,
    /// Its first byte in the file.
    pub position: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its dtype.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Its checksum, where there is a record.
    pub xxh3: Option<u64>,
}

impl Target {
    /// How a coded tensor is written there; `None` where its dtype never holds BF16 values.
    pub fn spelling(&self) -> Option<Spelling> {
        Spelling::of(self.dtype.name())
    }
}

impl Restoration {
    /// Plans from the record of the source, else from what `given`, `like` and config.json tell.
    pub fn plan(model: &CodedModel, given: Option<&PatternDict>, like: Option<&Path>) -> Result<Restoration, Error> {
        let naming = Naming::of(model, given)?;
        let matrices = model.units.iter().map(|unit| naming.matrices(model, unit)).collect::<Result<Vec<_>, _>>()?;
        let mut restoration = match &model.record {
            Ok(Some(record)) => from_record(model, record)?,
            _ => from_shapes(model, &matrices, like)?,
        };
        restoration.matrices = matrices;
        restoration.check_complete(model)?;
        Ok(restoration)
    }

    /// Bytes of all tensors.
    pub fn data_bytes(&self) -> u64 {
        self.targets.values().map(|target| target.bytes).sum()
    }

    /// Every target is filled by exactly one matrix or raw tensor of its size, and those fill nothing else.
    fn check_complete(&self, model: &CodedModel) -> Result<(), Error> {
        let main = model.checkpoint.main_path();
        let mut open: BTreeMap<&str, &Target> =
            self.targets.iter().map(|(name, target)| (name.as_str(), target)).collect();
        let coded = self.matrices.iter().flatten().map(|matrix| {
            let (dtype, spelling) = match self.targets.get(&matrix.tensor) {
                Some(target) if target.spelling().is_some() => (target.dtype.clone(), target.spelling()),
                _ => (Dtype::named("BF16"), Some(Spelling::Bf16)),
            };
            let bytes = spelling.map_or(0, Spelling::bytes) as u64;
            (matrix.tensor.as_str(), (matrix.weights.end - matrix.weights.start).saturating_mul(bytes), dtype)
        });
        let raw = model.raw.iter().map(|name| {
            let info = &model.checkpoint.tensors[name].info;
            (name.as_str(), info.bytes(), info.dtype.clone())
        });
        for (name, bytes, dtype) in coded.chain(raw) {
            match open.remove(name) {
                Some(target) if target.bytes == bytes && target.dtype == dtype => {}
                Some(target) => {
                    return Err(Error::TensorUnfit {
                        path: main,
                        tensor: name.to_owned(),
                        found: format!("{bytes} bytes of {dtype}"),
                        expected: format!("{} bytes of {} by the record of the source", target.bytes, target.dtype),
                    });
                }
                None => {
                    let reason = format!("it does not know tensor `{name}`, or the model holds it twice");
                    return Err(Error::Record { path: main, key: TENSORS_KEY.into(), reason });
                }
            }
        }
        match open.into_keys().next() {
            Some(tensor) => Err(missing(model, tensor)),
            None => Ok(()),
        }
    }
}

fn missing(model: &CodedModel, tensor: &str) -> Error {
    let promised_by = "the record of the source".into();
    Error::TensorMissing { path: model.checkpoint.path.clone(), tensor: tensor.to_owned(), promised_by }
}

/// The source's own headers say where everything goes.
fn from_record(model: &CodedModel, record: &Record) -> Result<Restoration, Error> {
    let main = model.checkpoint.main_path();
    let damaged = |key: &str, reason: String| Error::Record { path: main.clone(), key: key.to_owned(), reason };
    let (mut files, mut verbatim, mut targets) = (Vec::new(), Vec::new(), BTreeMap::new());
    let shape_entries = record.tensors.values().map(|tensor| tensor.shape.len()).sum();
    let most = Most { tensors: record.tensors.len(), shape_entries };
    for source in &record.sources {
        if source.kind == SourceKind::Verbatim {
            verbatim.push((source.name.clone(), source.bytes.clone()));
            continue;
        }
        let of_file = |reason: String| damaged(SOURCES_KEY, format!("`{}`: {reason}", source.name));
        let json =
            source.bytes.split_first_chunk().filter(|(length, json)| u64::from_le_bytes(**length) == json.len() as u64);
        let (_, json) = json.ok_or_else(|| of_file("its header is cut".into()))?;
        let header = Header::parse_without_file(json, most).map_err(|fault| of_file(fault.to_string()))?;
        for (name, info) in header.tensors {
            let bytes = info.bytes();
            let known = record.tensors.get(&name).filter(|t| t.dtype == info.dtype.name() && t.shape == info.shape);
            let position =
                info.begin.checked_add(source.bytes.len() as u64).filter(|begin| begin.checked_add(bytes).is_some());
            let (Some(known), Some(position)) = (known, position) else {
                return Err(damaged(
                    TENSORS_KEY,
                    format!("it contradicts the header of `{}` about `{name}`", source.name),
                ));
            };
            let target = Target {
                file: files.len(),
                position,
                bytes,
                dtype: info.dtype,
                shape: info.shape,
                xxh3: Some(known.xxh3),
            };
            if targets.insert(name.clone(), target).is_some() {
                return Err(of_file(format!("tensor `{name}` is in another file too")));
            }
        }
        files.push((source.name.clone(), source.bytes.clone()));
    }
    if let Some(name) = record.tensors.keys().find(|name| !targets.contains_key(*name)) {
        return Err(damaged(SOURCES_KEY, format!("no header holds tensor `{name}`")));
    }
    let form = if model.checkpoint.is_dir || files.len() != 1 { Form::Directory } else { Form::File };
    let mut notes = Vec::new();
    if form == Form::Directory {
        let mut names: Vec<&str> = files.iter().chain(&verbatim).map(|(name, _)| name.as_str()).collect();
        names.iter().try_for_each(|name| plain_name(name, &main))?;
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(damaged(SOURCES_KEY, format!("file `{}` is there twice", pair[0])));
        }
    } else if !verbatim.is_empty() {
        notes.push("a file gives one file; decompress its directory for config.json and all that was beside it".into());
        verbatim.clear();
    }
    Ok(Restoration { form, files, verbatim, targets, matrices: Vec::new(), byte_exact: true, notes })
}

/// One new file, in the order of the reference writer.
fn from_shapes(model: &CodedModel, matrices: &[Vec<Matrix>], like: Option<&Path>) -> Result<Restoration, Error> {
    let like = like.map(Checkpoint::open_source).transpose()?;
    let mut flat = Vec::new();
    let mut tensors = Vec::new();
    for matrix in matrices.iter().flatten() {
        let count = matrix.weights.end - matrix.weights.start;
        let shape = shape_of(model, like.as_ref(), &matrix.tensor, count).unwrap_or_else(|| {
            flat.push(matrix.tensor.as_str());
            vec![count]
        });
        let name = matrix.tensor.clone();
        tensors.push(NewTensor { name, dtype: Dtype::named("BF16"), shape, bytes: count * WEIGHT_BYTES });
    }
    for name in &model.raw {
        let info = &model.checkpoint.tensors[name].info;
        let (dtype, shape) = (info.dtype.clone(), info.shape.clone());
        tensors.push(NewTensor { name: name.clone(), dtype, shape, bytes: info.bytes() });
    }
    let mut metadata = model.checkpoint.metadata();
    metadata.retain(|key, _| !key.starts_with(PREFIX));
    let layout = Layout::new(tensors);
    let path: PathBuf = model.checkpoint.main_path();
    let header = layout.header(&metadata).map_err(|fault| Error::Unreadable { path, fault })?;
    let target = |(name, info): &(String, crate::safetensors::TensorInfo)| {
        let (dtype, shape) = (info.dtype.clone(), info.shape.clone());
        let position = header.len() as u64 + info.begin;
        (name.clone(), Target { file: 0, position, bytes: info.bytes(), dtype, shape, xxh3: None })
    };
    let targets = layout.tensors().iter().map(target).collect();
    let (form, mut verbatim) = match model.checkpoint.is_dir {
        true => (Form::Directory, Vec::new()),
        false => (Form::File, Vec::new()),
    };
    if form == Form::Directory
        && let Some(text) = model.config.as_ref().and_then(|config| config.text_with(None))
    {
        verbatim.push((CONFIG_FILE.to_owned(), text.into_bytes()));
    }
    let mut notes = Vec::new();
    if let Some(first) = flat.first() {
        notes.push(format!(
            "the shapes of {} tensors are known from nowhere (`{first}` is the first): they are flat, one dimension each; \
             give the BF16 model with --like to restore their shapes",
            flat.len()
        ));
    }
    let files = vec![(model.checkpoint.main_file.to_owned(), header)];
    Ok(Restoration { form, files, verbatim, targets, matrices: Vec::new(), byte_exact: false, notes })
}

/// The shape of a matrix of that many weights, by a model like it or by its architecture.
fn shape_of(model: &CodedModel, like: Option<&Checkpoint>, tensor: &str, count: u64) -> Option<Vec<u64>> {
    let alike = || Some(like?.tensors.get(tensor)?.info.shape.clone());
    let known = || known_shape(model.config.as_ref()?, tensor);
    let fits = |shape: &Vec<u64>| weights(shape) == Some(count);
    alike().filter(fits).or_else(|| known().filter(fits))
}
