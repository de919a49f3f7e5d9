//! What decompression will write: which files, and where in them each tensor goes. Made before a byte is written, and checked against what the
//! model really holds, so that no size from a record is believed. `verify` makes the same plan: what it calls fine can be restored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::checkpoint::{CONFIG_FILE, Checkpoint};
use super::coded::CodedModel;
use super::config::known_shape;
use super::judge::{Judgement, judge_files};
use super::matrices::{Matrix, Naming};
use super::our_files::{OurFile, check_names};
use super::output::Form;
use super::pattern::PatternDict;
use super::record::{FILES_KEY, PREFIX, Record, SOURCES_KEY, SourceKind, TENSORS_KEY};
use super::spelling::Spelling;
use super::units::weights;
use crate::Error;
use crate::safetensors::{Dtype, Header, Layout, NewTensor};

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
    /// Files of the source that lie beside the weights as copies, each with its checksum; `None` where the record does not tell which do.
    pub copies: Option<Vec<OurFile>>,
    /// Where each tensor goes.
    pub targets: BTreeMap<String, Target>,
    /// The matrices of each unit, in the order of the model's units.
    pub matrices: Vec<Vec<Matrix>>,
    /// Whether the files planned will be the source's, byte for byte.
    pub byte_exact: bool,
    /// What is missing or changed.
    pub judgement: Judgement,
    /// Tensors of the source that the model does not hold.
    pub missing: BTreeSet<String>,
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
        restoration.missing = restoration.check_complete(model)?;
        if let Ok(Some(Record { written: Some(written), .. })) = &model.record {
            restoration.judgement = judge_files(model, written)?;
        }
        let faults = &mut restoration.judgement.faults;
        if faults.is_empty() {
            // Else a file that is missing says it in fewer words.
            faults.extend(restoration.missing.iter().map(|tensor| missing(model, tensor)));
        }
        Ok(restoration)
    }

    /// Plans without these tensors: a file that would hold one is laid out anew with the others.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn leave_out(&mut self, tensors: &BTreeSet<String>, model: &Path) -> Result<(), Error> {
        let files = std::mem::take(&mut self.files);
        for (index, (name, header)) in files.into_iter().enumerate() {
            let of_file = self.targets.iter().filter(|(_, target)| target.file == index);
            let (lost, kept): (Vec<_>, Vec<_>) = of_file.partition(|(tensor, _)| tensors.contains(*tensor));
            let all = lost.len() + kept.len();
            let kept: Vec<NewTensor> = kept
                .into_iter()
                .map(|(tensor, Target { dtype, shape, bytes, .. })| NewTensor {
                    name: tensor.clone(),
                    dtype: dtype.clone(),
                    shape: shape.clone(),
                    bytes: *bytes,
                })
                .collect();
            let lost: Vec<String> = lost.into_iter().map(|(tensor, _)| tensor.clone()).collect();
            let header = match (lost.is_empty(), kept.is_empty()) {
                (true, _) => header,
                (false, true) => {
                    self.notes.push(format!("{name}: none of its {all} tensors is left, so it is not written"));
                    lost.iter().for_each(|tensor| drop(self.targets.remove(tensor)));
                    continue;
                }
                (false, false) => {
                    self.notes.push(format!("{name}: {} of its {all} tensors are left", kept.len()));
                    lost.iter().for_each(|tensor| drop(self.targets.remove(tensor)));
                    self.lay_out_anew(index, &header, kept, model)?
                }
            };
            self.targets.values_mut().filter(|target| target.file == index).for_each(|t| t.file = self.files.len());
            self.files.push((name, header));
        }
        if self.files.is_empty() {
            let reason = "nothing is left of its weights".into();
            return Err(Error::NotAModel { path: model.to_path_buf(), reason });
        }
        Ok(())
    }

    fn lay_out_anew(
        &mut self,
        file: usize,
        header: &[u8],
        tensors: Vec<NewTensor>,
        path: &Path,
    ) -> Result<Vec<u8>, Error> {
        let unreadable = |fault| Error::Unreadable { path: path.to_path_buf(), fault };
        let (_, json) = header.split_at(size_of::<u64>());
        let metadata = Header::parse_without_file(json).map_err(unreadable)?.metadata;
        let layout = Layout::new(tensors).map_err(unreadable)?;
        let header = layout.header(&metadata).map_err(unreadable)?;
        for (name, info) in layout.tensors() {
            if let Some(target) = self.targets.get_mut(name).filter(|target| target.file == file) {
                target.position = header.len() as u64 + info.begin;
            }
        }
        Ok(header)
    }

    fn empty(form: Form) -> Restoration {
        Restoration {
            form,
            files: Vec::new(),
            verbatim: Vec::new(),
            copies: None,
            targets: BTreeMap::new(),
            matrices: Vec::new(),
            byte_exact: false,
            judgement: Judgement::default(),
            missing: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    /// The names of the files that are planned, but for copies.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().chain(&self.verbatim).map(|(name, _)| name.as_str())
    }

    /// Bytes of all tensors.
    pub fn data_bytes(&self) -> u64 {
        self.targets.values().map(|target| target.bytes).sum()
    }

    /// Every target is filled by at most one matrix or raw tensor of its size, and those fill nothing else. Gives the targets that nothing fills.
    fn check_complete(&self, model: &CodedModel) -> Result<BTreeSet<String>, Error> {
        let main = model.checkpoint.main_path();
        let mut open: BTreeMap<&str, &Target> =
            self.targets.iter().map(|(name, target)| (name.as_str(), target)).collect();
        let coded = self.matrices.iter().flatten().map(|matrix| {
            let (dtype, spelling) = match self.targets.get(&matrix.tensor) {
                Some(target) if target.spelling().is_some() => (target.dtype.clone(), target.spelling()),
                _ => (Dtype::named("BF16"), Some(Spelling::Bf16)),
            };
            let bytes = spelling.map_or(0, Spelling::bytes) as u64;
            (matrix.tensor.as_str(), (matrix.weights.end - matrix.weights.start).saturating_mul(bytes), dtype, None)
        });
        let raw = model.raw.iter().map(|name| {
            let info = &model.checkpoint.tensors[name].info;
            (name.as_str(), info.bytes(), info.dtype.clone(), Some(&info.shape))
        });
        for (name, bytes, dtype, shape) in coded.chain(raw) {
            match open.remove(name) {
                Some(target)
                    if target.bytes == bytes
                        && target.dtype == dtype
                        && shape.is_none_or(|shape| *shape == target.shape) => {}
                Some(Target { bytes: expected, dtype: of, shape: sizes, .. }) => {
                    let shape = shape.map(|shape| format!(", {shape:?}")).unwrap_or_default();
                    return Err(Error::TensorUnfit {
                        path: main,
                        tensor: name.to_owned(),
                        found: format!("{bytes} bytes of {dtype}{shape}"),
                        expected: format!("{expected} bytes of {of}, {sizes:?}, by the record of the source"),
                    });
                }
                None => {
                    let reason = format!("it does not know tensor `{name}`, or the model holds it twice");
                    return Err(Error::Record { path: main, key: TENSORS_KEY.into(), reason });
                }
            }
        }
        Ok(open.into_keys().map(str::to_owned).collect())
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
    for source in &record.sources {
        if source.kind == SourceKind::Verbatim {
            verbatim.push((source.name.clone(), source.bytes.clone()));
            continue;
        }
        let of_file = |reason: String| damaged(SOURCES_KEY, format!("`{}`: {reason}", source.name));
        let json =
            source.bytes.split_first_chunk().filter(|(length, json)| u64::from_le_bytes(**length) == json.len() as u64);
        let (_, json) = json.ok_or_else(|| of_file("its header is cut".into()))?;
        let header = Header::parse_without_file(json).map_err(|fault| of_file(fault.to_string()))?;
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
    let mut copies: Option<Vec<OurFile>> = record
        .written
        .as_ref()
        .map(|written| written.files.iter().filter(|file| file.source_name().is_some()).cloned().collect());
    let mut notes = Vec::new();
    let mut byte_exact = true;
    if !model.checkpoint.is_dir && copies.as_ref().is_some_and(|copies| !copies.is_empty()) {
        notes
            .push("the other files of its source lie in the folder of the model; give that to restore them too".into());
        copies = Some(Vec::new());
        byte_exact = form == Form::File;
    }
    if form == Form::Directory {
        let sources = files.iter().chain(&verbatim).map(|(name, _)| name.as_str());
        if let Some(name) = sources.clone().find(|name| name.contains('/')) {
            return Err(damaged(SOURCES_KEY, format!("the file name `{name}` is refused: it names a folder too")));
        }
        let copied = copies.iter().flatten().filter_map(OurFile::source_name);
        check_names(sources.chain(copied)).map_err(|(name, reason)| {
            let key = if record.sources.iter().any(|source| source.name == name) { SOURCES_KEY } else { FILES_KEY };
            damaged(key, format!("the file name `{name}` is refused: {reason}"))
        })?;
    } else {
        if !verbatim.is_empty() {
            notes.push(
                "a file gives one file; decompress its directory for config.json and all that was beside it".into(),
            );
        }
        verbatim.clear();
    }
    Ok(Restoration { byte_exact, files, verbatim, copies, targets, notes, ..Restoration::empty(form) })
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
    let unwritable = |fault| Error::Unwritable {
        path: model.checkpoint.path.clone(),
        file: model.checkpoint.main_file.to_owned(),
        fault: Box::new(fault),
        advice: "without a record of its source it can only be one file; decompress parts of it by themselves",
    };
    let layout = Layout::new(tensors).map_err(unwritable)?;
    let header = layout.header(&metadata).map_err(unwritable)?;
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
    Ok(Restoration { files, verbatim, targets, notes, ..Restoration::empty(form) })
}

/// The shape of a matrix of that many weights, by a model like it or by its architecture.
fn shape_of(model: &CodedModel, like: Option<&Checkpoint>, tensor: &str, count: u64) -> Option<Vec<u64>> {
    let alike = || Some(like?.tensors.get(tensor)?.info.shape.clone());
    let known = || known_shape(model.config.as_ref()?, tensor);
    let fits = |shape: &Vec<u64>| weights(shape) == Some(count);
    alike().filter(fits).or_else(|| known().filter(fits))
}
