//! Units for the tests of this crate.

// Each test file compiles this module for itself and uses a part of it.
#![allow(dead_code)]

use df11_core::{Error, PartsMut, Plan, UnitView, bf16, decode, encode, two_phase};

/// The arrays of a valid unit, owned, to be damaged.
#[derive(Clone)]
pub struct Arrays {
    pub encoded_exponent: Vec<u8>,
    pub sign_mantissa: Vec<u8>,
    pub luts: Vec<u8>,
    pub gaps: Vec<u8>,
    pub output_positions: Vec<u8>,
    pub split_positions: Vec<u8>,
}

impl Arrays {
    pub fn of(weights: &[bf16]) -> Self {
        Self::by(weights, &Plan::new(weights).unwrap())
    }

    pub fn by(weights: &[bf16], plan: &Plan) -> Self {
        let sizes = plan.sizes();
        let mut arrays = Self {
            encoded_exponent: vec![0; sizes.encoded_exponent],
            sign_mantissa: vec![0; sizes.sign_mantissa],
            luts: vec![0; sizes.luts],
            gaps: vec![0; sizes.gaps],
            output_positions: vec![0; sizes.output_positions],
            split_positions: Vec::new(),
        };
        let parts = PartsMut {
            encoded_exponent: &mut arrays.encoded_exponent,
            sign_mantissa: &mut arrays.sign_mantissa,
            luts: &mut arrays.luts,
            gaps: &mut arrays.gaps,
            output_positions: &mut arrays.output_positions,
        };
        encode(weights, plan, parts).unwrap();
        arrays
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

    pub fn set_position(&mut self, block: usize, position: u32) {
        self.output_positions[4 * block..][..4].copy_from_slice(&position.to_le_bytes());
    }

    pub fn set_splits(&mut self, splits: &[i64]) {
        self.split_positions = splits.iter().flat_map(|split| split.to_le_bytes()).collect();
    }

    /// The row of code lengths.
    pub fn lengths(&mut self) -> &mut [u8] {
        let row = self.luts.len() - 256;
        &mut self.luts[row..]
    }

    #[track_caller]
    pub fn refused(&self) -> Error {
        self.view().validate().map(|_| ()).unwrap_err()
    }

    /// The error of the plain decoder. The two-phase decoder must find an error too.
    #[track_caller]
    pub fn fails(&self) -> Error {
        let unit = self.view().validate().unwrap();
        let two_phase = (0..unit.blocks()).try_for_each(|block| {
            let weights = unit.block(block).weights;
            two_phase::decode_block(&unit, block, &mut vec![bf16::ZERO; (weights.end - weights.start) as usize])
        });
        two_phase.unwrap_err();
        decode(&unit, &mut vec![bf16::ZERO; self.sign_mantissa.len()]).unwrap_err()
    }
}

/// Three blocks: 30,000 weights. Exponents 119 to 126 have 3 bits each, except one that makes room
/// for an infinity of 25 bits.
pub fn weights() -> Vec<bf16> {
    let mut weights: Vec<bf16> = (0..30_000u16).map(|i| bf16::from_bits(((119 + i % 8) << 7) | (i % 128))).collect();
    weights[20_000] = bf16::INFINITY;
    weights
}

/// Weights with these `counts` of (exponent, number of weights). Order, signs and mantissas look
/// random.
pub fn mixed(counts: &[(u8, usize)]) -> Vec<bf16> {
    let exponents = counts.iter().flat_map(|&(exponent, count)| std::iter::repeat_n(exponent, count));
    let mut words: Vec<u16> = exponents.map(|exponent| u16::from(exponent) << 7).collect();
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    for at in (1..words.len()).rev() {
        words.swap(at, (next() % (at as u64 + 1)) as usize);
    }
    words.into_iter().map(|word| bf16::from_bits(word | next() as u16 & 0x807F)).collect()
}
