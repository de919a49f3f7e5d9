//! Inputs as products read them: f32, in the order of a level's lanes.

use df11_core::bf16;

use super::vectors::{GROUP, Vectors};

/// Values of prepared inputs of so many columns.
pub(crate) const fn prepared(columns: usize, batch: usize) -> usize {
    columns.div_ceil(GROUP) * GROUP * batch
}

/// Prepares inputs, one after the other: for each vector of a group, that vector of every group.
///
/// Columns past the last are -0. The weights there are +0, and adding their product, -0, changes
/// no sum, not even -0.
#[inline(always)]
pub(crate) fn prepare<V: Vectors<N>, const N: usize>(inputs: &[bf16], columns: usize, prepared: &mut [f32]) {
    let groups = columns.div_ceil(GROUP);
    let lanes = GROUP / N;
    for (input, prepared) in inputs.chunks_exact(columns).zip(prepared.chunks_exact_mut(groups * GROUP)) {
        for (group, input) in input.chunks(GROUP).enumerate() {
            for (column, &lane) in V::ORDER.iter().enumerate() {
                let (vector, lane) = (usize::from(lane) / lanes, usize::from(lane) % lanes);
                let value = input.get(column).map_or(-0.0, |value| value.to_f32());
                prepared[(vector * groups + group) * lanes + lane] = value;
            }
        }
    }
}
