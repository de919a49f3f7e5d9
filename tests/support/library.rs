//! The library under test, as the tests call it: every encoder, every decoder, and a unit's six
//! tensors between them.
//!
//! A backend joins all tests by one line in [`backends`], an encoder by one line in [`encoders`].

use super::RawUnit;
use df11_core::{
    Backend, BackendError, Error, PartSizes, PartsMut, Plain, Plan, Unit, UnitView, Work, bf16, encode, two_phase,
};
use df11_cpu::{Encoder as CpuEncoder, Level, Plan as CpuPlan};
use df11_custom_backend::Blocks;

/// Every decoder that implements the contract of backends.
pub fn backends() -> Vec<Box<dyn Backend>> {
    let levels = Level::available().map(|level| Box::new(level) as Box<dyn Backend>);
    let others: [Box<dyn Backend>; 2] = [Box::new(Plain), Box::new(Blocks { threads: 2 })];
    levels.chain(others).collect()
}

/// The backends that refuse a wrong gap wherever it is. The others may accept one that is not the
/// first of its block, and all of them do.
pub const CHECK_EVERY_GAP: [&str; 2] = ["plain", "blocks"];

pub type Encoder = Box<dyn Fn(&[u16]) -> Coded>;

/// Every encoder; all must write the same bytes.
pub fn encoders() -> Vec<(&'static str, Encoder)> {
    let by_level =
        |level: Level| (level.name(), Box::new(move |words: &[u16]| Coded::by_level(words, level)) as Encoder);
    Level::available().map(by_level).chain([("core", Box::new(Coded::by_core) as Encoder)]).collect()
}

pub type PublishedEncoder = Box<dyn Fn(&[u16]) -> Result<Coded, Error>>;

/// Every encoder in the published compressor's code. All must write the same bytes, or report the
/// same fault in that code.
pub fn published_encoders() -> Vec<(&'static str, PublishedEncoder)> {
    let by_level = |level: Level| {
        let encode = move |words: &[u16]| Coded::published_by_level(words, level);
        (level.name(), Box::new(encode) as PublishedEncoder)
    };
    Level::available().map(by_level).chain([("core", Box::new(Coded::published_by_core) as PublishedEncoder)]).collect()
}

/// Every decoder of the library, by name: the backends, and the GPU's algorithm block by block.
pub fn decode_with_all(unit: &Unit) -> Vec<(String, Result<Vec<u16>, Error>)> {
    let mut all: Vec<_> =
        backends().iter().map(|backend| (backend.name().to_owned(), by_backend(&**backend, unit))).collect();
    all.push(("two_phase".into(), by_two_phase(unit)));
    all
}

pub fn by_backend(backend: &dyn Backend, unit: &Unit) -> Result<Vec<u16>, Error> {
    let mut weights = vec![bf16::NAN; unit.weights() as usize];
    range_by_backend(backend, unit, 0, &mut weights)?;
    Ok(to_words(&weights))
}

pub fn range_by_backend(backend: &dyn Backend, unit: &Unit, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
    fault(backend.load(unit.borrowed()).and_then(|loaded| loaded.decode_range(first, weights, Work::Pool)))
}

/// What a backend says of a unit. The backend itself must not fail.
pub fn fault<T>(found: Result<T, BackendError>) -> Result<T, Error> {
    found.map_err(|error| match error {
        BackendError::Unit(error) => error,
        failed => panic!("{failed}"),
    })
}

pub fn by_two_phase(unit: &Unit) -> Result<Vec<u16>, Error> {
    let mut weights = Vec::new();
    for block in 0..unit.blocks() {
        let range = unit.block(block).weights;
        let mut part = vec![bf16::NAN; (range.end - range.start) as usize];
        two_phase::decode_block(unit, block, &mut part)?;
        weights.extend(to_words(&part));
    }
    Ok(weights)
}

/// The six tensors of a unit.
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
    /// Encodes with the core's encoder.
    pub fn by_core(weights: &[u16]) -> Coded {
        let weights = to_bf16s(weights);
        Coded::by_core_plan(&weights, &Plan::new(&weights).expect("a unit of a test can be planned"))
    }

    /// Encodes with the core's encoder, in the published compressor's code.
    pub fn published_by_core(weights: &[u16]) -> Result<Coded, Error> {
        let weights = to_bf16s(weights);
        Ok(Coded::by_core_plan(&weights, &Plan::published(&weights)?))
    }

    fn by_core_plan(weights: &[bf16], plan: &Plan) -> Coded {
        let mut coded = Coded::of_sizes(&plan.sizes());
        encode(weights, plan, coded.parts()).expect("a planned unit is encoded");
        coded
    }

    /// Encodes with one level of the CPU's encoder.
    pub fn by_level(weights: &[u16], level: Level) -> Coded {
        let (weights, encoder) = (to_bf16s(weights), CpuEncoder::new(level, Work::Pool));
        let plan = encoder.plan(&weights).expect("a unit of a test can be planned");
        Coded::by_encoder_plan(&weights, encoder, &plan)
    }

    /// Encodes with one level of the CPU's encoder, in the published compressor's code.
    pub fn published_by_level(weights: &[u16], level: Level) -> Result<Coded, Error> {
        let (weights, encoder) = (to_bf16s(weights), CpuEncoder::new(level, Work::Pool));
        Ok(Coded::by_encoder_plan(&weights, encoder, &encoder.plan_published(&weights)?))
    }

    fn by_encoder_plan(weights: &[bf16], encoder: CpuEncoder, plan: &CpuPlan) -> Coded {
        let mut coded = Coded::of_sizes(&plan.sizes());
        encoder.encode(weights, plan, coded.parts()).expect("a planned unit is encoded");
        coded
    }

    /// Buffers of these sizes that hold something else.
    fn of_sizes(sizes: &PartSizes) -> Coded {
        Coded {
            encoded_exponent: vec![0xA5; sizes.encoded_exponent],
            sign_mantissa: vec![0xA5; sizes.sign_mantissa],
            luts: vec![0xA5; sizes.luts],
            gaps: vec![0xA5; sizes.gaps],
            output_positions: vec![0xA5; sizes.output_positions],
            split_positions: Vec::new(),
        }
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

    /// Tensors of another origin.
    pub fn of(raw: &RawUnit) -> Coded {
        Coded {
            encoded_exponent: raw.encoded_exponent.to_vec(),
            sign_mantissa: raw.sign_mantissa.to_vec(),
            luts: raw.luts.to_vec(),
            gaps: raw.gaps.to_vec(),
            output_positions: raw.output_positions.to_vec(),
            split_positions: raw.split_positions.to_vec(),
        }
    }

    /// The tensors for the library.
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

    /// The tensors for the decoders of `tests/support`.
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

    /// The number of bytes of the six tensors.
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
