//! A unit made of weights by core's encoder, and owned.
#![allow(dead_code)] // each test file uses a part

use df11_core::{PartsMut, Plan, Unit, UnitView, bf16, encode};

/// The arrays of a unit.
#[derive(Clone, Debug)]
pub struct Parts {
    pub encoded_exponent: Vec<u8>,
    pub sign_mantissa: Vec<u8>,
    pub luts: Vec<u8>,
    pub gaps: Vec<u8>,
    pub output_positions: Vec<u8>,
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
        };
        let Self { encoded_exponent, sign_mantissa, luts, gaps, output_positions } = &mut parts;
        encode(&weights, &plan, PartsMut { encoded_exponent, sign_mantissa, luts, gaps, output_positions })
            .expect("sizes fit");
        parts
    }

    pub fn view(&self) -> UnitView<'_> {
        UnitView {
            encoded_exponent: &self.encoded_exponent,
            sign_mantissa: &self.sign_mantissa,
            luts: &self.luts,
            gaps: &self.gaps,
            output_positions: &self.output_positions,
            split_positions: &[],
        }
    }

    pub fn unit(&self) -> Unit<'_> {
        self.view().validate().expect("our own unit")
    }
}
