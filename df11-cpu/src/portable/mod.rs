//! The level that every processor has: no intrinsics.

use df11_core::{Error, Flat, bf16, bf16_word};

use crate::decode::{Job, Kernel, Tables, run};
use crate::flat::{Rows, pack_rows_portably, unpack_portably};
use crate::product::{self, Task};

mod encode;

pub(crate) use encode::{histogram, pack};

/// Lanes decoded side by side.
const LANES: usize = 4;
/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 4;

#[derive(Clone, Copy)]
struct Portable;

impl Kernel for Portable {
    const STREAMS: bool = false;

    #[inline(always)]
    fn merge(self, exponents: &[u8], sign_mantissa: &[u8], weights: &mut [bf16], _: bool) {
        for ((weight, &exponent), &sign_mantissa) in weights.iter_mut().zip(exponents.iter().rev()).zip(sign_mantissa) {
            *weight = bf16_word::merge(exponent, sign_mantissa);
        }
    }
}

pub(crate) fn decode<'a>(
    tables: &'a Tables<'_>,
    jobs: &mut dyn Iterator<Item = Job<'a>>,
    streams: bool,
) -> Result<(), Error> {
    run::<Portable, LANES>(Portable, tables, jobs, streams)
}

pub(crate) fn flatten(weights: &[bf16], rows: &mut Rows<'_>) {
    pack_rows_portably(weights, rows);
}

pub(crate) fn expand(flat: &Flat<'_>, first: u64, weights: &mut [bf16]) {
    unpack_portably(flat, first, weights);
}

pub(crate) fn prepare(x: &[bf16], columns: usize, prepared: &mut [f32]) {
    product::prepare_inputs_portably(x, columns, prepared);
}

pub(crate) fn multiply(task: Task<'_>) {
    product::run_task_portably::<TILE_ROWS>(task);
}
