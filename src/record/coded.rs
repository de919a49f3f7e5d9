//! A DFloat11 model on the disk: its units, the arrays that they consist of, and its raw tensors.
//! Tensors are found by name only.

use std::ops::Range;
use std::path::{Path, PathBuf};

use df11_core::limits::{BLOCK_BYTES, CHUNK_BYTES};
use df11_core::{Arrays, PartSizes, Unit, UnitView};
use rayon::prelude::*;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::checksum::TensorHash;
use super::config::{ConfigFile, DFLOAT11_CONFIG, check_layout};
use super::source::{Record, config_inside, is_version_1};
use super::tiles::Stopped;
use crate::error::{ModelReason, Promise, RecordReason};
use crate::files::checkpoint::{Checkpoint, Place};
use crate::files::dotted::natural_order;
use crate::files::file_names::CONFIG_FILE;
use crate::files::folder::{SmallFile, has};
use crate::files::leaves::{LEAVES, LUTS, SIGN_MANTISSA, SPLIT_POSITIONS, STREAM, is_leaf, unit_names};
use crate::files::our_files::{Digits, OurFile};
use crate::files::own::VERSION_KEY;
use crate::progress::{PIECE_BYTES, Progress, check_between};
use crate::safetensors::{MAX_TENSORS, total};
use crate::{Error, Note};

/// Bytes of one split position.
const SPLIT_BYTES: usize = size_of::<i64>();

/// A DFloat11 model. Its headers are read; its data is not read yet.
#[derive(Debug)]
pub(crate) struct CodedModel {
    /// Its files.
    pub checkpoint: Checkpoint,
    /// Its units in natural order.
    pub units: Vec<CodedUnit>,
    /// The names of its other tensors.
    pub raw: Vec<String>,
    /// The config.json in its folder. `None` if there is none, or if it is not the one that the
    /// record names.
    pub config: Option<ConfigFile>,
    /// `dfloat11_config`, and the file that holds it: config.json, or a file alone.
    pub dfloat11_config: Option<(Value, PathBuf)>,
    /// The record of its source, or what is wrong with the record.
    pub record: Result<Option<Record>, Error>,
}

/// A unit whose arrays are found but not read.
#[derive(Debug)]
pub(crate) struct CodedUnit {
    /// The module path.
    pub name: String,
    /// Its number of weights, according to the header.
    pub weights: u64,
    /// Its number of matrices, according to the header: at least 1, at most [`MAX_TENSORS`].
    pub matrices: usize,
    /// Bytes of its six arrays.
    pub bytes: u64,
    leaves: [Place; LEAVES.len()],
}

impl CodedModel {
    /// Opens the model at `path`, a file or a directory.
    ///
    /// # Errors
    /// It is not a DFloat11 model, or has another geometry, or a unit lacks an array.
    pub fn open(path: &Path) -> Result<CodedModel, Error> {
        CodedModel::of(Checkpoint::open(path)?)
    }

    /// The model in these files.
    ///
    /// # Errors
    /// As `open`.
    pub fn of(mut checkpoint: Checkpoint) -> Result<CodedModel, Error> {
        let path = checkpoint.path.clone();
        let main = checkpoint.main_path();
        let folder = checkpoint.folder().to_path_buf();
        if folder.join(CONFIG_FILE).is_file() {
            checkpoint.small.push(SmallFile::read(&folder, CONFIG_FILE)?);
        }
        let metadata = match checkpoint.record_file {
            Some(file) => checkpoint.files[file].reader.header().metadata.clone(),
            None => checkpoint.metadata(),
        };
        // A record of version 2 holds a checksum of config.json. So config.json is used only if its
        // checksum matches.
        let newer =
            Record::from_metadata(&metadata, None, &main).ok().flatten().filter(|record| record.written.is_some());
        let config = match &newer {
            Some(record) if !is_as_written(&checkpoint, record) => None,
            Some(_) => ConfigFile::of(&checkpoint)?,
            None => {
                // A folder or a broken link with this name is not a model without config.json.
                has(&folder.join(CONFIG_FILE))?;
                ConfigFile::of(&checkpoint)?
            }
        };
        let outside =
            config.as_ref().and_then(|config| Some((config.get(DFLOAT11_CONFIG)?, config.path().to_path_buf())));
        let inside = config_inside(&metadata, &main)?;
        let dfloat11_config = match (inside, outside) {
            (Some(inside), _) => Some((inside, main.clone())),
            (None, outside) => outside,
        };
        if let Some((value, path)) = &dfloat11_config {
            let lacking = check_layout(value, path)?;
            if !lacking.is_empty() {
                let file = path.to_string_lossy().into_owned();
                checkpoint.notes.push(Note::ConfigLacks { file, fields: lacking });
            }
        } else if config.as_ref().is_some_and(|config| config.get("dfloat11_version").is_some()) {
            return Err(Error::NotAModel { path, reason: ModelReason::PickledUnits });
        }
        let record = match (newer, checkpoint.record_file, checkpoint.main_promised()) {
            (Some(record), ..) => Ok(Some(record)),
            (None, None, Some(name)) if checkpoint.is_dir => Err(without_record(&checkpoint, name)),
            // A record of version 1 is sealed together with `dfloat11_config`.
            (None, Some(_), _) if config.is_none() && checkpoint.is_dir && is_version_1(&metadata) => {
                Err(Error::FileMissing { path: folder.join(CONFIG_FILE) })
            }
            _ => Record::from_metadata(&metadata, dfloat11_config.as_ref().map(|(value, _)| value), &main),
        };
        if let (Some(main), false, None) = (checkpoint.main_promised(), checkpoint.is_dir, checkpoint.record_file) {
            let (file, main) = (path.to_string_lossy().into_owned(), main.to_owned());
            checkpoint.notes.push(Note::OneOfFolder { file, main });
        }
        let names = unit_names(checkpoint.tensors.keys().map(String::as_str));
        // Of a published model, the files of all units may be missing.
        let says_so = checkpoint.is_dir && dfloat11_config.is_some();
        if names.is_empty() && matches!(record, Ok(None)) && !says_so {
            return Err(Error::NotAModel { path, reason: ModelReason::NoUnits });
        }
        let mut units = names.iter().map(|name| CodedUnit::find(name, &checkpoint)).collect::<Result<Vec<_>, _>>()?;
        units.sort_by(|a, b| natural_order(&a.name, &b.name));
        let is_leaf = |tensor: &str| {
            tensor
                .rsplit_once('.')
                .is_some_and(|(unit, leaf)| names.contains(unit) && LEAVES.iter().any(|(name, _)| *name == leaf))
        };
        let raw = checkpoint.tensors.keys().filter(|tensor| !is_leaf(tensor)).cloned().collect();
        Ok(CodedModel { units, raw, config, dfloat11_config, record, checkpoint })
    }

    /// The checksums of a unit's arrays, each with the array's name.
    pub fn checksums<'a>(&self, unit: &'a CodedUnit, arrays: &'a Arrays<'_>) -> Vec<(String, u64)> {
        let UnitView { encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions } = arrays.view();
        let arrays = [encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions];
        let each = arrays.into_par_iter().enumerate().map(|(index, array)| {
            let (name, info) = (unit.leaf_name(index), &unit.leaves[index].info);
            let mut hash = TensorHash::new(&name, info.dtype.name(), &info.shape);
            hash.update(array);
            (name, hash.finish())
        });
        each.collect()
    }

    /// Reads the six arrays of a unit. The progress is that of reading alone.
    pub fn read(&self, unit: &CodedUnit, progress: &dyn Progress) -> Result<Arrays<'static>, Error> {
        unit.read(&self.checkpoint, progress)
    }

    /// Proves the structure of a unit that has been read.
    pub fn validate<'a>(&self, unit: &CodedUnit, arrays: &'a Arrays<'_>) -> Result<Unit<'a>, Error> {
        arrays.view().validate().map_err(|fault| self.damaged(unit, fault))
    }

    /// The error for a unit that does not decode.
    pub fn damaged(&self, unit: &CodedUnit, fault: df11_core::Error) -> Error {
        unit.damaged(&self.checkpoint, fault)
    }

    /// The error for a unit whose decoding was stopped.
    pub fn stopped(&self, unit: &CodedUnit, stopped: Stopped<Error>) -> Error {
        match stopped {
            Stopped::Unit(fault) => self.damaged(unit, fault),
            Stopped::Backend(error) | Stopped::Taker(error) => error,
        }
    }

    /// The file that holds a unit.
    pub fn unit_path(&self, unit: &CodedUnit) -> PathBuf {
        unit.path(&self.checkpoint)
    }

    /// The weights of each matrix of a unit, in order.
    ///
    /// # Errors
    /// They cannot be read, or are not in ascending order.
    pub fn splits(&self, unit: &CodedUnit) -> Result<Vec<Range<u64>>, Error> {
        let mut splits = unit.zeros(&self.checkpoint, SPLIT_POSITIONS, (unit.matrices - 1) * SPLIT_BYTES)?;
        unit.read_array(&self.checkpoint, SPLIT_POSITIONS, &mut splits, 0, &())?;
        let ends = splits.as_chunks().0.iter().map(|entry| i64::from_le_bytes(*entry));
        let mut begin = 0;
        let ranges = ends.chain([unit.weights as i64]).enumerate().map(|(index, found)| match u64::try_from(found) {
            Ok(end) if (begin..=unit.weights).contains(&end) => Ok(std::mem::replace(&mut begin, end)..end),
            _ => {
                let (least, most) = (begin, unit.weights);
                Err(self.damaged(unit, df11_core::Error::SplitPositionOutOfOrder { index, found, least, most }))
            }
        });
        ranges.collect()
    }
}

/// The error for a directory whose file `main` should hold the record.
fn without_record(checkpoint: &Checkpoint, main: &str) -> Error {
    let path = checkpoint.path.join(main);
    match checkpoint.files.iter().any(|file| file.name == main) {
        true => Error::Record { path, key: VERSION_KEY.into(), reason: RecordReason::Lost },
        false => Error::FileMissing { path },
    }
}

/// Whether config.json is the one that the record names. True if the record names none.
fn is_as_written(checkpoint: &Checkpoint, record: &Record) -> bool {
    let files = record.written.iter().flat_map(|written| &written.files);
    let mut expected = files.filter_map(|file| match file {
        OurFile::Config { name, xxh3, .. } if name == CONFIG_FILE => Some(*xxh3),
        _ => None,
    });
    let found = checkpoint.small.iter().find(|file| file.name == CONFIG_FILE).map(|file| Digits(xxh3_64(&file.bytes)));
    expected.all(|expected| found == Some(expected))
}

/// Arrays in the order of `LEAVES`.
fn arrays_of(arrays: [Vec<u8>; LEAVES.len()]) -> Arrays<'static> {
    let [encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions] = arrays.map(Into::into);
    Arrays { encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions }
}

/// The same, borrowed.
fn view_of(arrays: &[Vec<u8>; LEAVES.len()]) -> UnitView<'_> {
    let [encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions] =
        arrays.each_ref().map(Vec::as_slice);
    UnitView { encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions }
}

impl CodedUnit {
    fn find(name: &str, checkpoint: &Checkpoint) -> Result<CodedUnit, Error> {
        let find = |(leaf, dtype): (&str, &str)| {
            let tensor = format!("{name}.{leaf}");
            let Some(place) = checkpoint.tensors.get(&tensor) else {
                let promised_by = Promise::Unit { unit: name.to_owned() };
                return Err(Error::TensorMissing { path: checkpoint.path.clone(), tensor, promised_by });
            };
            let shape = &place.info.shape;
            if !is_leaf(&place.info, leaf, dtype) {
                let rows = if leaf == LEAVES[LUTS].0 { " [tables + 1, 256]" } else { "" };
                return Err(Error::TensorUnfit {
                    path: checkpoint.reader(place).path().to_path_buf(),
                    tensor,
                    found: format!("{} {shape:?}", place.info.dtype),
                    expected: format!("{dtype}{rows}"),
                });
            }
            Ok(place.clone())
        };
        let [a, b, c, d, e, f] = LEAVES.map(find);
        let leaves = [a?, b?, c?, d?, e?, f?];
        let splits = &leaves[SPLIT_POSITIONS];
        let matrices = splits.info.bytes() / SPLIT_BYTES as u64 + 1;
        // The tensors of the source had headers. Without this bound, a sparse file could have a
        // unit of any number of matrices.
        if matrices > MAX_TENSORS as u64 {
            return Err(Error::TensorUnfit {
                path: checkpoint.reader(splits).path().to_path_buf(),
                tensor: format!("{name}.{}", LEAVES[SPLIT_POSITIONS].0),
                found: format!("the ends of {matrices} matrices"),
                expected: format!("at most {MAX_TENSORS} matrices in a unit"),
            });
        }
        Ok(CodedUnit {
            name: name.to_owned(),
            weights: leaves[SIGN_MANTISSA].info.bytes(),
            matrices: matrices as usize,
            bytes: total(leaves.iter().map(|place| place.info.bytes())),
            leaves,
        })
    }

    /// Reads its six arrays.
    pub fn read(&self, checkpoint: &Checkpoint, progress: &dyn Progress) -> Result<Arrays<'static>, Error> {
        let mut arrays = self.all_zeros(checkpoint)?;
        for (index, array) in arrays.iter_mut().enumerate() {
            self.read_array(checkpoint, index, array, 0, progress)?;
        }
        Ok(arrays_of(arrays))
    }

    /// Reads what decoding the weights in `ranges` needs: the small arrays, and the parts of the
    /// stream and of the signs and mantissas that belong to the blocks of these weights. Zeros
    /// stand for the rest. They take no memory until something writes to them.
    pub fn read_blocks(
        &self,
        checkpoint: &Checkpoint,
        ranges: impl Iterator<Item = Range<u64>>,
    ) -> Result<Arrays<'static>, Error> {
        let mut arrays = self.all_zeros(checkpoint)?;
        for index in (0..LEAVES.len()).filter(|&index| index != STREAM && index != SIGN_MANTISSA) {
            self.read_array(checkpoint, index, &mut arrays[index], 0, &())?;
        }
        let damaged = |fault| self.damaged(checkpoint, fault);
        let unit = view_of(&arrays).validate().map_err(damaged)?;
        let blocks = ranges.map(|range| unit.blocks_of(range.start, (range.end - range.start) as usize));
        let mut blocks: Vec<Range<usize>> = blocks.collect::<Result<_, _>>().map_err(damaged)?;
        blocks.retain(|blocks| !blocks.is_empty());
        blocks.sort_unstable_by_key(|blocks| blocks.start);
        blocks.dedup_by(|next, last| {
            let overlap = next.start <= last.end;
            if overlap {
                last.end = last.end.max(next.end);
            }
            overlap
        });
        let of_blocks = |blocks: Range<usize>| {
            let weights = unit.block(blocks.start).weights.start..unit.block(blocks.end - 1).weights.end;
            // The last code may end in the chunk after its block.
            let stream_end = (blocks.end * BLOCK_BYTES + CHUNK_BYTES).min(arrays[STREAM].len());
            (blocks.start * BLOCK_BYTES..stream_end, weights.start as usize..weights.end as usize)
        };
        let windows: Vec<_> = blocks.into_iter().map(of_blocks).collect();
        for (stream, weights) in windows {
            for (index, window) in [(STREAM, stream), (SIGN_MANTISSA, weights)] {
                let first = window.start as u64;
                self.read_array(checkpoint, index, &mut arrays[index][window], first, &())?;
            }
        }
        Ok(arrays_of(arrays))
    }

    /// New memory for its six arrays.
    fn all_zeros(&self, checkpoint: &Checkpoint) -> Result<[Vec<u8>; LEAVES.len()], Error> {
        let mut arrays: [Vec<u8>; LEAVES.len()] = Default::default();
        for (index, (array, bytes)) in arrays.iter_mut().zip(self.sizes(checkpoint)?).enumerate() {
            *array = self.zeros(checkpoint, index, bytes)?;
        }
        Ok(arrays)
    }

    /// New memory for the array with this index in `LEAVES`.
    fn zeros(&self, checkpoint: &Checkpoint, index: usize, bytes: usize) -> Result<Vec<u8>, Error> {
        df11_cpu::buffer(bytes).map_err(|_| Error::NotEnoughMemory {
            path: self.path(checkpoint),
            name: self.leaf_name(index),
            bytes: bytes as u64,
        })
    }

    /// Reads bytes of the array with this index in `LEAVES`, from byte `first` on, into all of
    /// `bytes`. They must be within the array.
    pub fn read_array(
        &self,
        checkpoint: &Checkpoint,
        index: usize,
        bytes: &mut [u8],
        first: u64,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let (place, name) = (&self.leaves[index], self.leaf_name(index));
        let mut offset = 0;
        for piece in bytes.chunks_mut(PIECE_BYTES) {
            check_between(progress, offset)?;
            checkpoint.reader(place).read(&name, &place.info, first + offset, piece)?;
            offset += piece.len() as u64;
            progress.advance(piece.len() as u64);
        }
        Ok(())
    }

    /// The places of its arrays, in the order of `LEAVES`.
    #[cfg(feature = "mmap")]
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.leaves.iter()
    }

    /// The bytes of each array, in the order of `LEAVES`. The header alone gives them. So they are
    /// claims, and this is the one place that judges them before memory is taken or data is read.
    ///
    /// # Errors
    /// An array is larger than this machine can address, or no unit has arrays of these sizes.
    pub fn sizes(&self, checkpoint: &Checkpoint) -> Result<[usize; LEAVES.len()], Error> {
        let mut sizes = [0; LEAVES.len()];
        for (size, place) in sizes.iter_mut().zip(&self.leaves) {
            *size = Error::addressable(place.info.bytes(), &self.path(checkpoint), &self.name)?;
        }
        let [encoded_exponent, sign_mantissa, luts, gaps, output_positions, _] = sizes;
        let parts = PartSizes { encoded_exponent, sign_mantissa, luts, gaps, output_positions };
        parts.check_relations().map_err(|fault| self.damaged(checkpoint, fault))?;
        Ok(sizes)
    }

    /// The file that holds it.
    pub fn path(&self, checkpoint: &Checkpoint) -> PathBuf {
        checkpoint.reader(&self.leaves[0]).path().to_path_buf()
    }

    /// The error for the case that it does not decode.
    pub fn damaged(&self, checkpoint: &Checkpoint, fault: df11_core::Error) -> Error {
        Error::UnitDamaged { path: self.path(checkpoint), unit: self.name.clone(), fault }
    }

    fn leaf_name(&self, index: usize) -> String {
        format!("{}.{}", self.name, LEAVES[index].0)
    }
}
