//! Checks whether a DFloat11 model is what it should be: first its structure, then against the
//! record of its source, then against the source itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use df11_core::bf16;

use super::completeness::{self, Completeness};
use super::judge::{Judgement, judge_data, judge_manifest};
use super::memory::check_units;
use super::restoration::{Restoration, Target};
use crate::error::Promise;
use crate::files::checkpoint::Checkpoint;
use crate::files::our_files::OurFile;
use crate::files::spelling::Spelling;
use crate::naming::pattern::PatternDict;
use crate::progress::{Early, Progress};
use crate::record::checksum::TensorHash;
use crate::record::coded::{CodedModel, CodedUnit};
use crate::record::manifest::{Input, Part, Pipeline};
use crate::record::matrices::{Matrix, Naming, matrices_of_tile};
use crate::record::source::Record;
use crate::record::tiles::{Decoding, decode_tiles};
use crate::safetensors::total;
use crate::{Error, Note};

/// How to verify.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// For a model without a record of its source: which modules are units. Replaces the model's
    /// own `pattern_dict`.
    pub pattern_dict: Option<PatternDict>,
    /// The source, to be compared bit by bit.
    pub against: Option<PathBuf>,
    /// Refuse a model with a unit that needs more bytes of memory than this.
    pub memory: Option<u64>,
}

/// What was found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Units that decode, with every gap and output position checked.
    pub units: usize,
    /// The number of their weights.
    pub weights: u64,
    /// Tensors that are not coded.
    pub raw_tensors: usize,
    /// Tensors with the checksum that the record states; `None` if the model has no record.
    pub checksums: Option<usize>,
    /// Files that are unchanged, by the record's checksums of them. `None` if no record tells:
    /// there is none, it is of version 1, or a file was given without its folder.
    pub files: Option<usize>,
    /// Tensors equal to the source's; `None` if no source was given.
    pub compared: Option<usize>,
    /// Whether the model is complete.
    pub completeness: Completeness,
    /// What is wrong, in the order found; empty for a sound model.
    pub failures: Vec<Error>,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// Steps of a unit that move the progress: reading, decoding.
const STEPS: u64 = 2;

/// Verifies the model at `input`, a file or a directory. Decodes plainly, in parallel on the
/// current rayon pool.
///
/// # Errors
/// The check could not be made. A fault of a model that could be read is not an error but a failure
/// in the report, unless it keeps the model from being read at all ([`Error::is_failed_check`]
/// tells them apart).
pub fn verify(input: &Path, options: &VerifyOptions, progress: &dyn Progress) -> Result<VerifyReport, Error> {
    let Pipeline { parts, files, fault } = match Input::open(input)? {
        Input::Model(model) => {
            let source = options.against.as_deref();
            progress.begin(work(&model));
            return verify_model(*model, source, options, progress);
        }
        Input::Pipeline(pipeline) => pipeline,
    };
    let mut all = VerifyReport { completeness: Completeness::Complete, ..VerifyReport::default() };
    all.failures.extend(fault);
    if let Some(files) = files {
        all.judge_top(input, &files, &parts, progress)?;
    }
    progress.begin(total(parts.iter().map(|part| work(&part.model))));
    for Part { folder, model } in parts {
        let source = options.against.as_ref().map(|source| source.join(&folder));
        all.add(verify_model(model, source.as_deref(), options, progress)?);
    }
    Ok(all)
}

/// The bytes of work that verifying a model announces.
fn work(model: &CodedModel) -> u64 {
    let unit_bytes = model.units.iter().map(|unit| unit.weights.saturating_mul(size_of::<bf16>() as u64));
    let raw_bytes = model.raw.iter().map(|name| model.checkpoint.tensors[name].info.bytes());
    total(unit_bytes.chain(raw_bytes))
}

/// Verifies one model, and compares it with its source if there is one.
fn verify_model(
    mut model: CodedModel,
    source: Option<&Path>,
    options: &VerifyOptions,
    progress: &dyn Progress,
) -> Result<VerifyReport, Error> {
    check_units(&model, options.memory)?;
    let notes = model.checkpoint.notes.clone();
    let mut report = VerifyReport { raw_tensors: model.raw.len(), notes, ..VerifyReport::default() };
    let mut source = source.map(Checkpoint::open_bf16).transpose()?;
    let record = match std::mem::replace(&mut model.record, Ok(None)) {
        Ok(record) => record,
        Err(error) => report.fail(error).map(|()| None)?,
    };
    let has_record = record.is_some();
    model.record = Ok(record);
    // `decompress` follows the same plan, so the plan tells what can be restored.
    let mut plan = match has_record.then(|| Restoration::plan(&model, None, None)).transpose() {
        Ok(plan) => plan,
        Err(error) => report.fail(error).map(|()| None)?,
    };
    if let Some(plan) = &mut plan {
        report.judge_files(&model, std::mem::take(&mut plan.judgement), progress)?;
        report.checksums = Some(0);
    }
    let mut naming = match (&plan, &source) {
        (None, Some(_)) => Some(Naming::of(&model, options.pattern_dict.as_ref())?),
        _ => None,
    };
    if let Some(source) = &mut source {
        let names = naming.as_mut().map(|naming| naming.names(&model));
        let planned = || plan.iter().flat_map(|plan| plan.targets.keys().cloned()).collect();
        source.match_prefix(&names.unwrap_or_else(planned));
    }
    report.compared = source.as_ref().map(|_| 0);
    let (model, plan) = (&model, plan.as_ref());
    let mut job = Job {
        model,
        naming,
        targets: plan.map(|plan| &plan.targets),
        source: source.as_ref(),
        progress,
        named: BTreeSet::new(),
        seen: BTreeMap::new(),
        report,
    };
    // The plan may have found the fault of a unit already.
    let said: HashSet<String> = job.report.failures.iter().map(Error::to_string).collect();
    let mut tile = Vec::new();
    for (index, unit) in model.units.iter().enumerate() {
        progress.unit(&unit.name);
        let planned = plan.map(|plan| plan.matrices[index].as_slice());
        if let Err(error) = job.verify_unit(unit, planned, &mut tile)
            && !said.contains(&error.to_string())
        {
            job.report.fail(error)?;
        }
    }
    for name in &model.raw {
        if let Err(error) = job.verify_raw(name) {
            job.report.fail(error)?;
        }
    }
    if let Ok(Some(Record { written: Some(written), .. })) = &model.record {
        let faults = judge_data(model, written, &job.seen);
        job.report.files = job.report.files.map(|files| files.saturating_sub(faults.len()));
        job.report.failures.extend(faults);
    }
    job.all_named();
    job.judge_completeness(has_record, options.pattern_dict.as_ref());
    if !has_record && job.report.failures.is_empty() {
        job.report.notes.extend(when_restored(model, options.pattern_dict.as_ref()));
    }
    model.checkpoint.check_unchanged()?;
    source.iter().try_for_each(Checkpoint::check_unchanged)?;
    Ok(job.report)
}

/// What restoring a model without a record will say: what is unknown, and what is needed.
fn when_restored(model: &CodedModel, patterns: Option<&PatternDict>) -> Vec<Note> {
    match Restoration::plan(model, patterns, None) {
        Ok(plan) => plan.notes.into_iter().map(|note| Note::WhenRestored { note: Box::new(note) }).collect(),
        Err(error) => vec![Note::NotEnough { reason: error.to_string() }],
    }
}

impl VerifyReport {
    /// Records a failed check, so that the next one is made. Any other error ends the job.
    fn fail(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_failed_check() {
            return Err(error);
        }
        self.failures.push(error);
        Ok(())
    }

    /// Adds what was found. `files` is the number of files that a record names, if there is a
    /// record.
    fn take(&mut self, judgement: Judgement, files: Option<usize>) {
        self.files = files.map(|files| files.saturating_sub(wrong_files(&judgement.faults)));
        self.failures.extend(judgement.faults);
        self.notes.extend(judgement.notes);
    }

    /// Adds what the plan found about a model's files, and checks the copied ones.
    fn judge_files(
        &mut self,
        model: &CodedModel,
        mut judgement: Judgement,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let mut files = None;
        if let (Ok(Some(Record { written: Some(written), .. })), true) = (&model.record, model.checkpoint.is_dir) {
            judgement.copies(model.checkpoint.folder(), &written.files, progress)?;
            // One more: the file that names them.
            files = Some(written.files.len() + 1);
        }
        self.take(judgement, files);
        Ok(())
    }

    /// Records what is wrong with the files next to the parts of a pipeline.
    fn judge_top(
        &mut self,
        folder: &Path,
        files: &[OurFile],
        parts: &[Part],
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let mut judgement = match judge_manifest(folder, files, parts) {
            Err(error) => return self.fail(error),
            Ok(judgement) => judgement,
        };
        judgement.copies(folder, files, progress)?;
        // Each part counts its own files, one of which is named here. The list itself is one more.
        let own = files.iter().filter(|file| !matches!(file, OurFile::Part { .. })).count() + 1;
        self.take(judgement, Some(own));
        Ok(())
    }

    /// Adds the report of one part of a pipeline.
    fn add(&mut self, part: VerifyReport) {
        let sum = |a: Option<usize>, b: Option<usize>| a.map(|a| a + b.unwrap_or(0)).or(b);
        self.units += part.units;
        self.weights += part.weights;
        self.raw_tensors += part.raw_tensors;
        self.checksums = sum(self.checksums, part.checksums);
        self.files = sum(self.files, part.files);
        self.compared = sum(self.compared, part.compared);
        self.completeness = std::mem::take(&mut self.completeness).and(part.completeness);
        self.failures.extend(part.failures);
        self.notes.extend(part.notes);
    }
}

/// The number of these faults that concern files.
fn wrong_files(faults: &[Error]) -> usize {
    let is_of_file = |error: &&Error| matches!(error, Error::FileMissing { .. } | Error::FileDiffers { .. });
    faults.iter().filter(is_of_file).count()
}

/// A verification under way.
struct Job<'a> {
    model: &'a CodedModel,
    /// The names in a model without a record, for the comparison with its source.
    naming: Option<Naming<'a>>,
    /// What each tensor must be, by the record.
    targets: Option<&'a BTreeMap<String, Target>>,
    source: Option<&'a Checkpoint>,
    progress: &'a dyn Progress,
    /// The tensors that the model names, coded or raw.
    named: BTreeSet<String>,
    /// The checksums of the tensors that were found sound, as stored in the model's files.
    seen: BTreeMap<String, u64>,
    report: VerifyReport,
}

/// A tensor that is being compared, piece by piece, with its record and its source.
struct Comparison<'a> {
    name: String,
    /// The file of the model that holds the tensor.
    path: PathBuf,
    expected: Option<u64>,
    hash: TensorHash,
    source: Option<&'a Checkpoint>,
    /// The first byte of the data that differs: its offset, its value, and its value in the source.
    differs: Option<(u64, u8, u8)>,
    buffer: Vec<u8>,
}

impl<'a> Job<'a> {
    /// Judges whether the model is complete. Without a record, names and config.json tell.
    fn judge_completeness(&mut self, has_record: bool, patterns: Option<&PatternDict>) {
        self.report.completeness = if has_record || !self.report.failures.is_empty() {
            Completeness::by_record(&self.report.failures)
        } else {
            let naming = Naming::of(self.model, patterns);
            naming.map_or(Completeness::Unknown, |naming| completeness::of_coded(self.model, naming))
        };
        if !has_record {
            self.report.failures.extend(self.report.completeness.error(&self.model.checkpoint.path));
        }
    }

    fn verify_unit(&mut self, unit: &CodedUnit, planned: Option<&[Matrix]>, tile: &mut Vec<bf16>) -> Result<(), Error> {
        let matrices: Vec<Matrix> = match (planned, &mut self.naming) {
            (Some(planned), _) => planned.to_vec(),
            (None, Some(naming)) => naming.matrices(self.model, unit)?,
            (None, None) => Vec::new(),
        };
        self.named.extend(matrices.iter().map(|matrix| matrix.tensor.clone()));
        let early = Early::new(self.progress, STEPS);
        let arrays = self.model.read(unit, &early)?;
        let proven = self.model.validate(unit, &arrays)?;
        let mut comparisons = Vec::with_capacity(matrices.len());
        let mut spellings = Vec::with_capacity(matrices.len());
        for matrix in &matrices {
            let dtype = self.dtype(&matrix.tensor);
            let spelling = Spelling::of(&dtype).unwrap_or(Spelling::Bf16);
            let bytes = (matrix.weights.end - matrix.weights.start).saturating_mul(spelling.bytes() as u64);
            comparisons.push(self.begin(self.model.unit_path(unit), &matrix.tensor, &dtype, None, bytes)?);
            spellings.push(spelling);
        }
        let take = |first: u64, weights: &[bf16]| {
            for (index, offset, weights) in matrices_of_tile(&matrices, first, weights) {
                let spelling = spellings[index];
                comparisons[index].take(offset * spelling.bytes() as u64, &spelling.write(weights))?;
            }
            early.advance(size_of_val(weights) as u64);
            Ok(())
        };
        decode_tiles(&proven, Decoding::Plain, tile, take).map_err(|stopped| self.model.stopped(unit, stopped))?;
        early.done(unit.weights.saturating_mul(size_of::<bf16>() as u64));
        self.report.units += 1;
        self.report.weights += unit.weights;
        let failures = self.report.failures.len();
        for comparison in comparisons {
            self.finish(comparison);
        }
        if self.targets.is_some() && self.report.failures.len() == failures {
            self.seen.extend(self.model.checksums(unit, &arrays));
        }
        Ok(())
    }

    /// The dtype that a coded tensor had in the source. It is BF16, unless the record or the source
    /// says that another dtype held the BF16 values.
    fn dtype(&self, tensor: &str) -> String {
        let recorded = self.targets.and_then(|targets| Some(targets.get(tensor)?.dtype.name()));
        let of_source = self.source.and_then(|source| Some(source.tensors.get(tensor)?.info.dtype.name()));
        let dtype = recorded.or(of_source).filter(|dtype| Spelling::of(dtype).is_some());
        dtype.unwrap_or("BF16").to_owned()
    }

    fn verify_raw(&mut self, name: &str) -> Result<(), Error> {
        self.named.insert(name.to_owned());
        let place = &self.model.checkpoint.tensors[name];
        let info = &place.info;
        let path = self.model.checkpoint.reader(place).path().to_path_buf();
        let mut comparison = self.begin(path, name, info.dtype.name(), Some(&info.shape), info.bytes())?;
        self.model.checkpoint.reader(place).read_chunks(name, info, |offset, bytes| {
            self.progress.advance(bytes.len() as u64);
            comparison.take(offset, bytes)
        })?;
        if let Some(found) = self.finish(comparison) {
            self.seen.insert(name.to_owned(), found);
        }
        Ok(())
    }

    /// Compares what headers say about a tensor; its data follows.
    fn begin(
        &self,
        path: PathBuf,
        name: &str,
        dtype: &str,
        shape: Option<&[u64]>,
        bytes: u64,
    ) -> Result<Comparison<'a>, Error> {
        // The plan knows every tensor of the model.
        let known = self.targets.and_then(|targets| targets.get(name));
        if let Some(source) = self.source {
            let found = format!("{bytes} bytes of {dtype}");
            let expected = match source.tensors.get(name) {
                Some(place) if place.info.bytes() == bytes && place.info.dtype.name() == dtype => None,
                Some(place) => Some(format!("{} bytes of {}", place.info.bytes(), place.info.dtype)),
                None => Some("nothing".into()),
            };
            if let Some(expected) = expected {
                return Err(Error::Differs {
                    tensor: name.to_owned(),
                    path,
                    found,
                    source_path: source.path.clone(),
                    expected,
                });
            }
        }
        let shape = shape.or(known.map(|known| known.shape.as_slice())).unwrap_or_default();
        let (name, source, expected) = (name.to_owned(), self.source, known.and_then(|known| known.xxh3));
        let hash = TensorHash::new(&name, dtype, shape);
        Ok(Comparison { name, path, expected, hash, source, differs: None, buffer: Vec::new() })
    }

    /// Counts a tensor whose data was read, or records what is wrong with it. Returns the checksum
    /// of a sound tensor.
    fn finish(&mut self, comparison: Comparison<'_>) -> Option<u64> {
        let Comparison { name: tensor, path, expected, hash, source, differs, .. } = comparison;
        let found = hash.finish();
        let mut sound = Some(found);
        match expected {
            Some(expected) if found == expected => *self.report.checksums.get_or_insert(0) += 1,
            Some(expected) => {
                let (path, tensor) = (path.clone(), tensor.clone());
                self.report.failures.push(Error::Checksum { path, tensor, found, expected });
                sound = None;
            }
            None => {}
        }
        match (source, differs) {
            (Some(source), Some((offset, found, expected))) => self.report.failures.push(Error::Differs {
                tensor,
                path,
                found: format!("byte {offset} of its data is {found:#04x}"),
                source_path: source.path.clone(),
                expected: format!("it is {expected:#04x}"),
            }),
            (Some(_), None) => *self.report.compared.get_or_insert(0) += 1,
            (None, _) => {}
        }
        sound
    }

    /// Records what the source holds and the model does not. The plan's faults already have what
    /// the record names.
    fn all_named(&mut self) {
        let Some(source) = self.source else { return };
        let missing = source.tensors.keys().filter(|tensor| !self.named.contains(*tensor));
        let path = &self.model.checkpoint.path;
        self.report.failures.extend(missing.map(|tensor| Error::TensorMissing {
            path: path.clone(),
            tensor: tensor.clone(),
            promised_by: Promise::Model { model: source.path.clone() },
        }));
    }
}

impl Comparison<'_> {
    /// Compares the data from byte `offset` on.
    fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if self.expected.is_some() {
            self.hash.update(bytes);
        }
        if let (Some(source), None) = (self.source, self.differs) {
            let place = &source.tensors[&self.name];
            self.buffer.resize(bytes.len(), 0);
            source.reader(place).read(&self.name, &place.info, offset, &mut self.buffer)?;
            if self.buffer != bytes {
                let at = self.buffer.iter().zip(bytes).position(|(a, b)| a != b).unwrap_or(0);
                self.differs = Some((offset + at as u64, bytes[at], self.buffer[at]));
            }
        }
        Ok(())
    }
}
