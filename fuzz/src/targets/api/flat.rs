//! The flat form and products, with any shapes, sections, rows and requests.

use super::super::any_words;
use super::{MOST_BYTES, any_level, any_number, any_size};
use crate::support::draw::{Bytes, Draw};
use crate::support::library::{fault, to_bf16s};
use df11_core::limits::{ESCAPE, GROUP};
use df11_core::product::{Bias, Output, dot, fixed_nan, fold, step, to_bf16};
use df11_core::{
    Backend, BackendError, Error, Exponents, Flat, Form, Histogram, Linear, Plain, Rows, Sections, Shape, Unit, Work,
    bf16, check_product, expand, expand_range, flatten, flatten_unit, position, write_header,
};

/// Most weights of a matrix.
const MOST_WEIGHTS: usize = 300;

pub fn flat(draw: &mut Bytes) {
    match draw.below(4) {
        0 => sizes(draw),
        1 => steps(draw),
        2 => matrix(draw),
        _ => requests(draw),
    }
}

fn any_bf16(draw: &mut Bytes) -> bf16 {
    bf16::from_bits(draw.below(1 << 16) as u16)
}

fn any_f32(draw: &mut Bytes) -> f32 {
    f32::from_bits(draw.below(1 << 32) as u32)
}

/// Shapes and sections of any size.
fn sizes(draw: &mut Bytes) {
    let (rows, columns, escapes) = (any_number(draw), any_number(draw), any_number(draw));
    let column = any_size(draw);
    assert!(position(column) < GROUP && position(column) == position(column % GROUP));
    let shape = match Shape::new(rows, columns) {
        Ok(shape) => shape,
        Err(error) => {
            assert_eq!(error, Error::MatrixSize { rows, columns });
            return assert!([rows, columns].iter().any(|&side| side == 0 || side >> 32 > 0));
        }
    };
    assert_eq!((u64::from(shape.rows()), u64::from(shape.columns())), (rows, columns));
    let groups = columns.div_ceil(64);
    assert_eq!((shape.weights(), shape.groups() as u64), (rows * columns, groups));
    let whole = u128::from(rows) * u128::from(groups) * 96;
    let rest = 4 * (u128::from(rows) + 1) + 5 * u128::from(escapes);
    match Sections::new(shape, escapes) {
        Ok(sections) => {
            assert_eq!((sections.shape(), u64::from(sections.escapes())), (shape, escapes));
            let parts = [
                sections.sign_mantissa(),
                sections.codes(),
                sections.row_starts(),
                sections.escape_columns(),
                sections.escape_exponents(),
            ];
            let ends = parts.iter().map(|part| part.end).chain([sections.total()]);
            let starts = parts.iter().map(|part| part.start).skip(1).chain([sections.total()]);
            assert!(parts.iter().all(|part| part.start % 64 == 0));
            assert!(starts.zip(ends).all(|(start, end)| start >= end && start - end < 64 || start == end));
            assert_eq!(parts.iter().map(|part| part.len() as u128).sum::<u128>(), whole + rest);
            assert_eq!(sections.is_worth_it(), (sections.total() as u128) < 2 * u128::from(rows * columns));
            written(&sections, draw);
        }
        Err(error) => {
            let [rows, columns] = [shape.rows(), shape.columns()];
            assert_eq!(error, Error::FlatTooLarge { rows, columns, escapes });
            assert!(escapes >> 32 > 0 || whole + rest + 6 * 64 > isize::MAX as u128);
        }
    }
}

/// The parts of a buffer of this size, and of another.
fn written(sections: &Sections, draw: &mut Bytes) {
    if sections.total() as u64 > MOST_BYTES {
        return;
    }
    let found = if draw.chance(70) { sections.total() } else { draw.below(MOST_BYTES) as usize };
    let mut bytes = vec![0; found];
    match sections.split_mut(&mut bytes) {
        Ok((header, parts)) => {
            let exponents = Exponents::of_counts(&Histogram::of(&[]));
            write_header(sections, &exponents, header);
            assert_eq!(parts.sign_mantissa.len(), sections.sign_mantissa().len());
            assert_eq!(parts.codes.len(), sections.codes().len());
            assert_eq!(parts.row_starts.len() as u64, u64::from(sections.shape().rows()) + 1);
            assert_eq!(parts.escape_columns.len(), parts.escape_exponents.len());
            // The zeros in it are a matrix of zeros without escapes.
            assert_eq!(Flat::from_bytes(&bytes[..]).is_ok(), sections.escapes() == 0);
        }
        Err(error) => {
            let expected = sections.total();
            assert!(error == Error::BufferSize { buffer: "flat", found, expected } && found != expected);
        }
    }
}

/// Numbers of any bits.
fn steps(draw: &mut Bytes) {
    let (weight, x, sum) = (any_bf16(draw), any_bf16(draw), any_f32(draw));
    let fused = weight.to_f32().mul_add(x.to_f32(), sum);
    assert_eq!(fixed_nan(step(weight, x, sum)).to_bits(), fixed_nan(fused).to_bits());
    assert_eq!(fixed_nan(dot([weight], &[x])).to_bits(), fixed_nan(step(weight, x, 0.0) + 0.0).to_bits());
    let sums: [f32; 64] = std::array::from_fn(|_| any_f32(draw));
    let _ = fold(sums);
    let rounded = if sum.is_nan() { 0x7FC0 } else { bf16::from_f32(sum).to_bits() };
    assert_eq!(to_bf16(sum).to_bits(), rounded);
    let (of_f32, of_bf16) = ([sum], [x]);
    for bias in [Bias::F32(&of_f32), Bias::Bf16(&of_bf16)] {
        let row = any_size(draw);
        assert_eq!(bias.of_row(row).is_some(), row < bias.count());
    }
    let (mut y, mut y_bf16, index) = ([0.0], [bf16::ZERO], any_size(draw));
    for mut output in [Output::F32(&mut y), Output::Bf16(&mut y_bf16)] {
        assert_eq!(output.count(), 1);
        output.set(index, sum, None);
    }
    let expected = if index == 0 { (fixed_nan(sum).to_bits(), rounded) } else { (0, 0) };
    assert_eq!((y[0].to_bits(), y_bf16[0].to_bits()), expected);
}

/// A matrix from weights and from a unit, and ranges of it that may end after it.
fn matrix(draw: &mut Bytes) {
    let words = any_words(draw, MOST_WEIGHTS);
    let weights = to_bf16s(&words);
    let columns = 1 + draw.below(words.len() as u64);
    let shape = Shape::new(words.len() as u64 / columns, columns).expect("a small shape");
    let own = &weights[..shape.weights() as usize];
    let unit = Unit::encode(&weights, &[]).expect("a small unit");
    let exponents = match draw.chance(50) {
        true => Exponents::of_code(unit.code()),
        false => Exponents::of_counts(&Histogram::of(own)),
    };
    assert!((0..=255).all(|exponent| match exponents.code(exponent) {
        ESCAPE => !exponents.table()[..15].contains(&exponent),
        code => exponents.table()[usize::from(code)] == exponent,
    }));
    let expected = Sections::new(shape, exponents.escapes(&Histogram::of(own))).expect("small").total();
    let found = if draw.chance(80) { expected } else { draw.below(MOST_BYTES) as usize };
    let [mut one, mut other] = [vec![0; found], vec![0; found]];
    let made = [flatten(own, shape, &exponents, &mut one), flatten_unit(&unit, 0, shape, &exponents, &mut other)];
    if found != expected {
        return assert_eq!(made, [Err(Error::BufferSize { buffer: "flat", found, expected }); 2]);
    }
    assert!(made[0].is_ok() && made[0] == made[1] && one == other);
    assert_eq!(Flat::from_written(&one[..]).map(|flat| *flat.sections()).ok(), made[0].ok());
    let flat = Flat::of_weights(own, shape, &exponents).expect("it is small");
    assert!(flat.bytes() == one && flat.exponents() == &exponents);
    assert_eq!(Ok(*flat.borrowed().sections()), made[0]);
    let flat = Flat::from_bytes(flat.into_bytes()).expect("we wrote it");
    let (first, count) = (any_number(draw), draw.below(400) as usize);
    let mut range = vec![bf16::ONE; count];
    let is_inside = u128::from(first) + count as u128 <= u128::from(shape.weights());
    match expand_range(&flat, first, &mut range) {
        Ok(()) => assert!(is_inside),
        Err(error) => assert!(!is_inside && matches!(error, Error::RangePastEnd { .. })),
    }
    let fits = expand(&flat, &mut range).is_ok();
    assert_eq!(fits, count as u64 == shape.weights());
    let row = any_number(draw) as u32;
    assert_eq!(flat.row(row).is_some(), row < flat.shape().rows());
    if let Some(row) = flat.row(row) {
        assert_eq!((row.weights().count(), row.codes().len()), (columns as usize, row.sign_mantissa().len() / 2));
        assert!(row.escapes().len() <= columns as usize);
    }
}

/// Requests of any rows, into buffers of any size: the documented error or the product.
fn requests(draw: &mut Bytes) {
    let words = any_words(draw, MOST_WEIGHTS);
    let (weights, total) = (to_bf16s(&words), words.len() as u64);
    let columns = 1 + draw.below(total);
    let mut shapes = vec![Shape::new(total / columns, columns).expect("a small shape")];
    shapes.extend(Shape::new(1, total % columns));
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let df11 = Plain.load(Unit::encode(&weights, &[]).expect("a small unit")).expect("it is loaded");
    let bf16 = Plain.load_bf16(bytes.into()).expect("whole words");
    let flat = [&df11, &bf16].map(|loaded| loaded.flatten(&shapes, Work::Pool).expect("the shapes fit").loaded);
    let forms = [&df11, &bf16, &flat[0], &flat[1]].map(|loaded| loaded.form());
    assert_eq!(forms, [Form::Df11, Form::Bf16, Form::Flat, Form::Flat]);
    if draw.chance(20) {
        assert!(df11.flatten(&shapes[..0], Work::Pool).is_err());
        let refused = any_level(draw).load_bf16(vec![0; draw.below(5) as usize].into());
        assert!(refused.is_ok() || matches!(refused, Err(BackendError::Unsupported { .. } | BackendError::Unit(_))));
    }
    let matrices: Vec<Rows> = Rows::of_matrices(&shapes, total).expect("the shapes fit").collect();
    let first = if draw.chance(70) { draw.below(total + 1) } else { any_number(draw) };
    let shape = match draw.chance(70) {
        true => Shape::new(1 + draw.below(3), columns),
        false => Shape::new(any_number(draw), any_number(draw)),
    };
    let Ok(shape) = shape else { return };
    let rows = Rows { first, shape };
    let within = matrices.iter().any(|matrix| matrix.contains(&rows));
    assert!(!within || rows.end() <= total);
    let x: Vec<bf16> = (0..draw.below(700)).map(|_| any_bf16(draw)).collect();
    let x = match draw.chance(70) {
        true => &x[..x.len() / columns as usize * columns as usize],
        false => &x,
    };
    let vectors = x.len() / shape.columns() as usize;
    let whole = (shape.rows() as usize).saturating_mul(vectors);
    let count = if whole as u64 <= MOST_BYTES && draw.chance(90) { whole } else { draw.below(100) as usize };
    let mut found = Vec::new();
    for loaded in [&df11, &bf16, &flat[0], &flat[1]] {
        let mut y = vec![0.0; count];
        let mut linears = [Linear { rows, bias: None, y: Output::F32(&mut y) }];
        let checked = check_product(x, &linears, total);
        let mut scratch = vec![0.0; loaded.scratch(shape.columns(), vectors, Work::Pool).min(MOST_BYTES as usize)];
        match (checked, fault(loaded.product(x, &mut linears, &mut scratch, Work::Pool))) {
            (Err(refused), found) => return assert_eq!(found, Err(refused)),
            (Ok(_), Err(error)) => assert!(matches!(error, Error::NotRowsOfMatrix { .. }) && !within),
            (Ok(_), Ok(())) => found.push(y.iter().map(|y| y.to_bits()).collect::<Vec<_>>()),
        }
    }
    assert!(found.len() == if within { 4 } else { 2 } && found.windows(2).all(|pair| pair[0] == pair[1]));
}
