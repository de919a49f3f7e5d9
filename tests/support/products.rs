//! Products that every backend must give bit for bit, and what they are: the order of additions of
//! FLAT.md, "Products", with the fused step of the standard library.

use super::library::to_bf16s;
use super::random::{Random, to_bf16};
use df11_core::product::{Bias, Output};
use df11_core::{Backend, BackendError, Form, Linear, Loaded, Rows, Shape, Unit, Work, bf16};

/// Matrices that share x. Their weights follow one another.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub shapes: Vec<Shape>,
    pub weights: Vec<bf16>,
    /// One vector after another.
    pub x: Vec<bf16>,
}

const NAN: u16 = 0x7FC1;
const INFINITY: u16 = 0x7F80;

/// Named products: what can go wrong with numbers, and with shapes.
pub fn cases() -> Vec<Case> {
    let (mut list, mut random) = (Vec::new(), Random::new(171));
    for (rows, columns, vectors) in [
        (1, 1, 1),
        (1, 64, 1),
        (1, 63, 2),
        (5, 65, 3),
        (3, 127, 1),
        (3, 128, 8),
        (2, 4097, 1),
        (300, 1, 2),
        (7, 100, 65),
    ] {
        let [weights, x] = [(rows * columns, 0.02), (vectors * columns, 1.0)].map(|(n, s)| normal(&mut random, n, s));
        list.push(case(&format!("normal_{rows}x{columns}_by_{vectors}"), &[rows], columns, weights, x));
    }
    let [weights, x] = [(96 * 200, 0.02), (4 * 200, 1.0)].map(|(n, s)| normal(&mut random, n, s));
    list.push(case("three_that_share_x", &[64, 1, 31], 200, weights, x));
    // Every power of two for x, and weights of any finite size: partial sums overflow and
    // underflow.
    let weights = any_words(&mut random, 30 * 511, 0..255);
    list.push(case("finite_words", &[30], 511, weights, any_words(&mut random, 2 * 511, 0..255)));
    let weights = any_words(&mut random, 30 * 150, 0..70);
    list.push(case("subnormal_sums", &[30], 150, weights, any_words(&mut random, 3 * 150, 0..60)));
    let weights = any_words(&mut random, 40 * 150, 0..256);
    list.push(case("any_words", &[40], 150, weights, any_words(&mut random, 2 * 150, 0..255)));
    let mut zeros = normal(&mut random, 12 * 90, 0.02);
    zeros[..3 * 90].fill(0);
    zeros[3 * 90..6 * 90].fill(0x8000);
    list.push(case("rows_of_zeros", &[12], 90, zeros.clone(), normal(&mut random, 2 * 90, 1.0)));
    // Least products of both signs are rounded to zeros, which keep their sign.
    let signs = (0..2 * 90).map(|at| if at % 3 == 0 { 0x8001 } else { 0x0001 }).collect();
    list.push(case("products_below_f32", &[12], 90, zeros.iter().map(|_| 0x8001).collect(), signs));
    for (name, word) in [("nan", NAN), ("infinity", INFINITY), ("minus_infinity", INFINITY | 0x8000)] {
        // One column of x, a few weights; a whole x, which the padding meets.
        let mut x = normal(&mut random, 3 * 90, 1.0);
        (x[17], x[2 * 90 + 89]) = (word, word);
        x[90..180].fill(word);
        list.push(case(&format!("{name}_in_x"), &[12], 90, zeros.clone(), x));
        let mut weights = normal(&mut random, 12 * 90, 0.02);
        (0..8).for_each(|row| weights[row * 91] = word);
        list.push(case(&format!("{name}_in_weights"), &[12], 90, weights, normal(&mut random, 90, 1.0)));
    }
    // A few escapes among weights of 15 exponents, in first and last columns too; then half of all.
    let mut few = of_exponents(&mut random, 16 * 333);
    for at in (0..few.len()).step_by(119).chain([0, 332, 333, 5 * 333 + 332]) {
        few[at] = 0x2000 | random.next() as u16 & 0x80FF;
    }
    list.push(case("few_escapes", &[16], 333, few.clone(), normal(&mut random, 2 * 333, 1.0)));
    few.iter_mut().step_by(14).for_each(|word| *word = *word & 0x807F | (random.next() as u16 & 0x1F) << 7);
    list.push(case("many_escapes", &[10, 6], 333, few, normal(&mut random, 333, 1.0)));
    list
}

fn case(name: &str, rows: &[usize], columns: usize, weights: Vec<u16>, x: Vec<u16>) -> Case {
    let shape = |&rows: &usize| Shape::new(rows as u64, columns as u64).expect("a shape");
    Case { name: name.into(), shapes: rows.iter().map(shape).collect(), weights: to_bf16s(&weights), x: to_bf16s(&x) }
}

fn normal(random: &mut Random, count: usize, scale: f64) -> Vec<u16> {
    (0..count).map(|_| to_bf16(scale * random.normal())).collect()
}

fn any_words(random: &mut Random, count: usize, exponents: std::ops::Range<u16>) -> Vec<u16> {
    let of = |bits: u64| (exponents.start + (bits >> 16) as u16 % (exponents.end - exponents.start)) << 7;
    (0..count).map(|_| random.next()).map(|bits| bits as u16 & 0x807F | of(bits)).collect()
}

fn of_exponents(random: &mut Random, count: usize) -> Vec<u16> {
    (0..count as u16).map(|at| random.next() as u16 & 0x807F | (110 + at % 15) << 7).collect()
}

/// `y[vector * rows + row]` of one matrix, without a bias.
pub fn sums(case: &Case, rows: &Rows) -> Vec<f32> {
    let (columns, first) = (rows.shape.columns() as usize, rows.first as usize);
    let weights = &case.weights[first..][..rows.shape.weights() as usize];
    let of_vector = |x| weights.chunks_exact(columns).map(move |row| dot(row, x));
    case.x.chunks_exact(columns).flat_map(of_vector).collect()
}

fn dot(row: &[bf16], x: &[bf16]) -> f32 {
    let mut sums = [0.0_f32; 64];
    for (column, (weight, x)) in row.iter().zip(x).enumerate() {
        sums[column % 64] = weight.to_f32().mul_add(x.to_f32(), sums[column % 64]);
    }
    tree(&sums)
}

fn tree(sums: &[f32]) -> f32 {
    match sums {
        [sum] => *sum,
        _ => {
            let (lower, upper) = sums.split_at(sums.len() / 2);
            tree(&lower.iter().zip(upper).map(|(one, other)| one + other).collect::<Vec<_>>())
        }
    }
}

/// What f32 and BF16 outputs hold.
pub fn written(sum: f32, bias: Option<f32>) -> (u32, u16) {
    let sum = bias.map_or(sum, |bias| sum + bias);
    match sum.is_nan() {
        true => (0x7FC0_0000, 0x7FC0),
        false => (sum.to_bits(), bf16::from_f32(sum).to_bits()),
    }
}

/// Checks every case on a backend: from each form, all at once, and cut into single rows and single
/// vectors.
pub fn check_all(backend: &dyn Backend) {
    for case in cases() {
        let of = |what: &str| format!("{} on {}, {what}", case.name, backend.name());
        for (what, loaded) in loaded_forms(backend, &case).unwrap_or_else(|e| panic!("{}: {e}", of("loading"))) {
            let mut found = vec![bf16::ONE; case.weights.len()];
            loaded.decode(&mut found, Work::Pool).unwrap_or_else(|e| panic!("{}: {e}", of(what)));
            let same = found.iter().zip(&case.weights).all(|(one, other)| one.to_bits() == other.to_bits());
            assert!(same, "{}: other weights", of(what));
            for work in [Work::Pool, Work::ThisThread] {
                check(&of(what), &case, &*loaded, work);
            }
        }
    }
}

/// Weights that a backend has loaded, and what they are called.
pub type Named = (&'static str, Box<dyn Loaded>);

/// The weights of a case in every form, each by every way there.
pub fn loaded_forms(backend: &dyn Backend, case: &Case) -> Result<Vec<Named>, BackendError> {
    let matrices: Vec<u64> = case.shapes.iter().map(|shape| shape.weights()).collect();
    let words: Vec<u8> = case.weights.iter().flat_map(|weight| weight.to_bits().to_le_bytes()).collect();
    let df11 = backend.load(Unit::encode(&case.weights, &matrices)?)?;
    let bf16 = backend.load_bf16(words.into())?;
    let flat = [df11.flatten(&case.shapes, Work::Pool)?, bf16.flatten(&case.shapes, Work::ThisThread)?];
    let [from_df11, from_bf16] = flat.map(|flattened| flattened.loaded);
    let all = [("df11", df11), ("bf16", bf16), ("flat from df11", from_df11), ("flat from bf16", from_bf16)];
    for ((_, loaded), form) in all.iter().zip([Form::Df11, Form::Bf16, Form::Flat, Form::Flat]) {
        assert_eq!((loaded.form(), loaded.weights()), (form, case.weights.len() as u64));
    }
    Ok(all.into())
}

fn check(what: &str, case: &Case, loaded: &dyn Loaded, work: Work) {
    let columns = case.shapes[0].columns() as usize;
    let matrices = || Rows::of_matrices(&case.shapes, loaded.weights()).expect("matrices have all weights");
    let vectors = case.x.len() / columns;
    // Whole matrices, all in one call: f32 and BF16, with every kind of bias.
    for kind in 0..4 {
        let bias: Vec<f32> = (0..1000).map(|row| [0.5, -0.0, f32::MIN_POSITIVE, 3e38][row % 4]).collect();
        let bias_bf16: Vec<bf16> = bias.iter().map(|&bias| bf16::from_f32(bias)).collect();
        let mut y: Vec<_> = matrices().map(|rows| (vec![7.0; rows.shape.rows() as usize * vectors], rows)).collect();
        let mut y_bf16: Vec<Vec<bf16>> = y.iter().map(|(y, _)| vec![bf16::ONE; y.len()]).collect();
        let is_bf16 = kind % 2 == 1;
        let mut linears: Vec<_> = (y.iter_mut().zip(&mut y_bf16))
            .map(|((y, rows), y_bf16)| Linear {
                rows: *rows,
                bias: match kind {
                    0 => None,
                    1 => Some(Bias::F32(&bias[..rows.shape.rows() as usize])),
                    _ => Some(Bias::Bf16(&bias_bf16[..rows.shape.rows() as usize])),
                },
                y: if is_bf16 { Output::Bf16(y_bf16) } else { Output::F32(y) },
            })
            .collect();
        multiply(what, loaded, &case.x, &mut linears, work);
        for ((y, rows), y_bf16) in y.iter().zip(&y_bf16) {
            let of_row = |at: usize| match kind {
                0 => None,
                1 => Some(bias[at % rows.shape.rows() as usize]),
                _ => Some(bias_bf16[at % rows.shape.rows() as usize].to_f32()),
            };
            for (at, sum) in sums(case, rows).into_iter().enumerate() {
                let (expected, expected_bf16) = written(sum, of_row(at));
                match is_bf16 {
                    true => assert_eq!(y_bf16[at].to_bits(), expected_bf16, "{what}, kind {kind}, element {at}"),
                    false => assert_eq!(y[at].to_bits(), expected, "{what}, kind {kind}, element {at}"),
                }
            }
        }
    }
    // Some single rows with single vectors: parts of the same product.
    for rows in matrices() {
        let (all, expected) = (rows.shape.rows() as usize, sums(case, &rows));
        for row in (0..all).step_by(1 + all / 5) {
            let shape = Shape::new(1, columns as u64).expect("a row");
            let one = Rows { first: rows.first + (row * columns) as u64, shape };
            for (vector, x) in case.x.chunks_exact(columns).enumerate().step_by(1 + vectors / 3) {
                let mut y = [7.0];
                multiply(what, loaded, x, &mut [Linear { rows: one, bias: None, y: Output::F32(&mut y) }], work);
                let (expected, _) = written(expected[vector * all + row], None);
                assert_eq!(y[0].to_bits(), expected, "{what}, row {row} and vector {vector} alone");
            }
        }
    }
}

fn multiply(what: &str, loaded: &dyn Loaded, x: &[bf16], linears: &mut [Linear<'_>], work: Work) {
    let columns = linears[0].rows.shape.columns();
    let mut scratch = vec![f32::NAN; loaded.scratch(columns, x.len() / columns as usize, work)];
    loaded.product(x, linears, &mut scratch, work).unwrap_or_else(|e| panic!("{what}: {e}"));
}
