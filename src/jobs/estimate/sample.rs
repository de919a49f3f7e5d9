//! The sizes of a unit's arrays, predicted from a sample of its weights.

use df11_core::limits::TABLE_ENTRIES;
use df11_core::{PartSizes, bf16};

use crate::Error;
use crate::backend::Choice;
use crate::files::checkpoint::Checkpoint;
use crate::files::sampling::runs;
use crate::jobs::compress::options::CodeKind;
use crate::naming::units::UnitSpec;

/// One weight in this many is read: less than 5 %, including what rounding adds.
const SAMPLE_SHARE: u64 = 24;
/// Most weights that are read of a unit. With these, the mean code length of a larger unit is off
/// by less than 0.002 bits.
const MAX_SAMPLE: u64 = 1 << 20;

/// Bits of an exponent's code if no weight is read: the mean over MiniLM's units, coded. Gaussian
/// weights need 2.6.
const TYPICAL_CODE_BITS: f64 = 2.69;
/// Tables of a unit if no weight is read: trained weights need two or three.
const TYPICAL_TABLES: usize = 3;

/// Sizes of a unit's arrays, from a sample of its weights, and the number of weights read.
pub(super) fn sizes_by_sample(
    source: &Checkpoint,
    spec: &UnitSpec,
    code: CodeKind,
    backend: &Choice,
) -> Result<(PartSizes, u64), Error> {
    let sample = sample(source, spec)?;
    let not_coded = |fault| Error::UnitNotCoded { path: source.path.clone(), unit: spec.name.clone(), fault };
    let (plan, _) = code.plan(backend, &sample).map_err(not_coded)?;
    let sizes = plan.sizes();
    let bits = 8.0 * sizes.encoded_exponent as f64 / sample.len() as f64;
    Ok((sizes_of(spec, bits, sizes.luts / TABLE_ENTRIES - 1), sample.len() as u64))
}

/// Typical sizes of a unit's arrays, for which no weight is read.
pub(super) fn typical_sizes(spec: &UnitSpec) -> PartSizes {
    sizes_of(spec, TYPICAL_CODE_BITS, TYPICAL_TABLES)
}

/// Sizes of a unit's arrays, from the mean bits of a code and the number of tables.
fn sizes_of(spec: &UnitSpec, bits: f64, tables: usize) -> PartSizes {
    let stream = ((spec.weights as f64 * bits / 8.0).ceil() as usize).max(1);
    PartSizes::of(spec.weights, stream, tables)
}

/// Some weights of each of a unit's tensors.
fn sample(source: &Checkpoint, spec: &UnitSpec) -> Result<Vec<bf16>, Error> {
    let share = (spec.weights / SAMPLE_SHARE).clamp(1, MAX_SAMPLE) as f64 / spec.weights as f64;
    let mut sample: Vec<bf16> = Vec::new();
    for tensor in &spec.tensors {
        let weights = source.weights_of(tensor);
        for (first, length) in runs(weights, ((weights as f64 * share) as u64).clamp(1, weights)) {
            let begin = sample.len();
            sample.resize(begin + length as usize, bf16::ZERO);
            source.read_weights(tensor, first, &mut sample[begin..], |_| {})?;
        }
    }
    Ok(sample)
}
