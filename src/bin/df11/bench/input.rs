//! The weights of a model, as many as are measured.

use df11::Model;
use df11::reader::Matrix;
use df11_core::{Work, bf16};
use df11_cpu::Level;

/// 128 MiB of BF16: more than the cache of a processor holds.
const MOST_WEIGHTS: usize = 64 << 20;

/// Adds room for `count` weights, or for as many as `MOST_WEIGHTS` still allows.
fn more(weights: &mut Vec<bf16>, count: u64) -> &mut [bf16] {
    let first = weights.len();
    weights.resize(first.saturating_add(count as usize).min(MOST_WEIGHTS), bf16::ZERO);
    &mut weights[first..]
}

/// The weights of all units, or of all matrices of a BF16 model, in order; `MOST_WEIGHTS` at most.
pub fn weights_of(model: &Model, level: Level) -> Result<Vec<bf16>, df11::Error> {
    let mut weights = Vec::new();
    for unit in model.units() {
        if weights.len() == MOST_WEIGHTS {
            return Ok(weights);
        }
        let loaded = unit.load(&level)?;
        loaded.decode_range(0, more(&mut weights, unit.weights()), Work::Pool).map_err(|error| unit.error(error))?;
    }
    if model.units().len() == 0 {
        let is_matrix = |matrix: &Matrix| matrix.shape().is_some_and(|shape| shape.len() > 1);
        for matrix in model.tensors().flat_map(|tensor| tensor.into_matrix()).filter(is_matrix) {
            matrix.decode_range(&level, 0, more(&mut weights, matrix.weights()))?;
        }
    }
    Ok(weights)
}
