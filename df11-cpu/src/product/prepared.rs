//! Inputs as products read them: f32, in the order of a level's lanes.

use df11_core::bf16;

use super::vectors::{GROUP, Vectors, is_permutation};

/// Values that a run of groups of a tile or of prepared inputs is longer than needed. Runs of 4096
/// bytes or a multiple would all lie in the same few sets of the cache.
pub(crate) const SHIFT: usize = 16;

/// Most vectors that hold a group.
pub(super) const MOST_VECTORS: usize = 16;

/// How prepared inputs lie in memory.
///
/// ```text
/// one input:       for each group, its vectors
/// several inputs:  for each input, for each vector of a group, that vector of every group
/// ```
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub groups: usize,
    pub inputs: usize,
}

impl Layout {
    pub const fn new(columns: usize, inputs: usize) -> Self {
        Self { groups: columns.div_ceil(GROUP), inputs }
    }

    /// Values from one run to the next, with `N` vectors in a group.
    pub const fn run<const N: usize>(self) -> usize {
        self.groups * (GROUP / N) + SHIFT
    }

    /// Values of all inputs, at most: `N` is at most 16. `usize::MAX` for more than can be counted.
    pub const fn values(self) -> usize {
        let one = self.groups.saturating_mul(GROUP);
        match self.inputs {
            1 => one,
            inputs => inputs.saturating_mul(one.saturating_add(MOST_VECTORS * SHIFT)),
        }
    }
}

/// Prepares inputs, one after the other.
///
/// Columns past the last are -0. The weights there are finite and have no sign: +0 in BF16, the
/// value of code 0 in the flat form. So their product is -0, and adding -0 changes no sum, not even
/// -0.
#[inline(always)]
pub(crate) fn prepare<V: Vectors<N>, const N: usize>(inputs: &[bf16], columns: usize, prepared: &mut [f32]) {
    const { assert!(is_permutation(&V::ORDER) && N <= MOST_VECTORS) };
    let layout = Layout::new(columns, inputs.len() / columns);
    let (groups, lanes, run) = (layout.groups, GROUP / N, layout.run::<N>());
    for (input, x) in inputs.chunks_exact(columns).enumerate() {
        for group in 0..groups {
            let x = &x[group * GROUP..];
            for (column, &lane) in V::ORDER.iter().enumerate() {
                let (vector, lane) = (usize::from(lane) / lanes, usize::from(lane) % lanes);
                let at = match layout.inputs {
                    1 => group * GROUP + vector * lanes,
                    _ => (input * N + vector) * run + group * lanes,
                };
                prepared[at + lane] = x.get(column).map_or(-0.0, |value| value.to_f32());
            }
        }
    }
}
