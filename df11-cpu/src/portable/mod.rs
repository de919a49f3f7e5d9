//! The level that every processor has: no intrinsics, no unsafe code.

use df11_core::{Error, bf16, bf16_word};

use crate::decode::{Job, Kernel, Tables, run};

mod encode;

pub(crate) use encode::{histogram, pack};

/// Lanes decoded side by side.
const LANES: usize = 4;

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
