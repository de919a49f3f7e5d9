//! A BF16 checkpoint becomes a DFloat11 one.
//!
//! ```text
//! directory form: for each unit: read, plan                 -> not smaller than BF16? its tensors stay raw
//!                                encode, verify, write <unit>.safetensors with the module's other tensors
//!                 the rest -> model.safetensors, with the record;  config.json;  other files copied
//! one file:       for each unit: read, plan;  then all sizes are known, and for each unit: read, encode, verify, write at its place
//! ```
//!
//! Memory holds one unit: its weights and its arrays. In one file every unit is read twice instead of kept: the sizes in the header come first,
//! and an upper bound for them would leave holes. A header is written when the data is, since the record in it has every tensor's checksum.
//!
//! Where the published tool's own bytes are asked for, `published` has what differs.

pub(crate) mod contents;
pub(crate) mod file;
mod parts;
pub(crate) mod published;
pub(crate) mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use df11_core::bf16;
use df11_core::limits::MAX_WEIGHTS;
use df11_cpu::Plan;

use super::beside::copy_others;
use super::checkpoint::{CONFIG_FILE, Checkpoint};
use super::config::{ConfigFile, dfloat11_config, text_of_only};
use super::names::file_names;
use super::output::{Form, Output};
use super::pattern::PatternDict;
use super::pipeline;
use super::progress::Progress;
use super::record::TensorHash;
use super::units::UnitSpec;
use crate::Error;
use crate::backend::Backend;
use contents::{others_of, record_of, remove};
use file::Metadata;
use parts::compress_parts;
pub use published::CodeKind;
use source::{check_names_free, open_source, refuse_without_bf16, units_of};

/// How to compress.
#[derive(Clone, Debug)]
pub struct CompressOptions {
    /// What encodes and what decodes for verification.
    pub backend: Backend,
    /// Whose codes and files are written.
    pub code: CodeKind,
    /// Which modules are units; by default they are inferred from the headers.
    pub pattern_dict: Option<PatternDict>,
    /// Where units are inferred: code every BF16 tensor of some size, in an extension that the published loader cannot read.
    pub all: bool,
    /// For a directory: one `model.safetensors` instead of a file for each unit.
    pub single_file: bool,
    /// Decode each unit and compare it with what was read before it is written. On by default.
    pub verify: bool,
    /// Replace an OUTPUT that exists.
    pub force: bool,
}

impl Default for CompressOptions {
    fn default() -> Self {
        let backend = Backend::best();
        let code = CodeKind::default();
        CompressOptions {
            backend,
            code,
            pattern_dict: None,
            all: false,
            single_file: false,
            verify: true,
            force: false,
        }
    }
}

/// What was compressed.
#[derive(Debug, Default)]
pub struct CompressReport {
    /// Units that were coded.
    pub units: usize,
    /// Units that stay raw.
    pub kept_raw: Vec<KeptRaw>,
    /// Bytes of the source's weight files, headers included.
    pub source_bytes: u64,
    /// Bytes of the weight files written, headers included.
    pub output_bytes: u64,
    /// Files written, copied ones included.
    pub files: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A unit that stays raw.
#[derive(Clone, Debug)]
pub struct KeptRaw {
    /// The module path.
    pub unit: String,
    /// Why.
    pub reason: String,
}

/// Compresses the model at `input`, a file or a directory, to `output`, which becomes the same. Runs on the current rayon pool.
///
/// # Errors
/// INPUT is not a readable BF16 model, OUTPUT may not be written, a unit does not decode to what was read. OUTPUT is then absent, or what it was.
pub fn compress(
    input: &Path,
    output: &Path,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<CompressReport, Error> {
    let parts = pipeline::parts(input)?;
    if !parts.is_empty() {
        return compress_parts(input, output, &parts, options, progress);
    }
    let source = open_source(input, options)?;
    refuse_without_bf16(&source)?;
    let specs = units_of(&source, options)?;
    check_names_free(&source, &specs)?;
    let form = if source.is_dir { Form::Directory } else { Form::File };
    let output = Output::begin(output, input, form, options.force)?;
    let mut job = Job::new(source, &specs, &output, options, progress)?;
    if form == Form::Directory && !options.single_file {
        job.file_for_each_unit()?;
    } else {
        job.one_file()?;
    }
    let mut report = job.report;
    if form == Form::Directory && options.code == CodeKind::Canonical {
        report.files += copy_others(input, &output, &[])?;
    }
    output.commit()?;
    Ok(report)
}

/// A compression under way.
struct Job<'a> {
    source: Checkpoint,
    specs: &'a [UnitSpec],
    output: &'a Output,
    options: &'a CompressOptions,
    progress: &'a dyn Progress,
    /// The weights of the unit that `loaded` names, at the front.
    buffer: Vec<bf16>,
    loaded: Option<usize>,
    /// The checksum of every tensor read so far.
    hashes: BTreeMap<String, u64>,
    report: CompressReport,
}

impl<'a> Job<'a> {
    fn new(
        source: Checkpoint,
        specs: &'a [UnitSpec],
        output: &'a Output,
        options: &'a CompressOptions,
        progress: &'a dyn Progress,
    ) -> Result<Job<'a>, Error> {
        let read = specs.iter().filter(|spec| spec.weights <= MAX_WEIGHTS);
        let largest = match read.max_by_key(|spec| spec.weights) {
            Some(spec) => Error::addressable(spec.weights * size_of::<bf16>() as u64, &source.path, &spec.name)?,
            None => 0,
        };
        let report = CompressReport {
            units: 0,
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
            options,
            progress,
            buffer: df11_cpu::buffer(largest / size_of::<bf16>()),
            loaded: None,
            hashes: BTreeMap::new(),
            report,
        })
    }

    fn file_for_each_unit(&mut self) -> Result<(), Error> {
        self.progress.begin(self.data_bytes());
        let mut rest: BTreeSet<String> = self.source.tensors.keys().cloned().collect();
        let files = file_names(self.specs.iter().map(|spec| spec.name.as_str()));
        let mut coded = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let spec = &self.specs[index];
            let Some(plan) = self.plan(index)? else { continue };
            remove(&mut rest, &spec.tensors);
            let others = others_of(self.specs, spec, &rest);
            remove(&mut rest, &others);
            self.write_file(file, &[(index, plan)], &others, Metadata::None)?;
            coded.push(index);
        }
        let rest: Vec<String> = rest.into_iter().collect();
        self.write_main(&[], &rest, &coded)
    }

    fn one_file(&mut self) -> Result<(), Error> {
        let coded_bytes: u64 = self.specs.iter().map(|spec| spec.weights * size_of::<bf16>() as u64).sum();
        self.progress.begin(self.data_bytes() + coded_bytes);
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
        let spec = &self.specs[index];
        self.progress.unit(&spec.name);
        let raw_bytes = spec.weights * size_of::<bf16>() as u64;
        let reason = match self.try_plan(index)? {
            Ok(plan) => {
                let bytes = (plan.sizes().total() + file::split_positions(&self.source, spec).len()) as u64;
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
            self.source.read_weights(tensor, 0, &mut self.buffer[begin..end], |bytes| hash.update(bytes))?;
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

    /// Writes the main file, with the record in it, and config.json.
    fn write_main(&mut self, units: &[(usize, Plan)], raw: &[String], coded: &[usize]) -> Result<(), Error> {
        let coded: Vec<&UnitSpec> = coded.iter().map(|&index| &self.specs[index]).collect();
        if self.options.code == CodeKind::Published {
            return self.write_published_main(units, raw, &coded);
        }
        let (extension, published): (Vec<&UnitSpec>, Vec<&UnitSpec>) =
            coded.iter().partition(|spec| spec.is_extension());
        if !extension.is_empty() {
            let count = extension.len();
            self.report.notes.push(format!(
                "{count} tensors are coded that the published loader cannot inject; only df11 reads this model"
            ));
        }
        let pattern_dict = PatternDict::to_json(&published, self.source.tensors.keys().map(String::as_str));
        let config = dfloat11_config(pattern_dict);
        let record = record_of(&self.source, &coded, &self.hashes)?;
        self.progress.unit(self.source.main_file);
        self.write_file(self.source.main_file, units, raw, Metadata::Record(record, &config))?;
        if self.source.is_dir {
            let text = match ConfigFile::read(self.source.folder())? {
                Some(file) => file.text_with(Some(&config)),
                None => text_of_only(&config),
            };
            let file = self.output.file(CONFIG_FILE)?;
            file.write(text.unwrap_or_default().as_bytes(), 0)?;
            file.finish()?;
            self.report.files += 1;
        }
        Ok(())
    }

    fn data_bytes(&self) -> u64 {
        self.source.tensors.values().map(|place| place.info.bytes()).sum()
    }
}
