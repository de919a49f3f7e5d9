//! One file of the output: laid out, then filled unit by unit and tensor by tensor. Its header is
//! written last.
//!
//! ```text
//! write_data    places from the plans; arrays and raw tensors, each with its checksum
//! seal          the header; the file gets its name, and is listed for the record
//! ```

use std::collections::BTreeMap;

use df11_core::{UnitView, bf16};
use df11_cpu::Plan;
use xxhash_rust::xxh3::xxh3_64;

use super::layout::{Contents, Metadata, header, places, split_positions, unwritable};
use super::options::CompressReport;
use super::task::{Ledger, Task};
use super::unit::UnitBuffer;
use crate::Error;
use crate::backend::Choice;
use crate::files::leaves::LEAVES;
use crate::files::our_files::{Digits, OurFile};
use crate::progress::{Early, PIECE_BYTES, Progress, check_between, check_stopped};
use crate::record::checksum::{TensorHash, data_checksum};
use crate::record::tiles::{Decoding, Stopped, decode_tiles};
use crate::safetensors::{Layout, TensorInfo};
use crate::writer::output::NewFile;
use crate::writer::output::journal::{Finished, key};

/// Writes a file of these units and raw tensors, and its header with the metadata.
pub(super) fn write_file(
    task: Task<'_>,
    unit: &mut UnitBuffer<'_>,
    ledger: &mut Ledger,
    contents: &Contents<'_, Plan>,
    metadata: Metadata<'_>,
) -> Result<(), Error> {
    let file = write_data(task, unit, &mut ledger.report, contents, &metadata)?;
    let &Contents { name, units, raw } = contents;
    let header = header(task.source, &file.places, &metadata).map_err(unwritable(task.layout, name))?;
    let (size, header_hash) = (file.bytes(), Digits(xxh3_64(&header)));
    let xxh3 = file.data_checksum();
    let tensors = units.iter().flat_map(|(index, _)| &task.specs[*index].tensors).chain(raw);
    let noted = Finished {
        file: key(&task.place(name)),
        header: header_hash.0,
        arrays: file.arrays,
        tensors: tensors.map(|tensor| (tensor.clone(), unit.hashes.get(tensor).copied().unwrap_or(0))).collect(),
        notes: ledger.notes_of_file(),
    };
    file.file.write(&header, 0)?;
    task.output.finish(file.file, &noted)?;
    ledger.ours.push(OurFile::Weights { name: name.to_owned(), size, header: header_hash, xxh3 });
    Ok(())
}

/// Writes everything of a file except its header. The header's length is known: that of a header
/// with these metadata.
pub(super) fn write_data(
    task: Task<'_>,
    unit: &mut UnitBuffer<'_>,
    report: &mut CompressReport,
    &Contents { name, units, raw }: &Contents<'_, Plan>,
    metadata: &Metadata<'_>,
) -> Result<Draft, Error> {
    let sized = units.iter().map(|(index, plan)| (&task.specs[*index], plan.sizes()));
    let unwritable = unwritable(task.layout, name);
    let places = places(task.source, sized, raw.iter().map(String::as_str)).map_err(&unwritable)?;
    let data_begin = header(task.source, &places, metadata).map_err(&unwritable)?.len() as u64;
    let file = task.output.file(&task.place(name))?;
    let mut draft = Draft { file, data_begin, places, arrays: BTreeMap::new(), raw: BTreeMap::new() };
    for (index, plan) in units {
        // A unit with a file of its own was named when it was planned.
        if name == task.layout.main_file() {
            task.progress.unit(&task.specs[*index].name);
        }
        write_unit(task, unit, *index, plan, &mut draft)?;
        report.units += 1;
    }
    copy_raw(task, unit, raw, &mut draft)?;
    report.output_bytes += draft.bytes();
    report.files += 1;
    Ok(draft)
}

/// Encodes a unit, verifies it and writes its six arrays.
fn write_unit(
    task: Task<'_>,
    unit: &mut UnitBuffer<'_>,
    index: usize,
    plan: &Plan,
    file: &mut Draft,
) -> Result<(), Error> {
    let Task { source, options, .. } = task;
    let spec = &task.specs[index];
    unit.load(index)?;
    let (weights, parts, progress) = unit.loaded(index);
    check_stopped(progress)?;
    let not_coded = |fault| Error::UnitNotCoded { path: source.path.clone(), unit: spec.name.clone(), fault };
    options.backend.encode(weights, plan, parts).map_err(not_coded)?;
    let split_positions = split_positions(source, spec);
    let view = parts.view(&split_positions);
    if options.verify {
        verify_unit(&spec.name, view, weights, &options.backend, progress).map_err(|stopped| match stopped {
            Stopped::Unit(fault) => not_coded(fault),
            Stopped::Backend(error) | Stopped::Taker(error) => error,
        })?;
    }
    let arrays =
        [view.encoded_exponent, view.sign_mantissa, view.luts, view.gaps, view.output_positions, view.split_positions];
    for ((leaf, _), array) in LEAVES.iter().zip(arrays) {
        let name = format!("{}.{leaf}", spec.name);
        let write = || {
            let mut offset = 0;
            array.chunks(PIECE_BYTES).try_for_each(|piece| {
                check_between(progress, offset)?;
                file.write(&name, offset, piece)?;
                offset += piece.len() as u64;
                progress.advance(piece.len() as u64);
                Ok(())
            })
        };
        let (written, checksum) = rayon::join(write, || file.checksum(&name, array));
        written?;
        file.arrays.insert(name, checksum);
    }
    progress.done(spec.tensors.iter().map(|tensor| source.tensors[tensor].info.bytes()).sum());
    Ok(())
}

fn copy_raw(task: Task<'_>, unit: &mut UnitBuffer<'_>, raw: &[String], file: &mut Draft) -> Result<(), Error> {
    for tensor in raw {
        let place = &task.source.tensors[tensor];
        let mut hash = TensorHash::new(tensor, place.info.dtype.name(), &place.info.shape);
        task.source.reader(place).read_chunks(tensor, &place.info, |offset, bytes| {
            hash.update(bytes);
            file.write(tensor, offset, bytes)?;
            unit.early.done(bytes.len() as u64);
            check_stopped(task.progress)
        })?;
        unit.note_hash(tensor, hash.finish())?;
        file.raw.insert(tensor.clone(), hash.finish());
    }
    Ok(())
}

/// An unfinished file and the places of its tensors.
pub(super) struct Draft {
    pub file: NewFile,
    data_begin: u64,
    pub places: Layout,
    /// Checksums of the written arrays.
    arrays: BTreeMap<String, u64>,
    /// Checksums of the written raw tensors.
    raw: BTreeMap<String, u64>,
}

impl Draft {
    /// Bytes of the whole file.
    fn bytes(&self) -> u64 {
        self.data_begin + self.places.data_bytes()
    }

    /// The checksum of the file's data. Precondition: all of it has been written.
    pub fn data_checksum(&self) -> Digits {
        let all = self.arrays.iter().chain(&self.raw).map(|(name, checksum)| (name.clone(), *checksum)).collect();
        data_checksum(self.arrays.keys().chain(self.raw.keys()).map(String::as_str), &all).unwrap_or_default()
    }

    fn write(&self, tensor: &str, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.file.write(bytes, self.data_begin + self.info(tensor).begin + offset)
    }

    fn checksum(&self, tensor: &str, bytes: &[u8]) -> u64 {
        let info = self.info(tensor);
        let mut hash = TensorHash::new(tensor, info.dtype.name(), &info.shape);
        hash.update(bytes);
        hash.finish()
    }

    fn info(&self, tensor: &str) -> &TensorInfo {
        self.places.find(tensor).expect("every tensor of the file has its place")
    }
}

/// Decodes a unit, checks gaps and output positions, and compares the weights with those read.
fn verify_unit(
    name: &str,
    view: UnitView<'_>,
    weights: &[bf16],
    backend: &Choice,
    progress: &Early<'_>,
) -> Result<(), Stopped<Error>> {
    let unit = view.validate().map_err(Stopped::Unit)?;
    decode_tiles(&unit, Decoding::Checked(backend), &mut Vec::new(), |first, tile| {
        check_stopped(progress)?;
        progress.advance(size_of_val(tile) as u64);
        let expected = &weights[first as usize..][..tile.len()];
        let bits = |weight: &bf16| weight.to_bits();
        if bytemuck::cast_slice::<_, u8>(tile) == bytemuck::cast_slice::<_, u8>(expected) {
            return Ok(());
        }
        let differs = tile.iter().zip(expected).position(|(a, b)| bits(a) != bits(b)).unwrap_or(0);
        Err(Error::NotVerified { unit: name.to_owned(), weight: first + differs as u64 })
    })
}
