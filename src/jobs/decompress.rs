//! A DFloat11 model becomes BF16 again: the source's files byte for byte where the record of the source is there.
//!
//! ```text
//! plan (restoration)  ->  copies, each with its checksum  ->  units and raw tensors, each with its checksum  ->  commit
//!      \_ a file missing or changed: an error that names each.  --partial: what is unsound is found first, and left out
//! ```

mod partial;
mod parts;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::card::without_card;
use super::judge::{judge_data, read_checked};
use super::memory::check_units;
use super::restoration::{Restoration, Target};
use crate::backend::Backend;
use crate::files::our_files::{OurFile, check_names_in};
use crate::files::spelling::Spelling;
use crate::naming::pattern::PatternDict;
use crate::progress::{Progress, check_stopped};
use crate::record::checksum::TensorHash;
use crate::record::coded::{CodedModel, CodedUnit};
use crate::record::manifest::Input;
use crate::record::matrices::{Matrix, matrices_of_tile};
use crate::record::source::Record;
use crate::record::tiles::{Decoding, decode_tiles};
use crate::writer::copies::{check_others, copy_others};
use crate::writer::output::{Form, NewFiles, Output};
use crate::{Error, open};
use df11_core::bf16;
use parts::restore_parts;

/// How to decompress.
#[derive(Clone, Debug, Default)]
pub struct DecompressOptions {
    /// What decodes.
    pub backend: Backend,
    /// For a model without a record of its source: which modules are units, instead of its own `pattern_dict`.
    pub pattern_dict: Option<PatternDict>,
    /// For a model without a record of its source: a BF16 model of the same architecture, to take shapes from.
    pub like: Option<PathBuf>,
    /// Replace an OUTPUT that exists.
    pub force: bool,
    /// Refuse a model with a unit that needs more bytes of memory than this.
    pub memory: Option<u64>,
    /// Where files are missing or changed, restore what is there, and report the rest. Every unit is then decoded twice: what is unsound must be known
    /// before files are laid out.
    pub partial: bool,
}

/// What was decompressed.
#[derive(Debug, Default)]
pub struct DecompressReport {
    /// Every file of the source is there, byte for byte: rebuilt from its own header, or compared with its checksum as it was copied.
    pub byte_exact: bool,
    /// Every tensor was compared with its checksum. Without `byte_exact`: weight files, config.json and the list of shards are the source's byte for
    /// byte, and nothing is known of the files beside them.
    pub checked: bool,
    /// Tensors written.
    pub tensors: usize,
    /// Bytes of the weight files written, headers included.
    pub output_bytes: u64,
    /// Files written, copied ones included.
    pub files: usize,
    /// What was missing or changed, where [`DecompressOptions::partial`] let the rest be restored.
    pub missing: Vec<Error>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Decompresses the model at `input`, a file or a directory, to `output`, in the form of the source. Runs on the current rayon pool.
///
/// # Errors
/// INPUT is not a readable DFloat11 model, a file of it is missing or changed ([`Error::NotWhole`] names each), a unit does not decode, a checksum
/// differs, OUTPUT may not be written. OUTPUT is then absent, or what it was.
pub fn decompress(
    input: &Path,
    output: &Path,
    options: &DecompressOptions,
    progress: &dyn Progress,
) -> Result<DecompressReport, Error> {
    match Input::open(input)? {
        Input::Model(mut model) => {
            let plan = plan(&mut model, options)?;
            let output = Output::begin(output, &inputs(input, options), plan.form, options.force)?;
            progress.begin(work(&plan, options));
            let report = restore(&model, plan, &output, Path::new(""), options, progress)?;
            output.commit()?;
            Ok(report)
        }
        Input::Pipeline(pipeline) => restore_parts(input, output, pipeline, options, progress),
    }
}

/// All that is read, INPUT first.
fn inputs<'a>(input: &'a Path, options: &'a DecompressOptions) -> Vec<&'a Path> {
    let patterns = options.pattern_dict.as_ref().and_then(PatternDict::file);
    [input].into_iter().chain(options.like.as_deref()).chain(patterns).collect()
}

/// Plans the restoration of a model.
fn plan(model: &mut CodedModel, options: &DecompressOptions) -> Result<Restoration, Error> {
    let mut lost = None;
    match std::mem::replace(&mut model.record, Ok(None)) {
        // Of what is left, tensors come back as from the published tool's files.
        Err(error @ Error::FileMissing { .. }) if options.partial => lost = Some(error),
        record => model.record = Ok(record?),
    }
    check_units(model, options.memory)?;
    let mut plan = Restoration::plan(model, options.pattern_dict.as_ref(), options.like.as_deref())?;
    plan.judgement.faults.extend(lost);
    if plan.copies.is_none() && copies_folder(model, &plan) {
        check_others(&model.checkpoint.path)?;
    }
    Ok(plan)
}

/// Whether the files beside the weights are restored.
fn copies_folder(model: &CodedModel, plan: &Restoration) -> bool {
    plan.form == Form::Directory && model.checkpoint.is_dir
}

/// Refuses a model that is not whole, unless what is there was asked for.
fn refuse(model: &Path, faults: &mut Vec<Error>, options: &DecompressOptions) -> Result<(), Error> {
    if faults.is_empty() || options.partial {
        return Ok(());
    }
    Err(Error::NotWhole { path: model.to_path_buf(), faults: std::mem::take(faults) })
}

/// Bytes that the progress is told of: a partial restoration decodes twice.
fn work(plan: &Restoration, options: &DecompressOptions) -> u64 {
    plan.data_bytes().saturating_mul(if options.partial { 2 } else { 1 })
}

/// Restores what was planned into the folder `below` of `output`, or as its one file.
fn restore(
    model: &CodedModel,
    mut plan: Restoration,
    output: &Output,
    below: &Path,
    options: &DecompressOptions,
    progress: &dyn Progress,
) -> Result<DecompressReport, Error> {
    let input = model.checkpoint.path.as_path();
    let mut report =
        DecompressReport { missing: std::mem::take(&mut plan.judgement.faults), ..DecompressReport::default() };
    let mut copied = None;
    match &plan.copies {
        Some(copies) => report.restore_copies(input, copies, output, below, progress)?,
        None if copies_folder(model, &plan) => {
            let copies = copy_others(input, output, below, &*without_card(input)?, progress)?;
            check_names_in(input, plan.names().chain(copies.files.iter().map(|file| file.ours.name())))?;
            report.files += copies.files.len();
            copied = Some(copies);
        }
        None => {}
    }
    refuse(input, &mut report.missing, options)?;
    if options.partial {
        let mut lost = plan.missing.clone();
        Job::new(model, &plan, None, options, progress).find_unsound(&mut report.missing, &mut lost)?;
        plan.leave_out(&lost, input)?;
    }
    let mut files = NewFiles::default();
    for (name, header) in &plan.files {
        let file = output.file(&below.join(name))?;
        file.write(header, 0)?;
        files.add(file)?;
    }
    let job = Job::new(model, &plan, Some(&files), options, progress);
    let mut tile = Vec::new();
    for (unit, matrices) in model.units.iter().zip(&plan.matrices) {
        if matrices.iter().any(|matrix| plan.targets.contains_key(&matrix.tensor)) {
            job.restore_unit(unit, matrices, &mut tile)?;
        }
    }
    drop(tile);
    for name in model.raw.iter().filter(|name| plan.targets.contains_key(*name)) {
        job.copy_raw(name)?;
    }
    if let Ok(Some(Record { written: Some(written), .. })) = &model.record {
        report.missing.extend(judge_data(model, written, &job.seen.borrow()));
        refuse(input, &mut report.missing, options)?;
    }
    files.finish()?;
    for (name, bytes) in &plan.verbatim {
        let file = output.file(&below.join(name))?;
        file.write(bytes, 0)?;
        file.finish()?;
    }
    model.checkpoint.check_unchanged()?;
    copied.iter().try_for_each(|copied| copied.check_unchanged())?;
    let headers: u64 = plan.files.iter().map(|(_, header)| header.len() as u64).sum();
    report.checked = plan.byte_exact;
    report.byte_exact =
        plan.byte_exact && report.missing.is_empty() && (plan.copies.is_some() || plan.form == Form::File);
    report.tensors = plan.targets.len();
    report.output_bytes = headers + plan.data_bytes();
    report.files += plan.files.len() + plan.verbatim.len();
    report.notes.extend(plan.judgement.notes.into_iter().chain(plan.notes));
    report.notes.extend(copied.into_iter().flat_map(|copied| copied.notes));
    Ok(report)
}

impl DecompressReport {
    /// Restores the files of the source that were copied, each compared with its checksum as it is copied back. What is missing or changed is noted.
    fn restore_copies(
        &mut self,
        input: &Path,
        files: &[OurFile],
        output: &Output,
        below: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        for file in files {
            match restore_copy(input, file, output, below, progress) {
                Ok(restored) => self.files += usize::from(restored),
                Err(error) if error.is_failed_check() => self.missing.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Restores one file, if it is one that was copied. Until its checksum is known it has a temporary name.
fn restore_copy(
    input: &Path,
    file: &OurFile,
    output: &Output,
    below: &Path,
    progress: &dyn Progress,
) -> Result<bool, Error> {
    let (OurFile::Copied { name, size, xxh3, .. }, Some(source)) = (file, file.source_name()) else { return Ok(false) };
    let source = below.join(source);
    if let Some(folder) = source.parent() {
        output.folder(folder)?;
    }
    let from = input.join(name);
    // What cannot be opened is judged below.
    let copy = match open::regular(&from) {
        Ok(file) => output.copy_of(&source, &file)?,
        Err(_) => output.file(&source)?,
    };
    read_checked(&from, *size, *xxh3, |offset, bytes| {
        check_stopped(progress)?;
        copy.write(bytes, offset)
    })?;
    copy.finish()?;
    Ok(true)
}

/// A decompression under way.
struct Job<'a> {
    model: &'a CodedModel,
    plan: &'a Restoration,
    /// Where tensors are written; none where they are only looked at.
    files: Option<&'a NewFiles>,
    options: &'a DecompressOptions,
    progress: &'a dyn Progress,
    /// The checksums of the tensors that were read and found sound, as they stand in the model's files.
    seen: RefCell<BTreeMap<String, u64>>,
}

impl<'a> Job<'a> {
    fn new(
        model: &'a CodedModel,
        plan: &'a Restoration,
        files: Option<&'a NewFiles>,
        options: &'a DecompressOptions,
        progress: &'a dyn Progress,
    ) -> Job<'a> {
        Job { model, plan, files, options, progress, seen: RefCell::default() }
    }

    fn restore_unit(&self, unit: &CodedUnit, matrices: &[Matrix], tile: &mut Vec<bf16>) -> Result<(), Error> {
        self.progress.unit(&unit.name);
        let arrays = self.model.read(unit, self.progress)?;
        let proven = self.model.validate(unit, &arrays)?;
        let mut hashes: Vec<TensorHash> = matrices.iter().map(|matrix| self.hash(&matrix.tensor)).collect();
        let take = |first: u64, weights: &[bf16]| {
            check_stopped(self.progress)?;
            for (index, offset, weights) in matrices_of_tile(matrices, first, weights) {
                let tensor = &matrices[index].tensor;
                let spelling = self.target(tensor).spelling().unwrap_or(Spelling::Bf16);
                let bytes = spelling.write(weights);
                hashes[index].update(&bytes);
                self.write(tensor, offset * spelling.bytes() as u64, &bytes)?;
            }
            self.progress.advance(size_of_val(weights) as u64);
            Ok(())
        };
        decode_tiles(&proven, Decoding::Fast(&self.options.backend), tile, take)
            .map_err(|stopped| self.model.stopped(unit, stopped))?;
        let path = self.model.unit_path(unit);
        matrices.iter().zip(&hashes).try_for_each(|(matrix, hash)| self.check(&path, &matrix.tensor, hash))?;
        if matches!(self.model.record, Ok(Some(_))) {
            self.seen.borrow_mut().extend(self.model.checksums(unit, &arrays));
        }
        Ok(())
    }

    fn copy_raw(&self, name: &String) -> Result<(), Error> {
        let place = &self.model.checkpoint.tensors[name];
        let mut hash = self.hash(name);
        self.model.checkpoint.reader(place).read_chunks(name, &place.info, |offset, bytes| {
            hash.update(bytes);
            check_stopped(self.progress)?;
            self.progress.advance(bytes.len() as u64);
            self.write(name, offset, bytes)
        })?;
        self.check(self.model.checkpoint.reader(place).path(), name, &hash)?;
        self.seen.borrow_mut().insert(name.clone(), hash.finish());
        Ok(())
    }

    /// Where a tensor goes: the plan was checked to know all of them, and a unit is left out whole.
    fn target(&self, tensor: &str) -> &Target {
        &self.plan.targets[tensor]
    }

    fn write(&self, tensor: &str, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let target = self.target(tensor);
        match self.files {
            Some(files) => files.write(target.file, bytes, target.position + offset),
            None => Ok(()),
        }
    }

    fn hash(&self, tensor: &str) -> TensorHash {
        let target = self.target(tensor);
        TensorHash::new(tensor, target.dtype.name(), &target.shape)
    }

    fn check(&self, path: &Path, tensor: &str, hash: &TensorHash) -> Result<(), Error> {
        let found = hash.finish();
        match self.target(tensor).xxh3 {
            Some(expected) if expected != found => {
                Err(Error::Checksum { path: path.to_path_buf(), tensor: tensor.to_owned(), found, expected })
            }
            _ => Ok(()),
        }
    }
}
