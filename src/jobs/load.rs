//! Weights of a model in memory, for measuring.

use std::path::Path;

use df11_core::bf16;

use crate::Error;
use crate::backend::Backend;
use crate::files::checkpoint::Checkpoint;
use crate::files::leaves::has_units;
use crate::files::words;
use crate::naming::infer::infer_units;
use crate::naming::units::UnitSpec;
use crate::record::coded::CodedModel;
use crate::record::tiles::{Decoding, decode_tiles};

/// The weights of the units of the model at `input`, DFloat11 or BF16, one unit after another, at most `at_most` of them.
///
/// # Errors
/// It cannot be read, or a unit does not decode.
pub fn load_weights(input: &Path, backend: &Backend, at_most: u64) -> Result<Vec<bf16>, Error> {
    let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
    let checkpoint = Checkpoint::open_coded(input)?;
    let mut weights = Vec::new();
    if has_units(checkpoint.tensors.keys().map(String::as_str)) {
        let model = CodedModel::of(checkpoint)?;
        for unit in model.units.iter() {
            if weights.len() >= at_most {
                break;
            }
            let arrays = model.read(unit, &())?;
            let proven = model.validate(unit, &arrays)?;
            decode_tiles(&proven, Decoding::Fast(backend), &mut Vec::new(), |_, tile| {
                weights.extend_from_slice(&tile[..tile.len().min(at_most - weights.len())]);
                Ok(())
            })
            .map_err(|stopped| model.stopped(unit, stopped))?;
        }
    } else {
        drop(checkpoint);
        let source = Checkpoint::open_source(input)?;
        let mut buffer = Vec::new();
        for spec in infer_units(source.infos(), false).units {
            if weights.len() >= at_most {
                break;
            }
            read_unit(&source, &spec, &mut buffer)?;
            weights.extend_from_slice(&buffer[..buffer.len().min(at_most - weights.len())]);
        }
    }
    Ok(weights)
}

/// Reads a BF16 unit's weights in the order of its stream. `buffer` is kept from call to call.
pub(crate) fn read_unit(source: &Checkpoint, spec: &UnitSpec, buffer: &mut Vec<bf16>) -> Result<(), Error> {
    let bytes = Error::addressable(spec.weights.saturating_mul(size_of::<bf16>() as u64), &source.path, &spec.name)?;
    buffer.resize(bytes / size_of::<bf16>(), bf16::ZERO);
    let mut rest = buffer.as_mut_slice();
    for tensor in &spec.tensors {
        let place = &source.tensors[tensor];
        let (weights, behind) = rest.split_at_mut(place.info.bytes() as usize / size_of::<bf16>());
        words::from_file(weights, |bytes| source.reader(place).read(tensor, &place.info, 0, bytes))?;
        rest = behind;
    }
    Ok(())
}
