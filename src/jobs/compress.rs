//! A BF16 checkpoint becomes a DFloat11 one.
//!
//! ```text
//! directory form: other files copied
//!                 for each unit: read, plan                 -> not smaller than BF16? its tensors stay raw
//!                                encode, verify, write <unit>.safetensors with the module's other tensors
//!                 config.json;  the rest -> model.safetensors, and last into it the record, which lists all files
//! one file:       for each unit: read, plan;  then all sizes are known, and for each unit: read, encode, verify, write at its place
//! ```
//!
//! Memory holds one unit: its weights and its arrays. In one file every unit is read twice instead of kept: the sizes in the header come first,
//! and an upper bound for them would leave holes. A header is written when the data is, since the record in it has every tensor's checksum. At the end
//! every file of the source must still be the one that was read.
//!
//! Where the published tool's own bytes are asked for, `published` has what differs.

mod beside;
pub(crate) mod contents;
pub(crate) mod file;
pub(crate) mod gate;
mod main_file;
mod options;
mod parts;
pub(crate) mod published;
mod resume;
pub(crate) mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use df11_core::bf16;
use df11_core::limits::MAX_WEIGHTS;
use df11_cpu::{Parts, Plan};

use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::files::our_files::OurFile;
use crate::files::weight_files;
use crate::naming::unit_files::file_names;
use crate::naming::units::UnitSpec;
use crate::progress::{PIECE_BYTES, Progress, check_between, check_stopped};
use crate::record::checksum::TensorHash;
use crate::writer::copies::Copied;
use crate::writer::output::{Form, Output};
use contents::{Beside, remove};
use file::Metadata;
use gate::{Gate, Room};
pub use options::{CompressOptions, CompressReport, KeptRaw};
use parts::compress_parts;
pub use published::CodeKind;
use source::{Passed, ToCode, begin, has_unit_files, refuse_without_bf16};

/// Compresses the model at `input`, a file or a directory, to `output`, which becomes the same. Runs on the current rayon pool.
///
/// # Errors
/// INPUT is not a readable BF16 model, OUTPUT may not be written, a unit does not decode to what was read. OUTPUT is then absent, or what it was;
/// where the error is one that may pass, `OUTPUT.partial` keeps what is finished ([`Error::Kept`]).
pub fn compress(
    input: &Path,
    output: &Path,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let parts = weight_files::parts(input)?;
    if !parts.is_empty() {
        return compress_parts(input, output, &parts, options, progress);
    }
    let model = ToCode::open(input, options)?;
    refuse_without_bf16(&model.source)?;
    let model = model.pass(options)?;
    let form = if model.model.source.is_dir { Form::Directory } else { Form::File };
    let output = begin(output, input, form, options, &[(Path::new(""), &model)], progress)?;
    let outcome = fill(input, &model, &output, options, progress);
    output.conclude(outcome)
}

fn fill(
    input: &Path,
    model: &Passed,
    output: &Output,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let mut report = CompressReport::default();
    let source = &model.model.source;
    let copied = match source.is_dir {
        true => report.copy_beside(input, output, Path::new(""), options, progress)?,
        false => Copied::default(),
    };
    let destination = Destination { below: Path::new(""), copied: &copied, part: None, has_card: options.model_card };
    let coded = compress_model(model, output, &destination, options, progress)?;
    source.check_unchanged()?;
    copied.check_unchanged()?;
    // What the weights are told before what lies beside them.
    Ok(CompressReport {
        files: coded.files + report.files,
        notes: coded.notes.into_iter().chain(report.notes).collect(),
        ..coded
    })
}

/// Where in the output a model goes, and what lies there beside its weights.
struct Destination<'a> {
    /// The folder of the output; empty for all of it, and for one file.
    below: &'a Path,
    /// The files that were copied there.
    copied: &'a Copied,
    /// Its name, where it is a part of a pipeline.
    part: Option<&'a str>,
    /// A card is written there. It tells sizes, so it comes when they are known.
    has_card: bool,
}

/// Compresses the weights of a model into a folder of `output`, or into its one file.
fn compress_model(
    Passed { model: ToCode { source, specs }, room }: &Passed,
    output: &Output,
    destination: &Destination<'_>,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let for_each_unit = has_unit_files(source, options);
    let mut job = Job::new(source, specs, output, destination, options, progress)?;
    if for_each_unit {
        if *room == Room::AfterPlanning {
            job.check_main_file()?;
        }
        job.file_for_each_unit()?;
    } else {
        job.one_file()?;
    }
    Ok(job.report)
}

/// A compression under way.
struct Job<'a> {
    source: &'a Checkpoint,
    specs: &'a [UnitSpec],
    output: &'a Output,
    /// Its folder that the model goes to.
    below: &'a Path,
    destination: &'a Destination<'a>,
    options: &'a CompressOptions,
    progress: &'a dyn Progress,
    /// The weights of the unit that `loaded` names, at the front.
    buffer: Vec<bf16>,
    loaded: Option<usize>,
    /// The arrays of the unit that was encoded last.
    parts: Parts,
    /// The checksum of every tensor read so far.
    hashes: BTreeMap<String, u64>,
    /// The weight files written so far.
    ours: Vec<OurFile>,
    report: CompressReport,
    /// So many of the report's notes are of files that are finished, or of no file.
    told: usize,
}

impl<'a> Job<'a> {
    fn new(
        source: &'a Checkpoint,
        specs: &'a [UnitSpec],
        output: &'a Output,
        destination: &'a Destination<'a>,
        options: &'a CompressOptions,
        progress: &'a dyn Progress,
    ) -> Result<Job<'a>, Error> {
        let read = specs.iter().filter(|spec| spec.weights <= MAX_WEIGHTS);
        let buffer = match read.max_by_key(|spec| spec.weights) {
            Some(spec) => {
                let (path, unit) = (&source.path, &spec.name);
                let bytes = Error::addressable(spec.weights * size_of::<bf16>() as u64, path, unit)?;
                let not_coded = |fault| Error::UnitNotCoded { path: path.clone(), unit: unit.clone(), fault };
                df11_cpu::buffer(bytes / size_of::<bf16>()).map_err(not_coded)?
            }
            None => Vec::new(),
        };
        let report = CompressReport {
            units: 0,
            extension_units: 0,
            kept_raw: Vec::new(),
            source_bytes: source.file_bytes(),
            output_bytes: 0,
            files: 0,
            notes: source.notes.clone(),
        };
        Ok(Job {
            source,
            specs,
            output,
            below: destination.below,
            destination,
            options,
            progress,
            buffer,
            loaded: None,
            parts: Parts::default(),
            hashes: BTreeMap::new(),
            ours: Vec::new(),
            told: report.notes.len(),
            report,
        })
    }

    fn file_for_each_unit(&mut self) -> Result<(), Error> {
        let mut rest: BTreeSet<String> = self.source.tensors.keys().cloned().collect();
        let files = file_names(self.specs.iter().map(|spec| spec.name.as_str()));
        let tensors: Vec<String> = rest.iter().cloned().collect();
        let beside = Beside::of(self.specs, tensors.iter().map(String::as_str));
        self.check_names(&files)?;
        let mut coded = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let spec = &self.specs[index];
            let plan = match self.is_finished(file, 1)? {
                true => None,
                false => match self.plan(index)? {
                    Some(plan) => Some(plan),
                    None => continue,
                },
            };
            remove(&mut rest, &spec.tensors);
            let others = beside.unit(index, &rest);
            remove(&mut rest, &others);
            if let Some(plan) = plan {
                self.write_file(file, &[(index, plan)], &others, Metadata::of_unit(self.source, self.options.code))?;
            }
            coded.push(index);
        }
        let rest: Vec<String> = rest.into_iter().collect();
        self.write_main(&[], &rest, &coded)
    }

    /// Plans every unit before the first is coded, to know whether the header of the main file fits.
    fn check_main_file(&mut self) -> Result<(), Error> {
        let told = (self.report.kept_raw.len(), self.report.notes.len());
        let mut rest: BTreeSet<String> = self.source.tensors.keys().cloned().collect();
        let tensors: Vec<String> = rest.iter().cloned().collect();
        let specs = self.specs;
        let beside = Beside::of(specs, tensors.iter().map(String::as_str));
        let mut coded = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            if self.plan(index)?.is_some() {
                remove(&mut rest, &spec.tensors);
                let others = beside.unit(index, &rest);
                remove(&mut rest, &others);
                coded.push(spec);
            }
        }
        // They are planned again, and then reported.
        self.report.kept_raw.truncate(told.0);
        self.report.notes.truncate(told.1);
        Gate::new(self.source, specs, self.options).check_planned(&coded, &rest)
    }

    fn one_file(&mut self) -> Result<(), Error> {
        self.check_names(&[])?;
        let mut rest: BTreeSet<String> = self.source.tensors.keys().cloned().collect();
        let mut units = Vec::new();
        for (index, spec) in self.specs.iter().enumerate() {
            if let Some(plan) = self.plan(index)? {
                remove(&mut rest, &spec.tensors);
                units.push((index, plan));
            }
            self.progress.advance(spec.weights * size_of::<bf16>() as u64);
        }
        let rest: Vec<String> = rest.into_iter().collect();
        let coded: Vec<usize> = units.iter().map(|(index, _)| *index).collect();
        self.write_main(&units, &rest, &coded)
    }

    /// Reads a unit and plans it; `None` where it stays raw, which is reported.
    fn plan(&mut self, index: usize) -> Result<Option<Plan>, Error> {
        check_stopped(self.progress)?;
        let spec = &self.specs[index];
        self.progress.unit(&spec.name);
        let raw_bytes = spec.weights * size_of::<bf16>() as u64;
        let reason = match self.try_plan(index)? {
            Ok(plan) => {
                let bytes = plan.sizes().total() + file::split_positions(self.source, spec).len() as u64;
                if bytes < raw_bytes || self.options.code == CodeKind::Published {
                    return Ok(Some(plan));
                }
                format!("coded it would have {bytes} bytes, as BF16 it has {raw_bytes}")
            }
            Err(fault) => fault.to_string(),
        };
        self.report.kept_raw.push(KeptRaw { unit: spec.name.clone(), reason });
        Ok(None)
    }

    /// A unit that its header shows to be too large is not read.
    fn try_plan(&mut self, index: usize) -> Result<Result<Plan, df11_core::Error>, Error> {
        let found = self.specs[index].weights;
        if found > MAX_WEIGHTS {
            return Ok(Err(df11_core::Error::TooManyWeights { found }));
        }
        self.load(index)?;
        Ok(self.plan_loaded(index))
    }

    /// Reads the weights of a unit into the buffer, unless they are there.
    fn load(&mut self, index: usize) -> Result<(), Error> {
        if self.loaded == Some(index) {
            return Ok(());
        }
        self.loaded = None;
        let mut begin = 0;
        for tensor in &self.specs[index].tensors {
            let info = &self.source.tensors[tensor].info;
            let end = begin + self.source.weights_of(tensor) as usize;
            let mut hash = TensorHash::new(tensor, info.dtype.name(), &info.shape);
            let mut first = 0;
            for weights in self.buffer[begin..end].chunks_mut(PIECE_BYTES / size_of::<bf16>()) {
                check_between(self.progress, first)?;
                self.source.read_weights(tensor, first, weights, |bytes| hash.update(bytes))?;
                first += weights.len() as u64;
            }
            self.note_hash(tensor, hash.finish())?;
            begin = end;
        }
        self.loaded = Some(index);
        Ok(())
    }

    /// Keeps a tensor's checksum. One that is read twice must be the same twice.
    fn note_hash(&mut self, tensor: &str, found: u64) -> Result<(), Error> {
        match self.hashes.insert(tensor.to_owned(), found) {
            Some(before) if before != found => Err(Error::SourceChanged {
                path: self.source.reader(&self.source.tensors[tensor]).path().to_path_buf(),
                tensor: tensor.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}
