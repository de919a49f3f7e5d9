//! A unit that core's encoder makes from weights, and that owns its arrays.
#![allow(dead_code)] // each test file uses a part

use df11_core::limits::{BLOCK_BITS, BLOCK_GAP_BYTES};
use df11_core::{PartsMut, Plan, Unit, UnitView, bf16, encode};

/// The arrays of a unit.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub encoded_exponent: Vec<u8>,
    pub sign_mantissa: Vec<u8>,
    pub luts: Vec<u8>,
    pub gaps: Vec<u8>,
    pub output_positions: Vec<u8>,
    pub split_positions: Vec<u8>,
}

impl Parts {
    pub fn new(words: &[u16]) -> Self {
        let weights: Vec<bf16> = words.iter().map(|&word| bf16::from_bits(word)).collect();
        let plan = Plan::new(&weights).expect("a unit");
        let sizes = plan.sizes();
        let mut parts = Self {
            encoded_exponent: vec![0; sizes.encoded_exponent],
            sign_mantissa: vec![0; sizes.sign_mantissa],
            luts: vec![0; sizes.luts],
            gaps: vec![0; sizes.gaps],
            output_positions: vec![0; sizes.output_positions],
            split_positions: Vec::new(),
        };
        let Self { encoded_exponent, sign_mantissa, luts, gaps, output_positions, .. } = &mut parts;
        encode(&weights, &plan, PartsMut { encoded_exponent, sign_mantissa, luts, gaps, output_positions })
            .expect("sizes fit");
        parts
    }

    /// A unit of words with two exponents, below 240, in codes of 1 bit. It is valid, but our
    /// encoders do not write it. Its blocks hold as much as a block can.
    pub fn of_one_bit_codes(words: &[u16], [zero, one]: [u8; 2]) -> Self {
        let exponent = |word: u16| (word >> 7) as u8;
        let bits = words.chunks(8).map(|eight| {
            eight.iter().enumerate().fold(0, |byte, (i, &word)| byte | u8::from(exponent(word) == one) << (7 - i))
        });
        let mut luts = [[zero; 128], [one; 128], [0; 128], [0; 128]].concat();
        luts[256 + usize::from(zero)] = 1;
        luts[256 + usize::from(one)] = 1;
        let blocks = words.len().div_ceil(BLOCK_BITS as usize);
        let positions = (0..=blocks).map(|block| (block * BLOCK_BITS as usize).min(words.len()) as u32);
        Self {
            encoded_exponent: bits.collect(),
            sign_mantissa: words.iter().map(|&word| (word >> 8) as u8 & 0x80 | word as u8 & 0x7F).collect(),
            luts,
            gaps: vec![0; blocks * BLOCK_GAP_BYTES],
            output_positions: positions.flat_map(u32::to_le_bytes).collect(),
            split_positions: Vec::new(),
        }
    }

    pub fn view(&self) -> UnitView<'_> {
        UnitView {
            encoded_exponent: &self.encoded_exponent,
            sign_mantissa: &self.sign_mantissa,
            luts: &self.luts,
            gaps: &self.gaps,
            output_positions: &self.output_positions,
            split_positions: &self.split_positions,
        }
    }

    pub fn unit(&self) -> Unit<'_> {
        self.view().validate().expect("our own unit")
    }
}
