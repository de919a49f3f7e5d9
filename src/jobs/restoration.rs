//! The plan of a decompression: which files it will write, and where in them each tensor goes. The
//! plan is made before a byte is written, and checked against what the model really holds, so no
//! size from a record is trusted. `verify` makes the same plan: what it calls sound can be
//! restored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::completeness::Completeness;
use super::judge::{Judgement, judge_files};
use crate::error::{Fitting, NameReason, Promise, RecordReason};
use crate::files::checkpoint::Checkpoint;
use crate::files::file_names::CONFIG_FILE;
use crate::files::our_files::{OurFile, check_names};
use crate::files::own::{FILES_KEY, PREFIX, TENSORS_KEY};
use crate::files::spelling::Spelling;
use crate::files::superseded;
use crate::naming::pattern::PatternDict;
use crate::reader::shapes::Shapes;
use crate::record::coded::CodedModel;
use crate::record::matrices::{Matrix, Naming};
use crate::record::source::{Record, SOURCES_KEY, SourceKind, Written};
use crate::safetensors::{Dtype, Header, Layout, Most, NewTensor, total};
use crate::writer::output::Form;
use crate::{Error, Note};

const WEIGHT_BYTES: u64 = 2;

/// The plan of a decompression.
#[derive(Debug)]
pub(crate) struct Restoration {
    /// One file or a directory, like the source.
    pub form: Form,
    /// The safetensors files: name and header.
    pub files: Vec<(String, Vec<u8>)>,
    /// Small files that are restored whole.
    pub verbatim: Vec<(String, Vec<u8>)>,
    /// Files of the source that lie next to the weights as copies, each with its checksum; `None`
    /// if the record does not tell which.
    pub copies: Option<Vec<OurFile>>,
    /// Where each tensor goes.
    pub targets: BTreeMap<String, Target>,
    /// The matrices of each unit, in the order of the model's units.
    pub matrices: Vec<Vec<Matrix>>,
    /// Whether the planned files will be the source's, byte for byte.
    pub byte_exact: bool,
    /// What is missing or changed.
    pub judgement: Judgement,
    /// Tensors of the source that the model does not hold.
    pub missing: BTreeSet<String>,
    /// Whether the model is complete.
    pub completeness: Completeness,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// Where a tensor goes, and what it must be.
#[derive(Debug)]
pub(crate) struct Target {
    /// The index of the file.
    pub file: usize,
    /// The offset of its first byte in the file.
    pub position: u64,
    /// The number of its bytes.
    pub bytes: u64,
    /// Its dtype.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Its checksum, if there is a record.
    pub xxh3: Option<u64>,
}

impl Target {
    /// How a coded tensor is written there; `None` if its dtype never holds BF16 values.
    pub fn spelling(&self) -> Option<Spelling> {
        Spelling::of(self.dtype.name())
    }

    /// Why this number of bytes of this dtype cannot fill the target. The shape is compared too, if
    /// the model has one.
    fn unfit(&self, path: PathBuf, tensor: &str, bytes: u64, dtype: &Dtype, shape: Option<&Vec<u64>>) -> Option<Error> {
        if self.bytes == bytes && self.dtype == *dtype && shape.is_none_or(|shape| *shape == self.shape) {
            return None;
        }
        let shape = shape.map(|shape| format!(", {shape:?}")).unwrap_or_default();
        Some(Error::TensorUnfit {
            path,
            tensor: tensor.to_owned(),
            found: format!("{bytes} bytes of {dtype}{shape}"),
            expected: format!("{} bytes of {}, {:?}, by the record of the source", self.bytes, self.dtype, self.shape),
        })
    }
}

impl Restoration {
    /// Plans from the record of the source. Without a record, plans from `given`, `like` and
    /// config.json.
    pub fn plan(model: &CodedModel, given: Option<&PatternDict>, like: Option<&Path>) -> Result<Restoration, Error> {
        let mut naming = Naming::of(model, given)?;
        let (mut matrices, mut faults) = (Vec::with_capacity(model.units.len()), Vec::new());
        for unit in &model.units {
            match naming.matrices(model, unit) {
                Err(error @ Error::UnitDamaged { .. }) if naming.is_by_record() => {
                    faults.push(error);
                    matrices.push(Vec::new());
                }
                found => matrices.push(found?),
            }
        }
        let mut restoration = match &model.record {
            Ok(Some(record)) => from_record(model, record)?,
            _ => from_shapes(model, &matrices, like)?,
        };
        restoration.matrices = matrices;
        restoration.missing = restoration.check_complete(model, &mut faults)?;
        if let Ok(Some(Record { written: Some(written), .. })) = &model.record {
            restoration.judgement = judge_files(model, written)?;
        }
        let Judgement { faults: of_files, gone, notes } = &mut restoration.judgement;
        match gone.first() {
            Some(first) if model.checkpoint.relaid && restoration.missing.is_empty() => {
                notes.push(Note::LaidOutAnew { missing: first.to_string() });
            }
            _ => faults.append(gone),
        }
        faults.append(of_files);
        // A unit or raw tensor that is there but unsound was already reported.
        let there = model.units.iter().filter_map(|unit| model.record.as_ref().ok()?.as_ref()?.units.get(&unit.name));
        let there: BTreeSet<&String> = there.flatten().chain(&model.raw).collect();
        let absent = restoration.missing.iter().filter(|tensor| !there.contains(tensor));
        faults.extend(absent.map(|tensor| missing(model, tensor)));
        restoration.judgement.faults = faults;
        Ok(restoration)
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
            completeness: Completeness::Unknown,
            notes: Vec::new(),
        }
    }

    /// The names of the planned files, except copies.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().chain(&self.verbatim).map(|(name, _)| name.as_str())
    }

    /// Bytes of all tensors, by what headers claim.
    pub fn data_bytes(&self) -> u64 {
        total(self.targets.values().map(|target| target.bytes))
    }

    /// Checks that at most one matrix or raw tensor of the right size fills each target, and that
    /// each of them has a target. Returns the targets that nothing fills. A unit with a matrix that
    /// does not fit fills none.
    fn check_complete(&mut self, model: &CodedModel, faults: &mut Vec<Error>) -> Result<BTreeSet<String>, Error> {
        let targets = &self.targets;
        let mut open: BTreeSet<&str> = targets.keys().map(String::as_str).collect();
        let unknown = |name: &str| {
            let reason = RecordReason::TensorUnknown { tensor: name.to_owned() };
            Error::Record { path: model.checkpoint.main_path(), key: TENSORS_KEY.into(), reason }
        };
        for (unit, matrices) in model.units.iter().zip(&mut self.matrices) {
            let faults_before = faults.len();
            for matrix in matrices.iter() {
                let target = targets.get(&matrix.tensor).ok_or_else(|| unknown(&matrix.tensor))?;
                let (dtype, bytes) = match target.spelling() {
                    Some(spelling) => (target.dtype.clone(), spelling.bytes()),
                    None => (Dtype::named("BF16"), Spelling::Bf16.bytes()),
                };
                let bytes = (matrix.weights.end - matrix.weights.start).saturating_mul(bytes as u64);
                faults.extend(target.unfit(model.unit_path(unit), &matrix.tensor, bytes, &dtype, None));
            }
            if faults.len() > faults_before {
                matrices.clear();
            }
            for matrix in matrices.iter() {
                let was_open = open.remove(matrix.tensor.as_str());
                was_open.then_some(()).ok_or_else(|| unknown(&matrix.tensor))?;
            }
        }
        for name in &model.raw {
            let info = &model.checkpoint.tensors[name].info;
            let target = targets.get(name).filter(|_| open.contains(name.as_str())).ok_or_else(|| unknown(name))?;
            let path = model.checkpoint.reader(&model.checkpoint.tensors[name]).path().to_path_buf();
            match target.unfit(path, name, info.bytes(), &info.dtype, Some(&info.shape)) {
                Some(fault) => faults.push(fault),
                None => drop(open.remove(name.as_str())),
            }
        }
        Ok(open.into_iter().map(str::to_owned).collect())
    }
}

fn missing(model: &CodedModel, tensor: &str) -> Error {
    let (path, tensor) = (model.checkpoint.path.clone(), tensor.to_owned());
    Error::TensorMissing { path, tensor, promised_by: Promise::Record }
}

/// The source's own headers say where everything goes.
fn from_record(model: &CodedModel, record: &Record) -> Result<Restoration, Error> {
    let main = model.checkpoint.main_path();
    let damaged = |key: &str, reason| Error::Record { path: main.clone(), key: key.to_owned(), reason };
    let (mut files, mut verbatim, mut targets) = (Vec::new(), Vec::new(), BTreeMap::new());
    let shape_entries = record.tensors.values().map(|tensor| tensor.shape.len()).sum();
    let most = Most { tensors: record.tensors.len(), shape_entries };
    for source in &record.sources {
        if source.kind == SourceKind::Verbatim {
            verbatim.push((source.name.clone(), source.bytes.clone()));
            continue;
        }
        let file = || source.name.clone();
        let json =
            source.bytes.split_first_chunk().filter(|(length, json)| u64::from_le_bytes(**length) == json.len() as u64);
        let (_, json) = json.ok_or_else(|| damaged(SOURCES_KEY, RecordReason::HeaderCut { file: file() }))?;
        let header = Header::parse_without_file(json, most)
            .map_err(|fault| damaged(SOURCES_KEY, RecordReason::Header { file: file(), fault: Box::new(fault) }))?;
        for (name, info) in header.tensors {
            let superseded = superseded::name(&name, &source.name);
            let name = if record.tensors.contains_key(&superseded) { superseded } else { name };
            let bytes = info.bytes();
            let known = record.tensors.get(&name).filter(|t| t.dtype == info.dtype.name() && t.shape == info.shape);
            let position =
                info.begin.checked_add(source.bytes.len() as u64).filter(|begin| begin.checked_add(bytes).is_some());
            let (Some(known), Some(position)) = (known, position) else {
                return Err(damaged(TENSORS_KEY, RecordReason::Contradicts { file: file(), tensor: name }));
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
                return Err(damaged(SOURCES_KEY, RecordReason::TensorTwice { file: file(), tensor: name }));
            }
        }
        files.push((source.name.clone(), source.bytes.clone()));
    }
    if let Some(name) = record.tensors.keys().find(|name| !targets.contains_key(*name)) {
        return Err(damaged(SOURCES_KEY, RecordReason::TensorNowhere { tensor: name.clone() }));
    }
    let form = if model.checkpoint.is_dir || files.len() != 1 { Form::Directory } else { Form::File };
    let mut copies: Option<Vec<OurFile>> = record
        .written
        .as_ref()
        .map(|written| written.files.iter().filter(|file| file.source_name().is_some()).cloned().collect());
    let mut notes = Vec::new();
    if let Some(Written { left_out, .. }) = record.written.as_ref().filter(|written| !written.left_out.is_empty()) {
        notes.push(Note::WasLeftOut { files: left_out.clone() });
    }
    let mut byte_exact = true;
    if !model.checkpoint.is_dir && copies.as_ref().is_some_and(|copies| !copies.is_empty()) {
        notes.push(Note::FolderNotGiven);
        copies = Some(Vec::new());
        byte_exact = form == Form::File;
    }
    if form == Form::Directory {
        let sources = files.iter().chain(&verbatim).map(|(name, _)| name.as_str());
        if let Some(name) = sources.clone().find(|name| name.contains('/')) {
            let (name, reason) = (name.to_owned(), NameReason::Folder);
            return Err(damaged(SOURCES_KEY, RecordReason::Name { name, reason }));
        }
        let copied = copies.iter().flatten().filter_map(OurFile::source_name);
        check_names(sources.chain(copied)).map_err(|(name, reason)| {
            let key = if record.sources.iter().any(|source| source.name == name) { SOURCES_KEY } else { FILES_KEY };
            damaged(key, RecordReason::Name { name, reason })
        })?;
    } else {
        if !verbatim.is_empty() {
            notes.push(Note::FileGivesFile);
        }
        verbatim.clear();
    }
    Ok(Restoration { byte_exact, files, verbatim, copies, targets, notes, ..Restoration::empty(form) })
}

/// One new file, in the order of the reference writer.
fn from_shapes(model: &CodedModel, matrices: &[Vec<Matrix>], like: Option<&Path>) -> Result<Restoration, Error> {
    let mut like = like.map(Checkpoint::open_bf16).transpose()?;
    if let Some(like) = &mut like {
        let matrices = matrices.iter().flatten().map(|matrix| matrix.tensor.clone());
        like.match_prefix(&matrices.chain(model.raw.iter().cloned()).collect());
    }
    let shapes = Shapes::new(model, like.as_ref());
    let mut flat = Vec::new();
    let mut tensors = Vec::new();
    for matrix in matrices.iter().flatten() {
        let count = matrix.weights.end - matrix.weights.start;
        let shape = shapes.of(&matrix.tensor, count).unwrap_or_else(|| {
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
        fitting: Fitting::PartsAlone,
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
        notes.push(Note::Flat { tensors: flat.len(), first: (*first).to_owned() });
    }
    let files = vec![(model.checkpoint.main_file.to_owned(), header)];
    Ok(Restoration { files, verbatim, targets, notes, ..Restoration::empty(form) })
}
