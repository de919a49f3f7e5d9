//! A DFloat11 model becomes BF16 again: the source's files byte for byte where the record of the source is there.

use std::path::{Path, PathBuf};

use super::beside::{check_others, copy_others};
use super::card::without_card;
use super::codec::{Decoding, decode_tiles, matrices_of_tile};
use super::coded::{CodedModel, CodedUnit};
use super::matrices::Matrix;
use super::memory::check_units;
use super::output::{Form, NewFiles, Output};
use super::pattern::PatternDict;
use super::pipeline::{PartProgress, coded_parts, each_part};
use super::progress::{Progress, check_stopped};
use super::record::TensorHash;
use super::restoration::{Restoration, Target};
use super::spelling::Spelling;
use crate::Error;
use crate::backend::Backend;
use df11_core::bf16;

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
}

/// What was decompressed.
#[derive(Debug)]
pub struct DecompressReport {
    /// Every file is the source's, byte for byte: rebuilt from its own header, every tensor's checksum compared.
    pub byte_exact: bool,
    /// Tensors written.
    pub tensors: usize,
    /// Bytes of the weight files written, headers included.
    pub output_bytes: u64,
    /// Files written, copied ones included.
    pub files: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Decompresses the model at `input`, a file or a directory, to `output`, in the form of the source. Runs on the current rayon pool.
///
/// # Errors
/// INPUT is not a readable DFloat11 model, a unit does not decode, a checksum differs, OUTPUT may not be written. OUTPUT is then absent, or what it
/// was.
pub fn decompress(
    input: &Path,
    output: &Path,
    options: &DecompressOptions,
    progress: &dyn Progress,
) -> Result<DecompressReport, Error> {
    let parts = coded_parts(input)?;
    if !parts.is_empty() {
        return decompress_parts(input, output, &parts, options, progress);
    }
    let (model, plan) = open(input, options)?;
    let output = Output::begin(output, &inputs(input, options), plan.form, options.force)?;
    progress.begin(plan.data_bytes());
    let report = restore(&model, &plan, &output, Path::new(""), options, progress)?;
    output.commit()?;
    Ok(report)
}

/// Opens a coded model, and plans what will come of it.
fn open(input: &Path, options: &DecompressOptions) -> Result<(CodedModel, Restoration), Error> {
    let mut model = CodedModel::open(input)?;
    model.record = Ok(std::mem::replace(&mut model.record, Ok(None))?);
    check_units(&model, options.memory)?;
    let plan = Restoration::plan(&model, options.pattern_dict.as_ref(), options.like.as_deref())?;
    if plan.form == Form::Directory && model.checkpoint.is_dir {
        check_others(input)?;
    }
    Ok((model, plan))
}

/// All that is read, INPUT first.
fn inputs<'a>(input: &'a Path, options: &'a DecompressOptions) -> Vec<&'a Path> {
    let patterns = options.pattern_dict.as_ref().and_then(PatternDict::file);
    [input].into_iter().chain(options.like.as_deref()).chain(patterns).collect()
}

/// Restores a model into the folder `below` of `output`, or as its one file.
fn restore(
    model: &CodedModel,
    plan: &Restoration,
    output: &Output,
    below: &Path,
    options: &DecompressOptions,
    progress: &dyn Progress,
) -> Result<DecompressReport, Error> {
    let mut files = NewFiles::default();
    for (name, header) in &plan.files {
        let file = output.file(&below.join(name))?;
        file.write(header, 0)?;
        files.add(file)?;
    }
    let job = Job { model, plan, files: &files, options, progress };
    let mut tile = Vec::new();
    for (unit, matrices) in model.units.iter().zip(&plan.matrices) {
        job.restore_unit(unit, matrices, &mut tile)?;
    }
    drop(tile);
    job.copy_raw()?;
    files.finish()?;
    for (name, bytes) in &plan.verbatim {
        let file = output.file(&below.join(name))?;
        file.write(bytes, 0)?;
        file.finish()?;
    }
    let (mut written, mut notes) = (plan.files.len() + plan.verbatim.len(), plan.notes.clone());
    if plan.form == Form::Directory && model.checkpoint.is_dir {
        let input = &model.checkpoint.path;
        let copied = copy_others(input, output, below, &*without_card(input)?, progress)?;
        written += copied.files;
        notes.extend(copied.notes);
    }
    let headers: u64 = plan.files.iter().map(|(_, header)| header.len() as u64).sum();
    Ok(DecompressReport {
        byte_exact: plan.byte_exact,
        tensors: plan.targets.len(),
        output_bytes: headers + plan.data_bytes(),
        files: written,
        notes,
    })
}

/// Decompresses the parts of a pipeline that are coded; the others are copied.
fn decompress_parts(
    input: &Path,
    output: &Path,
    parts: &[PathBuf],
    options: &DecompressOptions,
    progress: &dyn Progress,
) -> Result<DecompressReport, Error> {
    let mut work = 0;
    for part in parts {
        let model = CodedModel::open(&input.join(part))?;
        check_units(&model, options.memory)?;
        let raw = model.raw.iter().map(|name| model.checkpoint.tensors[name].info.bytes());
        let coded = model.units.iter().map(|unit| unit.weights * size_of::<bf16>() as u64);
        work += raw.chain(coded).sum::<u64>();
    }
    check_others(input)?;
    progress.begin(work);
    let mut all = DecompressReport { byte_exact: true, tensors: 0, output_bytes: 0, files: 0, notes: Vec::new() };
    let output = Output::begin(output, &inputs(input, options), Form::Directory, options.force)?;
    let copied = each_part(input, &output, parts, progress, |from, below| {
        let (model, plan) = open(from, options)?;
        let part = restore(&model, &plan, &output, below, options, &PartProgress(progress))?;
        all.byte_exact &= part.byte_exact;
        all.tensors += part.tensors;
        all.output_bytes += part.output_bytes;
        all.files += part.files;
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        all.notes.extend(part.notes.into_iter().map(|note| format!("{name}: {note}")));
        Ok(())
    })?;
    output.commit()?;
    all.files += copied.files;
    all.notes.extend(copied.notes);
    Ok(all)
}

/// A decompression under way.
struct Job<'a> {
    model: &'a CodedModel,
    plan: &'a Restoration,
    files: &'a NewFiles,
    options: &'a DecompressOptions,
    progress: &'a dyn Progress,
}

impl Job<'_> {
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
        matrices.iter().zip(&hashes).try_for_each(|(matrix, hash)| self.check(&matrix.tensor, hash))
    }

    fn copy_raw(&self) -> Result<(), Error> {
        for name in &self.model.raw {
            let place = &self.model.checkpoint.tensors[name];
            let mut hash = self.hash(name);
            self.model.checkpoint.reader(place).read_chunks(name, &place.info, |offset, bytes| {
                hash.update(bytes);
                check_stopped(self.progress)?;
                self.progress.advance(bytes.len() as u64);
                self.write(name, offset, bytes)
            })?;
            self.check(name, &hash)?;
        }
        Ok(())
    }

    /// Where a tensor goes: the plan was checked to know all of them.
    fn target(&self, tensor: &str) -> &Target {
        &self.plan.targets[tensor]
    }

    fn write(&self, tensor: &str, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let target = self.target(tensor);
        self.files.write(target.file, bytes, target.position + offset)
    }

    fn hash(&self, tensor: &str) -> TensorHash {
        let target = self.target(tensor);
        TensorHash::new(tensor, target.dtype.name(), &target.shape)
    }

    fn check(&self, tensor: &str, hash: &TensorHash) -> Result<(), Error> {
        let found = hash.finish();
        match self.target(tensor).xxh3 {
            Some(expected) if expected != found => {
                let path = self.model.checkpoint.path.clone();
                Err(Error::Checksum { path, tensor: tensor.to_owned(), found, expected })
            }
            _ => Ok(()),
        }
    }
}
