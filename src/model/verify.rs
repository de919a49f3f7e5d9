//! Is a DFloat11 model what it should be? Its structure, then what the record of its source says, then the source itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use df11_core::bf16;

use super::checkpoint::Checkpoint;
use super::codec::{Decoding, decode_tiles, matrices_of_tile};
use super::coded::{CodedModel, CodedUnit};
use super::matrices::{Matrix, Naming};
use super::memory::check_units;
use super::pattern::PatternDict;
use super::pipeline::coded_parts;
use super::progress::Progress;
use super::record::{Record, TensorHash, TensorRecord};
use super::spelling::Spelling;
use crate::Error;

/// How to verify.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// For a model without a record of its source: which modules are units, instead of its own `pattern_dict`.
    pub pattern_dict: Option<PatternDict>,
    /// The source, to be compared bit by bit.
    pub against: Option<PathBuf>,
    /// Refuse a model with a unit that needs more bytes of memory than this.
    pub memory: Option<u64>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Units that decode, every gap and position checked.
    pub units: usize,
    /// Their weights.
    pub weights: u64,
    /// Tensors that are not coded.
    pub raw_tensors: usize,
    /// Tensors that have the checksum of the record; `None` where the model has no record.
    pub checksums: Option<usize>,
    /// Tensors equal to the source's; `None` where none was given.
    pub compared: Option<usize>,
    /// What is wrong, in the order found; empty for a sound model.
    pub failures: Vec<Error>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Verifies the model at `input`, a file or a directory. Decodes plainly, in parallel on the current rayon pool.
///
/// # Errors
/// The check could not be made. What is wrong with a model that could be read is not an error but a failure in the report, except for what keeps
/// it from being read at all ([`Error::is_failed_check`] tells them apart).
pub fn verify(input: &Path, options: &VerifyOptions, progress: &dyn Progress) -> Result<VerifyReport, Error> {
    let mut all = VerifyReport::default();
    let parts = coded_parts(input)?;
    for part in &parts {
        let against = options.against.as_ref().map(|source| source.join(part));
        let options = VerifyOptions { against, ..options.clone() };
        all.add(verify(&input.join(part), &options, progress)?);
    }
    if !parts.is_empty() {
        return Ok(all);
    }
    let mut model = CodedModel::open(input)?;
    check_units(&model, options.memory)?;
    let mut report = VerifyReport { raw_tensors: model.raw.len(), ..VerifyReport::default() };
    if let Err(error) = std::mem::replace(&mut model.record, Ok(None)).map(|record| model.record = Ok(record)) {
        report.failures.push(error);
    }
    let record = model.record.as_ref().ok().and_then(Option::as_ref);
    let source = options.against.as_deref().map(Checkpoint::open_source).transpose()?;
    let naming = match (record, &source) {
        (None, None) => None,
        _ => Some(Naming::of(&model, options.pattern_dict.as_ref())?),
    };
    report.checksums = record.map(|_| 0);
    report.compared = source.as_ref().map(|_| 0);
    let unit_bytes: u64 = model.units.iter().map(|unit| unit.weights * size_of::<bf16>() as u64).sum();
    let raw_bytes: u64 = model.raw.iter().map(|name| model.checkpoint.tensors[name].info.bytes()).sum();
    progress.begin(unit_bytes + raw_bytes);
    let mut job = Job { model: &model, naming, record, source: source.as_ref(), progress, seen: Vec::new(), report };
    let mut tile = Vec::new();
    for unit in &model.units {
        progress.unit(&unit.name);
        if let Err(error) = job.verify_unit(unit, &mut tile) {
            job.fail(error)?;
        }
    }
    for name in &model.raw {
        if let Err(error) = job.verify_raw(name) {
            job.fail(error)?;
        }
    }
    job.all_seen();
    Ok(job.report)
}

impl VerifyReport {
    /// Takes in the report of a pipeline's part.
    fn add(&mut self, part: VerifyReport) {
        let sum = |a: Option<usize>, b: Option<usize>| a.map(|a| a + b.unwrap_or(0)).or(b);
        self.units += part.units;
        self.weights += part.weights;
        self.raw_tensors += part.raw_tensors;
        self.checksums = sum(self.checksums, part.checksums);
        self.compared = sum(self.compared, part.compared);
        self.failures.extend(part.failures);
        self.notes.extend(part.notes);
    }
}

/// A verification under way.
struct Job<'a> {
    model: &'a CodedModel,
    naming: Option<Naming<'a>>,
    record: Option<&'a Record>,
    source: Option<&'a Checkpoint>,
    progress: &'a dyn Progress,
    /// The tensors that the model holds, coded or raw.
    seen: Vec<String>,
    report: VerifyReport,
}

/// A tensor that is being compared, piece by piece, with its record and its source.
struct Comparison<'a> {
    name: String,
    known: Option<&'a TensorRecord>,
    hash: Option<TensorHash>,
    source: Option<&'a Checkpoint>,
    /// The first byte of the data that differs: where it is, what it is, and what it is in the source.
    differs: Option<(u64, u8, u8)>,
    buffer: Vec<u8>,
}

impl<'a> Job<'a> {
    /// A failed check is noted and the next tensor looked at; anything else ends the job.
    fn fail(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_failed_check() {
            return Err(error);
        }
        self.report.failures.push(error);
        Ok(())
    }

    fn verify_unit(&mut self, unit: &CodedUnit, tile: &mut Vec<bf16>) -> Result<(), Error> {
        let matrices: Vec<Matrix> = match &self.naming {
            Some(naming) => naming.matrices(self.model, unit)?,
            None => Vec::new(),
        };
        self.seen.extend(matrices.iter().map(|matrix| matrix.tensor.clone()));
        let arrays = self.model.read(unit, self.progress)?;
        let proven = self.model.validate(unit, &arrays)?;
        let mut comparisons = Vec::with_capacity(matrices.len());
        let mut spellings = Vec::with_capacity(matrices.len());
        for matrix in &matrices {
            let dtype = self.dtype(&matrix.tensor);
            let spelling = Spelling::of(&dtype).unwrap_or(Spelling::Bf16);
            let bytes = (matrix.weights.end - matrix.weights.start).saturating_mul(spelling.bytes() as u64);
            comparisons.push(self.begin(&matrix.tensor, &dtype, None, bytes)?);
            spellings.push(spelling);
        }
        let take = |first: u64, weights: &[bf16]| {
            for (index, offset, weights) in matrices_of_tile(&matrices, first, weights) {
                let spelling = spellings[index];
                comparisons[index].take(offset * spelling.bytes() as u64, &spelling.write(weights))?;
            }
            self.progress.advance(size_of_val(weights) as u64);
            Ok(())
        };
        decode_tiles(&proven, Decoding::Plain, tile, take).map_err(|stopped| self.model.stopped(unit, stopped))?;
        self.report.units += 1;
        self.report.weights += unit.weights;
        comparisons.into_iter().for_each(|comparison| self.finish(comparison));
        Ok(())
    }

    /// What a coded tensor was: BF16 but where record or source say that it held BF16 values as another dtype.
    fn dtype(&self, tensor: &str) -> String {
        let recorded = self.record.and_then(|record| Some(record.tensors.get(tensor)?.dtype.as_str()));
        let of_source = self.source.and_then(|source| Some(source.tensors.get(tensor)?.info.dtype.name()));
        let dtype = recorded.or(of_source).filter(|dtype| Spelling::of(dtype).is_some());
        dtype.unwrap_or("BF16").to_owned()
    }

    fn verify_raw(&mut self, name: &str) -> Result<(), Error> {
        self.seen.push(name.to_owned());
        let place = &self.model.checkpoint.tensors[name];
        let info = &place.info;
        let mut comparison = self.begin(name, info.dtype.name(), Some(&info.shape), info.bytes())?;
        self.model.checkpoint.reader(place).read_chunks(name, info, |offset, bytes| {
            self.progress.advance(bytes.len() as u64);
            comparison.take(offset, bytes)
        })?;
        self.finish(comparison);
        Ok(())
    }

    /// Compares what headers say of a tensor; its data is to follow.
    fn begin(&self, name: &str, dtype: &str, shape: Option<&[u64]>, bytes: u64) -> Result<Comparison<'a>, Error> {
        let path = self.model.checkpoint.path.clone();
        let known = match self.record {
            Some(record) => Some(record.tensors.get(name).ok_or_else(|| Error::Record {
                path: path.clone(),
                key: "df11.tensors".into(),
                reason: format!("it does not know tensor `{name}`"),
            })?),
            None => None,
        };
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
        let hash = known.map(|_| TensorHash::new(name, dtype, shape));
        Ok(Comparison { name: name.to_owned(), known, hash, source: self.source, differs: None, buffer: Vec::new() })
    }

    /// Counts a tensor whose data has been seen, or notes what is wrong with it.
    fn finish(&mut self, comparison: Comparison<'_>) {
        let Comparison { name: tensor, known, hash, source, differs, .. } = comparison;
        let path = self.model.checkpoint.path.clone();
        if let (Some(known), Some(hash)) = (known, hash) {
            let (found, expected) = (hash.finish(), known.xxh3);
            if found == expected {
                *self.report.checksums.get_or_insert(0) += 1;
            } else {
                let (path, tensor) = (path.clone(), tensor.clone());
                self.report.failures.push(Error::Checksum { path, tensor, found, expected });
            }
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
    }

    /// Notes what record and source promise and the model does not hold.
    fn all_seen(&mut self) {
        let seen: BTreeSet<&str> = self.seen.iter().map(String::as_str).collect();
        let recorded = self.record.into_iter().flat_map(|record| record.tensors.keys());
        let recorded = recorded.map(|tensor| (tensor, "the record of the source".to_owned()));
        let compared = self
            .source
            .into_iter()
            .flat_map(|source| source.tensors.keys().map(|tensor| (tensor, source.path.display().to_string())));
        let missing = recorded.chain(compared).filter(|(tensor, _)| !seen.contains(tensor.as_str()));
        let path = &self.model.checkpoint.path;
        self.report.failures.extend(missing.map(|(tensor, promised_by)| Error::TensorMissing {
            path: path.clone(),
            tensor: tensor.clone(),
            promised_by,
        }));
    }
}

impl Comparison<'_> {
    /// Goes on with the data from byte `offset` on.
    fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
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
