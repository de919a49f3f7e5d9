//! Inputs as products read them: f32, in the order of a level's lanes.

use df11_core::bf16;

use super::arrays::Arrays;
use super::vectors::{GROUP, Vectors};

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
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
pub(crate) unsafe fn prepare_inputs<V: Vectors<N>, const N: usize>(
    inputs: &[bf16],
    columns: usize,
    prepared: &mut [f32],
) {
    const { assert!(N <= MOST_VECTORS) };
    let layout = Layout::new(columns, inputs.len() / columns);
    let lanes = const { GROUP / N };
    for (input, x) in inputs.chunks_exact(columns).enumerate() {
        for (group, x) in x.chunks(GROUP).enumerate() {
            let mut words = [bf16::NEG_ZERO.to_le_bytes(); GROUP];
            words.iter_mut().zip(x).for_each(|(word, value)| *word = value.to_le_bytes());
            // SAFETY: `words` has 64 words; the caller's promise.
            let vectors = unsafe { V::bf16_group(words.as_ptr().cast()) };
            for (at, vector) in vectors.into_iter().enumerate() {
                let at = match layout.inputs {
                    1 => group * GROUP + at * lanes,
                    _ => layout.place::<N>(input - input % INPUTS, at, group) + input % INPUTS * lanes,
                };
                // SAFETY: the slice is as long as a vector; the caller's promise.
                unsafe { V::store(prepared[at..][..lanes].as_mut_ptr(), vector) };
            }
        }
    }
}

/// The same for a level without features.
pub(crate) fn prepare_inputs_portably(inputs: &[bf16], columns: usize, prepared: &mut [f32]) {
    // SAFETY: there are no features.
    unsafe { prepare_inputs::<Arrays, 16>(inputs, columns, prepared) }
}
