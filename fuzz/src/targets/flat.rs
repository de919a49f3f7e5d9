//! The flat form: words that come back, and damaged bytes that are refused or mean one thing.

use super::any_words;
use crate::support::assert_same_words;
use crate::support::draw::{Bytes, Draw};
use crate::support::library::{to_bf16s, to_words};
use df11_core::product::{dot, fixed_nan};
use df11_core::{Exponents, Flat, Histogram, Shape, bf16, expand, expand_range};

/// Most weights of a matrix.
const MOST_WEIGHTS: usize = 3000;
/// Most weights of which the products are found.
const MOST_FOR_PRODUCTS: u64 = 10_000;

/// Any bytes, as they are or as damage to a sound matrix.
pub fn flat(data: &[u8]) {
    let mut draw = Bytes::new(data);
    if draw.chance(20) {
        read(draw.rest());
        return;
    }
    let mut bytes = sound(&mut draw);
    for _ in 0..draw.below(4) {
        let length = bytes.len() as u64;
        match draw.below(8) {
            0 => bytes.truncate(draw.below(length + 1) as usize),
            1 => bytes.resize(bytes.len() + draw.below(200) as usize, 0),
            // The header, and the sections after it, are small: damage there is rare without this.
            2..=3 => bytes[draw.below(length.min(64)) as usize] = draw.below(256) as u8,
            _ => bytes[draw.below(length) as usize] ^= 1 << draw.below(8),
        }
        if bytes.is_empty() {
            break;
        }
    }
    read(&bytes);
}

/// The bytes of a matrix whose weights have come back.
fn sound(draw: &mut Bytes) -> Vec<u8> {
    let mut words = any_words(draw, MOST_WEIGHTS);
    let columns = 1 + draw.below(words.len() as u64) as usize;
    words.truncate(words.len() / columns * columns);
    let shape = Shape::new((words.len() / columns) as u64, columns as u64).expect("a small shape");
    let weights = to_bf16s(&words);
    let exponents = match draw.chance(80) {
        true => Exponents::of_counts(&Histogram::of(&weights)),
        false => Exponents::of_counts(&Histogram::from_counts(std::array::from_fn(|_| draw.below(4)))),
    };
    let flat = Flat::of_weights(&weights, shape, &exponents).expect("it is small");
    let escapes = exponents.escapes(&Histogram::of(&weights));
    assert_eq!(u64::from(flat.sections().escapes()), escapes);
    let checked = Flat::from_bytes(flat.bytes()).unwrap_or_else(|e| panic!("what we write is refused: {e}"));
    let mut found = vec![bf16::ONE; weights.len()];
    expand(&checked, &mut found).expect("it has as many");
    assert_same_words("flat", &words, &to_words(&found));
    flat.bytes().to_vec()
}

/// If the bytes are a flat matrix, rows, ranges and products agree with each other.
fn read(bytes: &[u8]) {
    let Ok(flat) = Flat::from_bytes(bytes) else { return };
    let shape = flat.shape();
    // Each weight takes more than a byte, so this is less than the input.
    let mut all = vec![bf16::ONE; shape.weights() as usize];
    expand(&flat, &mut all).expect("it has as many");
    let columns = shape.columns() as usize;
    let x: Vec<bf16> = (0..columns).map(|column| bf16::from_bits(0x3F80 | (column % 997) as u16)).collect();
    for (row, expected) in (0..shape.rows()).zip(all.chunks_exact(columns)) {
        let of_row = flat.row(row).expect("a row");
        assert!(of_row.weights().map(bf16::to_bits).eq(expected.iter().map(|weight| weight.to_bits())));
        assert!(of_row.escapes().all(|(column, _)| column < columns));
        assert!(of_row.escapes().is_sorted_by(|(one, _), (next, _)| one < next));
        if shape.weights() <= MOST_FOR_PRODUCTS {
            let [one, other] = [dot(of_row.weights(), &x), dot(expected.iter().copied(), &x)].map(fixed_nan);
            assert_eq!(one.to_bits(), other.to_bits());
        }
    }
    assert!(flat.row(shape.rows()).is_none());
    let middle = all.len() / 2;
    let mut range = vec![bf16::ONE; all.len() - middle];
    expand_range(&flat, middle as u64, &mut range).expect("it is inside");
    assert!(range.iter().zip(&all[middle..]).all(|(one, other)| one.to_bits() == other.to_bits()));
}
