//! A unit as the library codes it, owned, so that tests can hand it to any decoder and damage it.

use super::RawUnit;
use df11_core::{PartsMut, Plan, UnitView, bf16, encode};

/// The six tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coded {
    pub encoded_exponent: Vec<u8>,
    pub sign_mantissa: Vec<u8>,
    pub luts: Vec<u8>,
    pub gaps: Vec<u8>,
    pub output_positions: Vec<u8>,
    pub split_positions: Vec<u8>,
}

impl Coded {
    /// As the core's encoder writes it, into buffers that held something else.
    pub fn by_core(weights: &[u16]) -> Coded {
        let weights = to_bf16s(weights);
        let plan = Plan::new(&weights).expect("a unit of a test can be planned");
        let sizes = plan.sizes();
        let mut coded = Coded {
            encoded_exponent: vec![0xA5; sizes.encoded_exponent],
            sign_mantissa: vec![0xA5; sizes.sign_mantissa],
            luts: vec![0xA5; sizes.luts],
            gaps: vec![0xA5; sizes.gaps],
            output_positions: vec![0xA5; sizes.output_positions],
            split_positions: Vec::new(),
        };
        encode(&weights, &plan, coded.parts()).expect("a planned unit is encoded");
        coded
    }

    fn parts(&mut self) -> PartsMut<'_> {
        PartsMut {
            encoded_exponent: &mut self.encoded_exponent,
            sign_mantissa: &mut self.sign_mantissa,
            luts: &mut self.luts,
            gaps: &mut self.gaps,
            output_positions: &mut self.output_positions,
        }
    }

    /// For the library.
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

    /// For the decoders of `tests/support`.
    pub fn raw(&self) -> RawUnit<'_> {
        RawUnit {
            encoded_exponent: &self.encoded_exponent,
            sign_mantissa: &self.sign_mantissa,
            luts: &self.luts,
            gaps: &self.gaps,
            output_positions: &self.output_positions,
            split_positions: &self.split_positions,
        }
    }

    /// All bytes of the six tensors.
    pub fn bytes(&self) -> usize {
        self.tensors().iter().map(|(_, tensor)| tensor.len()).sum()
    }

    pub fn tensors(&self) -> [(&'static str, &Vec<u8>); 6] {
        [
            ("encoded_exponent", &self.encoded_exponent),
            ("sign_mantissa", &self.sign_mantissa),
            ("luts", &self.luts),
            ("gaps", &self.gaps),
            ("output_positions", &self.output_positions),
            ("split_positions", &self.split_positions),
        ]
    }

    pub fn tensor_mut(&mut self, name: &str) -> &mut Vec<u8> {
        match name {
            "encoded_exponent" => &mut self.encoded_exponent,
            "sign_mantissa" => &mut self.sign_mantissa,
            "luts" => &mut self.luts,
            "gaps" => &mut self.gaps,
            "output_positions" => &mut self.output_positions,
            "split_positions" => &mut self.split_positions,
            _ => panic!("no tensor {name}"),
        }
    }
}

pub fn to_bf16s(words: &[u16]) -> Vec<bf16> {
    words.iter().map(|&word| bf16::from_bits(word)).collect()
}

pub fn to_words(weights: &[bf16]) -> Vec<u16> {
    weights.iter().map(|weight| weight.to_bits()).collect()
}
