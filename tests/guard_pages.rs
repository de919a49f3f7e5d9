//! No encoder and no decoder touches a byte outside its buffers. Every buffer ends, and then
//! begins, at a page whose touch ends the process.
#![cfg(unix)]

// This file is not part of `support`, which the fuzz targets compile too: they do not use it, and
// have no libc.
#[path = "support/guarded.rs"]
mod guarded;
mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use df11_core::product::{Bias, Output};
use df11_core::{
    Backend, Linear, Loaded, PartSizes, PartsMut, Plain, Plan, Rows, Shape, Unit, UnitView, Work, bf16, encode,
    two_phase,
};
use df11_cpu::{Decoder, Encoder, Level, decode_batch};
use guarded::{Edge, Guarded};
use support::cases::{self, Case};
use support::library::{Coded, backends, fault, range_by_backend, to_bf16s};
use support::random::Random;
use support::{lies, on_all_processors};

/// The arrays of a unit, each at an edge.
struct GuardedUnit([Guarded; 6]);

impl GuardedUnit {
    fn new(coded: &Coded, edge: Edge) -> GuardedUnit {
        GuardedUnit(coded.tensors().map(|(_, tensor)| Guarded::new(tensor, edge)))
    }

    fn view(&self) -> UnitView<'_> {
        let [encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions] = &self.0;
        UnitView { encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions }
    }
}

#[test]
fn decoders_stay_inside() {
    on_all_processors(&cases::full(), |case| {
        let coded = Coded::by_core(&case.weights);
        for edge in Edge::BOTH {
            decode_between(case, &coded, edge);
        }
    });
}

fn decode_between(case: &Case, coded: &Coded, edge: Edge) {
    let guarded = GuardedUnit::new(coded, edge);
    let unit = guarded.view().validate().expect("what we write is valid");
    let expected: &[u8] = bytemuck::cast_slice(&case.weights);
    let mut random = Random::new(case.weights.len() as u64);
    for backend in backends() {
        let name = backend.name();
        let mut weights = Guarded::filled(0xA5, expected.len(), edge);
        range_by_backend(&*backend, &unit, 0, as_bf16(&mut weights))
            .unwrap_or_else(|e| panic!("{}, {name}: {e}", case.name));
        assert!(*weights == *expected, "{}, {name}, {edge:?}", case.name);
        for _ in 0..3 {
            let first = random.below(case.weights.len() as u64) as usize;
            let count = 1 + random.below((case.weights.len() - first).min(5000) as u64) as usize;
            let mut part = Guarded::filled(0xA5, 2 * count, edge);
            let decoded = range_by_backend(&*backend, &unit, first as u64, as_bf16(&mut part));
            decoded.unwrap_or_else(|e| panic!("{}, {name}, {first}: {e}", case.name));
            assert!(*part == expected[2 * first..][..2 * count], "{}, {name}, {edge:?}, {first}", case.name);
        }
    }
    for block in 0..unit.blocks() {
        let weights = unit.block(block).weights;
        let expected = &expected[2 * weights.start as usize..2 * weights.end as usize];
        let mut part = Guarded::filled(0xA5, expected.len(), edge);
        two_phase::decode_block(&unit, block, as_bf16(&mut part)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert!(*part == *expected, "{}, two_phase, {edge:?}, block {block}", case.name);
    }
}

/// Validation does not read the stream, so decoders meet any bits there, and gaps that contradict
/// them.
#[test]
fn decoders_of_damaged_units_stay_inside() {
    on_all_processors(&cases::short(), |case| {
        let mut random = Random::new(case.weights.len() as u64);
        for round in 0..20 {
            let mut coded = Coded::by_core(&case.weights);
            for tensor in ["encoded_exponent", "gaps"] {
                let bytes = coded.tensor_mut(tensor);
                // One bit, some bits, or all of them.
                for _ in 0..[1, 10, 8 * bytes.len()][round % 3].min(100_000) {
                    let bit = random.below(8 * bytes.len() as u64);
                    bytes[bit as usize / 8] ^= 1 << (bit % 8);
                }
            }
            let edge = Edge::BOTH[round % 2];
            let guarded = GuardedUnit::new(&coded, edge);
            let Ok(unit) = guarded.view().validate() else { continue };
            for backend in backends() {
                let mut weights = Guarded::filled(0xA5, 2 * case.weights.len(), edge);
                let _ = range_by_backend(&*backend, &unit, 0, as_bf16(&mut weights));
            }
        }
    });
}

/// Gaps, output positions, tables, number of weights and stream are damaged alone and together.
/// Whatever the levels say of such a unit, they touch nothing else. `DF11_LYING_UNITS=20000` tries
/// more of them.
#[test]
fn decoders_of_units_that_lie_stay_inside() {
    let seeds: Vec<u64> = (0..lies::units(600)).collect();
    let valid = AtomicU64::new(0);
    on_all_processors(&seeds, |&seed| {
        let coded = lies::numbered(seed).coded;
        for edge in Edge::BOTH {
            let guarded = GuardedUnit::new(&coded, edge);
            let Ok(unit) = guarded.view().validate() else { return };
            decode_lies_between(&unit, edge, seed);
        }
        valid.fetch_add(1, Ordering::Relaxed);
    });
    let (valid, all) = (valid.into_inner(), seeds.len());
    println!("{valid} of {all} units that lie are valid");
    assert!(2 * valid >= all as u64, "{valid} of {all}");
}

/// Decodes the whole unit, a batch, ranges and rows, at every level.
fn decode_lies_between(unit: &Unit, edge: Edge, seed: u64) {
    let mut random = Random::new(seed);
    let all = unit.weights();
    for level in Level::available() {
        let decoder = Decoder::new(unit.borrowed(), level);
        let of = |count: u64| Guarded::filled(0xA5, 2 * count as usize, edge);
        let _ = decoder.decode(as_bf16(&mut of(all)), Work::Pool);
        let _ = decode_batch(&mut [(Decoder::new(unit.borrowed(), level), as_bf16(&mut of(all)))], Work::Pool);
        for _ in 0..3 {
            let block = unit.block(random.below(unit.blocks() as u64) as usize).weights;
            let first = [block.start, random.below(all)][random.below(2) as usize];
            let count = random.below((all - first).min(5000) + 1);
            let _ = decoder.decode_range(first, as_bf16(&mut of(count)), Work::Pool);
        }
        let columns = 1 + random.below(all.min(500));
        let rows: Vec<u64> = (0..random.below(5)).map(|_| random.below(all / columns)).collect();
        let _ = decoder.decode_rows(
            0..all,
            columns as usize,
            &rows,
            as_bf16(&mut of(columns * rows.len() as u64)),
            Work::Pool,
        );
        let first = random.below(all);
        let columns = 1 + random.below((all - first).min(500));
        let shape = Shape::new(1 + random.below((all - first) / columns), columns).expect("a shape");
        let vectors = 1 + random.below(3) as usize;
        let mut x = of(columns * vectors as u64);
        let _ = product_between(&decoder, &[Rows { first, shape }], as_bf16(&mut x), vectors, Work::Pool, edge);
        let _ = decoder.flatten(&[Shape::new(1, all).expect("a shape")], Work::Pool);
    }
}

/// Products from every form, of shapes around the sizes of groups, tiles and steps. The words of
/// the form `bf16` stand at even and at odd addresses. `Level` makes the bytes of the flat form
/// itself.
#[test]
fn products_stay_inside() {
    const SHAPES: [(u64, u64, usize); 11] = [
        (1, 1, 1),
        (13, 1, 2),
        (7, 63, 1),
        (7, 63, 5),
        (6, 64, 3),
        (5, 65, 1),
        (4, 65, 4),
        (2, 200, 2),
        (9, 4097, 6),
        (300, 777, 1),
        (300, 777, 2),
    ];
    on_all_processors(&SHAPES, |&(rows, columns, vectors)| {
        let shapes = [rows, rows / 2 + 1].map(|rows| Shape::new(rows, columns).expect("a shape"));
        let rows = [Rows { first: 0, shape: shapes[0] }, Rows { first: shapes[0].weights(), shape: shapes[1] }];
        let mut random = Random::new(columns + vectors as u64);
        // 15 exponents and a few more, so that the flat form is worth it and has escapes.
        let mut word = |escapes: u64| match random.below(escapes) {
            0 => random.next() as u16,
            some => random.next() as u16 & 0x807F | (110 + some as u16 % 15) << 7,
        };
        let words: Vec<u16> = (0..rows[1].end()).map(|_| word(90)).collect();
        let x: Vec<u16> = (0..columns * vectors as u64).map(|_| word(1000)).collect();
        let coded = Coded::by_core(&words);
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let plain = Plain.load_bf16(bytes.into()).expect("whole words");
        for edge in Edge::BOTH {
            let mut x = Guarded::new(bytemuck::cast_slice(&x), edge);
            let x: &[bf16] = as_bf16(&mut x);
            let expected = product_between(&*plain, &rows, x, vectors, Work::ThisThread, edge).expect("a product");
            let (even, unit) = (Guarded::new(bytes, edge), GuardedUnit::new(&coded, edge));
            let one_more = [&[0xA5], bytes, &[0xA5]].concat();
            let odd = match edge {
                Edge::Begin => (Guarded::new(&one_more[..=bytes.len()], edge), 1),
                Edge::End => (Guarded::new(&one_more[1..], edge), 0),
            };
            let odd = &odd.0[odd.1..][..bytes.len()];
            assert!(!odd.as_ptr().addr().is_multiple_of(2));
            for level in Level::available() {
                let df11 = level.load(unit.view().validate().expect("what we write is valid")).expect("it loads");
                let [even, odd] = [&even[..], odd].map(|words| level.load_bf16(words.into()).expect("whole words"));
                let flat =
                    [&df11, &even, &odd].map(|from| from.flatten(&shapes, Work::Pool).expect("it is made").loaded);
                for loaded in
                    [df11, even, odd].iter().map(|loaded| &**loaded).chain(flat.iter().map(|loaded| &**loaded))
                {
                    let what = format!("{level}, {}, {edge:?}, {:?}, {vectors} vectors", loaded.form(), rows[0].shape);
                    let mut decoded = Guarded::new(bytes, edge);
                    loaded.decode(as_bf16(&mut decoded), Work::Pool).expect("it decodes");
                    assert!(decoded[..] == *bytes, "{what}");
                    for work in [Work::Pool, Work::ThisThread] {
                        let found = product_between(loaded, &rows, x, vectors, work, edge);
                        assert!(found.expect("a product") == expected, "{what}");
                    }
                }
            }
        }
    });
}

/// The bits of each y, as f32 and as BF16. Scratch, y and bias are at an edge, and have no element
/// more than needed; scratch and y begin as NaN.
fn product_between(
    loaded: &dyn Loaded,
    rows: &[Rows],
    x: &[bf16],
    vectors: usize,
    work: Work,
    edge: Edge,
) -> Result<Vec<Vec<u8>>, df11_core::Error> {
    let of = |elements: usize, size| Guarded::filled(0xFF, elements * size, edge);
    let mut scratch = of(loaded.scratch(rows[0].shape.columns(), vectors, work), 4);
    let mut product = |rows: &Rows| {
        let count = rows.shape.rows() as usize;
        let (mut y, mut y_bf16) = (of(vectors * count, 4), of(vectors * count, 2));
        let biases = (Guarded::filled(0x3F, count * 4, edge), Guarded::filled(0x3F, count * 2, edge));
        let (bias, bias_bf16) = (bytemuck::cast_slice(&biases.0), bytemuck::cast_slice(&biases.1));
        let mut linears = [
            Linear { rows: *rows, bias: Some(Bias::F32(bias)), y: Output::F32(bytemuck::cast_slice_mut(&mut y)) },
            Linear { rows: *rows, bias: Some(Bias::Bf16(bias_bf16)), y: Output::Bf16(as_bf16(&mut y_bf16)) },
        ];
        fault(loaded.product(x, &mut linears, bytemuck::cast_slice_mut(&mut scratch), work))?;
        Ok([&y[..], &y_bf16].concat())
    };
    rows.iter().map(&mut product).collect()
}

#[test]
fn encoders_stay_inside() {
    on_all_processors(&cases::full(), |case| {
        let expected = Coded::by_core(&case.weights);
        for edge in Edge::BOTH {
            let mut words = Guarded::new(bytemuck::cast_slice(&case.weights), edge);
            let weights: &[bf16] = as_bf16(&mut words);
            let plan = Plan::new(weights).expect("a case can be planned");
            let written = encode_between(edge, &plan.sizes(), |parts| encode(weights, &plan, parts));
            assert!(written == expected, "{}, core, {edge:?}", case.name);
            for level in Level::available() {
                let encoder = Encoder::new(level, Work::Pool);
                let plan = encoder.plan(weights).expect("a case can be planned");
                let written = encode_between(edge, &plan.sizes(), |parts| encoder.encode(weights, &plan, parts));
                assert!(written == expected, "{}, {level}, {edge:?}", case.name);
            }
        }
    });
}

/// Weights other than those planned are refused, but only after they were written, within the same
/// buffers. Exponents may also have no code, so that no number of weights fills a byte.
#[test]
fn encoders_of_other_weights_stay_inside() {
    on_all_processors(&cases::short(), |case| {
        let planned: Vec<bf16> = to_bf16s(&case.weights);
        for encoder in Level::available().map(|level| Encoder::new(level, Work::Pool)) {
            for plan in [encoder.plan(&planned), encoder.plan_published(&planned)].iter().flatten() {
                for others in others(plan.as_core(), case) {
                    for edge in Edge::BOTH {
                        encode_between(edge, &plan.sizes(), |parts| match encoder.encode(&others, plan, parts) {
                            Err(df11_core::Error::WeightsNotPlanned) => Ok(()),
                            result => result,
                        });
                    }
                }
            }
        }
    });
}

/// As many weights as were planned: all of the longest code; all without a code; those planned with
/// some that have none among them; and any.
fn others(plan: &Plan, case: &Case) -> [Vec<bf16>; 4] {
    let lengths = plan.code().lengths();
    let of_length = |length: u8| (0..=255u8).rfind(|&exponent| lengths[usize::from(exponent)] == length);
    let count = case.weights.len();
    let all = |length: u8| vec![of_length(length).map_or(0, |exponent| u16::from(exponent) << 7); count];
    let mut random = Random::new(count as u64);
    let mut among = case.weights.clone();
    let none = all(0);
    // Up to 100 in a row, so that whole lanes and steps have none.
    for run in among.chunks_mut(100) {
        let some = random.below(run.len() as u64) as usize;
        run[some..].fill(none[0]);
    }
    let any = (0..count).map(|_| random.next() as u16).collect();
    [all(plan.code().longest()), none, among, any].map(|words| to_bf16s(&words))
}

/// What `encode` writes into buffers at an edge.
fn encode_between(
    edge: Edge,
    sizes: &PartSizes,
    encode: impl FnOnce(PartsMut<'_>) -> Result<(), df11_core::Error>,
) -> Coded {
    let of = |bytes| Guarded::filled(0xA5, bytes, edge);
    let (mut encoded_exponent, mut sign_mantissa) = (of(sizes.encoded_exponent), of(sizes.sign_mantissa));
    let (mut luts, mut gaps, mut output_positions) = (of(sizes.luts), of(sizes.gaps), of(sizes.output_positions));
    let parts = PartsMut {
        encoded_exponent: &mut encoded_exponent,
        sign_mantissa: &mut sign_mantissa,
        luts: &mut luts,
        gaps: &mut gaps,
        output_positions: &mut output_positions,
    };
    encode(parts).expect("a planned unit is encoded");
    Coded {
        encoded_exponent: encoded_exponent.to_vec(),
        sign_mantissa: sign_mantissa.to_vec(),
        luts: luts.to_vec(),
        gaps: gaps.to_vec(),
        output_positions: output_positions.to_vec(),
        split_positions: Vec::new(),
    }
}

fn as_bf16(bytes: &mut [u8]) -> &mut [bf16] {
    bytemuck::cast_slice_mut(bytes)
}
