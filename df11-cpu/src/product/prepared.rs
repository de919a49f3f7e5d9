//! Inputs as products read them: f32, in the order of a level's lanes.

use df11_core::bf16;

use super::vectors::{GROUP, Vectors, is_permutation};

/// Inputs that a tile is multiplied with at a time.
pub(super) const INPUTS: usize = 4;

/// Most vectors that hold a group.
pub(super) const MOST_VECTORS: usize = 16;

/// How prepared inputs lie in memory.
///
/// ```text
/// one input:       for each group, its vectors
/// several inputs:  in steps of four, the last one of what is left; for each vector of a group, for
///                  each group, that vector of each input of the step
/// ```
///
/// Why this order: a step over some groups reads one run of memory from front to end. With a run
/// for each input instead, the same loop had 0.86 of the speed.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub groups: usize,
    pub inputs: usize,
}

impl Layout {
    pub const fn new(columns: usize, inputs: usize) -> Self {
        Self { groups: columns.div_ceil(GROUP), inputs }
    }

    /// Values of all inputs; `usize::MAX` for more than can be counted.
    pub const fn values(self) -> usize {
        self.inputs.saturating_mul(self.groups).saturating_mul(GROUP)
    }

    /// Inputs of the step that begins with `input`.
    pub const fn step(self, input: usize) -> usize {
        let left = self.inputs - input;
        if left < INPUTS { left } else { INPUTS }
    }

    /// Where the vectors of a group of the step that begins with `input` are, of several inputs:
    /// vector `vector` of `N`.
    pub const fn place<const N: usize>(self, input: usize, vector: usize, group: usize) -> usize {
        input * self.groups * GROUP + (vector * self.groups + group) * self.step(input) * (GROUP / N)
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
    let (groups, lanes) = (layout.groups, GROUP / N);
    for (input, x) in inputs.chunks_exact(columns).enumerate() {
        for group in 0..groups {
            let x = &x[group * GROUP..];
            for (column, &lane) in V::ORDER.iter().enumerate() {
                let (vector, lane) = (usize::from(lane) / lanes, usize::from(lane) % lanes);
                let at = match layout.inputs {
                    1 => group * GROUP + vector * lanes,
                    _ => layout.place::<N>(input - input % INPUTS, vector, group) + input % INPUTS * lanes,
                };
                prepared[at + lane] = x.get(column).map_or(-0.0, |value| value.to_f32());
            }
        }
    }
}
