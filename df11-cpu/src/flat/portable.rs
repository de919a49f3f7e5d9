use df11_core::limits::ESCAPE;
use df11_core::{Flat, bf16, bf16_word, position};

use super::pack::{CODES, GROUP, Packer, Rows, pack_rows};
use super::unpack::{Unpacker, unpack};

/// Packs and unpacks without intrinsics.
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

impl Unpacker for Portable {
    #[inline(always)]
    unsafe fn group(self, signs: &[u8; GROUP], codes: &[u8; CODES], exponents: &[u8; 16], weights: &mut [bf16; GROUP]) {
        for (column, weight) in weights.iter_mut().enumerate() {
            let position = position(column);
            let code = codes[position % CODES] >> (position / CODES * 4) & 0xF;
            *weight = bf16_word::merge(exponents[usize::from(code)], signs[position]);
        }
    }
}

/// As `pack_rows`, without any features.
pub(crate) fn pack_rows_portably(weights: &[bf16], rows: &mut Rows<'_>) {
    // SAFETY: there are no features.
    unsafe { pack_rows(Portable, weights, rows) }
}

/// As `unpack`, without any features.
pub(crate) fn unpack_portably(flat: &Flat<'_>, first: u64, weights: &mut [bf16]) {
    // SAFETY: there are no features.
    unsafe { unpack(Portable, flat, first, weights) }
}
