//! One file of the output: laid out, filled unit by unit and tensor by tensor, and given its header last.
//!
//! ```text
//! write_data    places from the plans; arrays and raw tensors, each with its checksum
//! seal          the header; the file gets its name, and is listed for the record
//! ```

use std::collections::BTreeMap;

use df11_core::{PartSizes, UnitView, bf16};
use df11_cpu::Plan;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::gate::unwritable;
use super::{CodeKind, Job};
use crate::Error;
use crate::backend::Backend;
use crate::files::checkpoint::Checkpoint;
use crate::files::leaves::LEAVES;
use crate::files::our_files::{Digits, OurFile};
use crate::files::own::{MAIN_KEY, PREFIX};
use crate::naming::units::UnitSpec;
use crate::progress::{PIECE_BYTES, check_between, check_stopped};
use crate::record::checksum::{TensorHash, data_checksum};
use crate::record::source::Record;
use crate::record::tiles::{Decoding, Stopped, decode_tiles};
use crate::safetensors::{Dtype, Fault, Layout, NewTensor, TensorInfo};
use crate::writer::output::NewFile;

/// Bytes of one row of `luts`.
const LUT_ROW_BYTES: u64 = df11_core::limits::TABLE_ENTRIES as u64;

/// What a header has beside its tensors.
pub(crate) enum Metadata<'a> {
    /// Nothing.
    None,
    /// The source's metadata, and the record with `dfloat11_config`: in our main file.
    Record(&'a Record, &'a Value),
    /// That the record is in a file of this name: in our files of units.
    Main(&'a str),
    /// What `save_pretrained` of transformers and diffusers writes: in a published main file.
    Saved,
}

impl Metadata<'_> {
    /// What the header of a unit's file has.
    pub fn of_unit(source: &Checkpoint, code: CodeKind) -> Metadata<'static> {
        match code {
            CodeKind::Canonical => Metadata::Main(source.main_file),
            CodeKind::Published => Metadata::None,
        }
    }
}

impl Job<'_> {
    /// Writes a file of these units and raw tensors, its header with what belongs into its metadata.
    pub(super) fn write_file(
        &mut self,
        name: &str,
        units: &[(usize, Plan)],
        raw: &[String],
        metadata: Metadata<'_>,
    ) -> Result<(), Error> {
        let file = self.write_data(name, units, raw, &metadata)?;
        let unwritable = unwritable(self.source, name, self.options.single_file);
        let header = header(self.source, &file.layout, &metadata).map_err(unwritable)?;
        let (size, header_hash) = (file.bytes(), Digits(xxh3_64(&header)));
        let xxh3 = file.data_checksum();
        let tensors = units.iter().flat_map(|(index, _)| &self.specs[*index].tensors).chain(raw);
        let noted = self.noted(name, &header, file.arrays, tensors);
        file.file.write(&header, 0)?;
        self.output.finish(file.file, &noted)?;
        self.ours.push(OurFile::Weights { name: name.to_owned(), size, header: header_hash, xxh3 });
        Ok(())
    }

    /// Writes all of a file but its header, which is as long as it is with these metadata.
    pub(super) fn write_data(
        &mut self,
        name: &str,
        units: &[(usize, Plan)],
        raw: &[String],
        metadata: &Metadata<'_>,
    ) -> Result<Target, Error> {
        let sized = units.iter().map(|(index, plan)| (&self.specs[*index], plan.sizes()));
        let unwritable = unwritable(self.source, name, self.options.single_file);
        let layout = layout(self.source, sized, raw.iter().map(String::as_str)).map_err(&unwritable)?;
        let data_begin = header(self.source, &layout, metadata).map_err(&unwritable)?.len() as u64;
        let file = self.output.file(&self.below.join(name))?;
        let mut target = Target { file, data_begin, layout, arrays: BTreeMap::new(), raw: BTreeMap::new() };
        for (index, plan) in units {
            self.write_unit(*index, plan, &mut target)?;
        }
        self.copy_raw(raw, &mut target)?;
        self.report.output_bytes += target.bytes();
        self.report.files += 1;
        Ok(target)
    }

    /// Encodes a unit, verifies it and writes its six arrays.
    fn write_unit(&mut self, index: usize, plan: &Plan, file: &mut Target) -> Result<(), Error> {
        let spec = &self.specs[index];
        self.progress.unit(&spec.name);
        self.load(index)?;
        check_stopped(self.progress)?;
        let weights = &self.buffer[..spec.weights as usize];
        let not_coded = |fault| Error::UnitNotCoded { path: self.source.path.clone(), unit: spec.name.clone(), fault };
        self.options.backend.encode(weights, plan, &mut self.parts).map_err(not_coded)?;
        let split_positions = split_positions(self.source, spec);
        let view = self.parts.view(&split_positions);
        if self.options.verify {
            verify_unit(&spec.name, view, weights, &self.options.backend, || check_stopped(self.progress)).map_err(
                |stopped| match stopped {
                    Stopped::Unit(fault) => not_coded(fault),
                    Stopped::Backend(error) | Stopped::Taker(error) => error,
                },
            )?;
        }
        let arrays = [
            view.encoded_exponent,
            view.sign_mantissa,
            view.luts,
            view.gaps,
            view.output_positions,
            view.split_positions,
        ];
        for ((leaf, _), array) in LEAVES.iter().zip(arrays) {
            let name = format!("{}.{leaf}", spec.name);
            let write = || {
                let mut offset = 0;
                array.chunks(PIECE_BYTES).try_for_each(|piece| {
                    check_between(self.progress, offset)?;
                    file.write(&name, offset, piece)?;
                    offset += piece.len() as u64;
                    Ok(())
                })
            };
            let (written, checksum) = rayon::join(write, || file.checksum(&name, array));
            written?;
            file.arrays.insert(name, checksum);
        }
        self.report.units += 1;
        self.progress.advance(size_of_val(weights) as u64);
        Ok(())
    }

    fn copy_raw(&mut self, raw: &[String], file: &mut Target) -> Result<(), Error> {
        for tensor in raw {
            let place = self.source.tensors[tensor].clone();
            let mut hash = TensorHash::new(tensor, place.info.dtype.name(), &place.info.shape);
            self.source.reader(&place).read_chunks(tensor, &place.info, |offset, bytes| {
                hash.update(bytes);
                file.write(tensor, offset, bytes)?;
                self.progress.advance(bytes.len() as u64);
                check_stopped(self.progress)
            })?;
            self.note_hash(tensor, hash.finish())?;
            file.raw.insert(tensor.clone(), hash.finish());
        }
        Ok(())
    }
}

/// A file in the making and the places of its tensors.
pub(super) struct Target {
    pub file: NewFile,
    data_begin: u64,
    pub layout: Layout,
    /// Checksums of the arrays written.
    arrays: BTreeMap<String, u64>,
    /// Checksums of the raw tensors written.
    raw: BTreeMap<String, u64>,
}

impl Target {
    /// Bytes of the whole file.
    fn bytes(&self) -> u64 {
        self.data_begin + self.layout.data_bytes()
    }

    /// The checksum of its data, all of which has been written.
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
        self.layout.find(tensor).expect("every tensor of the file was laid out")
    }
}

/// Decodes, checks gaps and positions, and compares with what was read.
fn verify_unit(
    name: &str,
    view: UnitView<'_>,
    weights: &[bf16],
    backend: &Backend,
    check_stopped: impl Fn() -> Result<(), Error>,
) -> Result<(), Stopped<Error>> {
    let unit = view.validate().map_err(Stopped::Unit)?;
    decode_tiles(&unit, Decoding::Checked(backend), &mut Vec::new(), |first, tile| {
        check_stopped()?;
        let expected = &weights[first as usize..][..tile.len()];
        let bits = |weight: &bf16| weight.to_bits();
        if bytemuck::cast_slice::<_, u8>(tile) == bytemuck::cast_slice::<_, u8>(expected) {
            return Ok(());
        }
        let differs = tile.iter().zip(expected).position(|(a, b)| bits(a) != bits(b)).unwrap_or(0);
        Err(Error::NotVerified { unit: name.to_owned(), weight: first + differs as u64 })
    })
}

/// The places of these units' arrays and these raw tensors in one file.
pub(crate) fn layout<'a>(
    source: &Checkpoint,
    units: impl Iterator<Item = (&'a UnitSpec, PartSizes)>,
    raw: impl Iterator<Item = &'a str>,
) -> Result<Layout, Fault> {
    let arrays = units.flat_map(|(spec, sizes)| array_tensors(spec, sizes, split_positions(source, spec).len()));
    let raw = raw.map(|tensor| {
        let info = &source.tensors[tensor].info;
        let (dtype, shape) = (info.dtype.clone(), info.shape.clone());
        NewTensor { name: tensor.to_owned(), dtype, shape, bytes: info.bytes() }
    });
    Layout::new(arrays.chain(raw).collect())
}

/// The header of a file.
pub(crate) fn header(source: &Checkpoint, layout: &Layout, metadata: &Metadata<'_>) -> Result<Vec<u8>, Fault> {
    let metadata = match metadata {
        Metadata::None => BTreeMap::new(),
        Metadata::Record(record, config) => {
            let mut metadata = source.metadata();
            metadata.retain(|key, _| !key.starts_with(PREFIX));
            metadata.extend(record.to_metadata(config, !source.is_dir));
            metadata
        }
        Metadata::Main(name) => BTreeMap::from([(MAIN_KEY.to_owned(), (*name).to_owned())]),
        Metadata::Saved => BTreeMap::from([("format".to_owned(), "pt".to_owned())]),
    };
    layout.header(&metadata)
}

/// The tensors of a unit's six arrays.
fn array_tensors(spec: &UnitSpec, sizes: PartSizes, split_bytes: usize) -> [NewTensor; LEAVES.len()] {
    let bytes =
        [sizes.encoded_exponent, sizes.sign_mantissa, sizes.luts, sizes.gaps, sizes.output_positions, split_bytes];
    std::array::from_fn(|index| {
        let ((leaf, dtype), bytes) = (LEAVES[index], bytes[index] as u64);
        let shape = match leaf {
            "luts" => vec![bytes / LUT_ROW_BYTES, LUT_ROW_BYTES],
            "split_positions" => vec![bytes / size_of::<i64>() as u64],
            _ => vec![bytes],
        };
        NewTensor { name: format!("{}.{leaf}", spec.name), dtype: Dtype::named(dtype), shape, bytes }
    })
}

/// Where each matrix of a unit but the last ends, as it is written.
pub(crate) fn split_positions(source: &Checkpoint, spec: &UnitSpec) -> Vec<u8> {
    let mut end = 0;
    let ends = spec.tensors.iter().map(|tensor| {
        end += source.weights_of(tensor);
        end
    });
    ends.take(spec.tensors.len() - 1).flat_map(|end| (end as i64).to_le_bytes()).collect()
}
