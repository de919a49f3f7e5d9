use df11_core::limits::ESCAPE;
use df11_core::{bf16, bf16_word, position};

use super::pack::{CODES, GROUP, Packer, Rows, pack_rows};

/// Packs without intrinsics.
#[derive(Clone, Copy)]
struct Portable;

impl Packer for Portable {
    #[inline(always)]
    unsafe fn group(
        self,
        weights: &[bf16; GROUP],
        code: &[u8; 256],
        signs: &mut [u8; GROUP],
        codes: &mut [u8; CODES],
    ) -> u64 {
        let (mut of, mut escapes) = ([0; GROUP], 0);
        for (column, &weight) in weights.iter().enumerate() {
            let position = position(column);
            signs[position] = bf16_word::sign_mantissa(weight);
            of[position] = code[usize::from(bf16_word::exponent(weight))];
            escapes |= u64::from(of[position] == ESCAPE) << position;
        }
        let (low, high) = of.split_at(CODES);
        codes.iter_mut().zip(low.iter().zip(high)).for_each(|(byte, (low, high))| *byte = low | high << 4);
        escapes
    }
}

/// As `pack_rows`, without any features.
pub(crate) fn pack_rows_portably(weights: &[bf16], rows: &mut Rows<'_>) {
    // SAFETY: there are no features.
    unsafe { pack_rows(Portable, weights, rows) }
}
