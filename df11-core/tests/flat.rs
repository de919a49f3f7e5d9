//! The flat form: every weight survives, and bytes that are damaged are refused or mean one thing.

use df11_core::limits::{ESCAPE, GROUP};
use df11_core::{
    Error, Exponents, Flat, FlatError, Histogram, Sections, Shape, bf16, bf16_word, expand, expand_range, flatten,
    flatten_unit, position,
};

mod arrays;

use std::collections::BTreeMap;

use arrays::Arrays;

fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 16
    }
}

fn gauss(count: usize) -> Vec<bf16> {
    let mut next = random(5);
    let mut unit = move || (next() % (1 << 24)) as f32 / (1 << 24) as f32;
    (0..count).map(|_| bf16::from_f32(0.02 * ((0..12).map(|_| unit()).sum::<f32>() - 6.0))).collect()
}

fn words(weights: &[bf16]) -> Vec<u16> {
    weights.iter().map(|weight| weight.to_bits()).collect()
}

fn every_word() -> Vec<bf16> {
    (0..=u16::MAX).map(bf16::from_bits).collect()
}

fn shape(rows: u64, columns: u64) -> Shape {
    Shape::new(rows, columns).unwrap()
}

fn flat_bytes(weights: &[bf16], shape: Shape) -> Vec<u8> {
    let histogram = Histogram::of(weights);
    let exponents = Exponents::of_counts(&histogram);
    let sections = Sections::new(shape, exponents.escapes(&histogram)).unwrap();
    // Stale bytes in the sections do not show. Those between must be zeros.
    let mut bytes = vec![0; sections.total()];
    bytes[sections.sign_mantissa()].fill(0xAB);
    bytes[sections.codes()].fill(0xCD);
    assert_eq!(flatten(weights, shape, &exponents, &mut bytes), Ok(sections));
    bytes
}

/// What bytes mean, read from FLAT.md alone: the codes are looked at, and then the list.
fn meaning(bytes: &[u8]) -> Vec<u16> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..][..4].try_into().unwrap()) as usize;
    let (rows, columns, escapes, table) = (number(12), number(16), number(20), &bytes[24..40]);
    let (groups, section) = (columns.div_ceil(64), |size: usize| size.div_ceil(64) * 64);
    let codes = 64 + rows * groups * 64;
    let starts = codes + section(rows * groups * 32);
    let escape_columns = starts + section(4 * (rows + 1));
    let escape_exponents = escape_columns + section(4 * escapes);
    let mut place_of = [0; 64];
    for (eighth, first) in [0, 32, 8, 40, 16, 48, 24, 56].into_iter().enumerate() {
        (0..8).for_each(|column| place_of[first + column] = 8 * eighth + column);
    }
    let mut found = Vec::new();
    for row in 0..rows {
        let list = number(starts + 4 * row)..number(starts + 4 * row + 4);
        let list: BTreeMap<usize, u8> =
            list.map(|at| (number(escape_columns + 4 * at), bytes[escape_exponents + at])).collect();
        for column in 0..columns {
            let (group, place) = (row * groups + column / 64, place_of[column % 64]);
            let raw = bytes[64 + group * 64 + place];
            let pair = bytes[codes + group * 32 + place % 32];
            let exponent = match if place < 32 { pair % 16 } else { pair / 16 } {
                15 => list[&column],
                code => table[usize::from(code)],
            };
            found.push(bf16_word::merge(exponent, raw).to_bits());
        }
    }
    found
}

#[track_caller]
fn comes_back(weights: &[bf16], rows: u64, columns: u64) -> Vec<u8> {
    let bytes = flat_bytes(weights, shape(rows, columns));
    assert_eq!(meaning(&bytes), words(weights));
    let flat = Flat::from_bytes(&bytes[..]).unwrap();
    assert_eq!(flat.shape(), shape(rows, columns));
    let mut found = vec![bf16::ONE; weights.len()];
    expand(&flat, &mut found).unwrap();
    assert_eq!(words(&found), words(weights));
    bytes
}

#[test]
fn every_word_survives_in_rows_of_every_width() {
    let words = every_word();
    for columns in [1, 2, 63, 64, 65, 127, 128, 129, 1000, 65_536] {
        let rows = words.len() / columns;
        comes_back(&words[..rows * columns], rows as u64, columns as u64);
    }
}

#[test]
fn matrices_of_every_kind_survive() {
    let mut next = random(1);
    let zeros = vec![bf16::ZERO; 5 * 100];
    comes_back(&zeros, 5, 100);
    let mut rows_of_zeros = gauss(20 * 77);
    rows_of_zeros[3 * 77..9 * 77].fill(bf16::ZERO);
    rows_of_zeros[9 * 77..10 * 77].fill(bf16::NEG_ZERO);
    comes_back(&rows_of_zeros, 20, 77);
    let mostly_escapes: Vec<bf16> = (0..30 * 130).map(|_| bf16::from_bits(next() as u16)).collect();
    comes_back(&mostly_escapes, 30, 130);
    for (rows, columns) in [(1, 1), (1, 64), (1, 4097), (4097, 1), (64, 1), (3, 65)] {
        comes_back(&gauss((rows * columns) as usize), rows, columns);
    }
    for word in [0x0000, 0x8000, 0x7F80, 0xFF80, 0x7FC0, 0xFFFF, 0x0001, 0x3F80] {
        comes_back(&vec![bf16::from_bits(word); 3 * 70], 3, 70);
    }
}

#[test]
fn the_most_frequent_exponents_have_codes_and_the_lesser_of_equals() {
    let mut counts = [0; 256];
    (40..60).for_each(|exponent| counts[exponent] = 7);
    (counts[255], counts[0]) = (8, 1);
    let exponents = Exponents::of_counts(&Histogram::from_counts(counts));
    let expected: Vec<u8> = (40..54).chain([255]).collect();
    assert_eq!((&exponents.table()[..15], exponents.table()[15]), (&expected[..], 0));
    assert_eq!([39, 40, 53, 54, 255].map(|exponent| exponents.code(exponent)), [ESCAPE, 0, 13, ESCAPE, 14]);
    assert_eq!(exponents.escapes(&Histogram::from_counts(counts)), 6 * 7 + 1);
    // None occurs: the least.
    let exponents = Exponents::of_counts(&Histogram::from_counts([0; 256]));
    assert_eq!(exponents.table()[..15], std::array::from_fn::<u8, 15, _>(|exponent| exponent as u8));
}

#[test]
fn a_unit_gives_the_same_weights_with_the_exponents_of_its_shortest_codes() {
    let weights = gauss(300 * 101);
    let arrays = Arrays::of(&weights);
    let unit = arrays.view().validate().unwrap();
    let exponents = Exponents::of_code(unit.code());
    let longest_kept =
        exponents.table()[..15].iter().map(|&exponent| unit.code().lengths()[usize::from(exponent)]).max();
    for exponent in unit.code().exponents().filter(|&exponent| exponents.code(exponent) == ESCAPE) {
        assert!(Some(unit.code().lengths()[usize::from(exponent)]) >= longest_kept, "{exponent}");
    }
    for (first, rows, columns) in [(0, 300, 101), (101, 299, 101), (12_345, 7, 1000), (30_299, 1, 1)] {
        let shape = shape(rows, columns);
        let Err(Error::BufferSize { buffer: "flat", found: 0, expected }) =
            flatten_unit(&unit, first, shape, &exponents, &mut [])
        else {
            panic!("the size is not told")
        };
        let mut bytes = vec![0; expected];
        flatten_unit(&unit, first, shape, &exponents, &mut bytes).unwrap();
        let own = &weights[first as usize..][..shape.weights() as usize];
        assert_eq!(meaning(&bytes), words(own));
        let mut same = vec![0; expected];
        flatten(own, shape, &exponents, &mut same).unwrap();
        assert!(bytes == same);
        Flat::from_bytes(&bytes[..]).unwrap();
    }
    let past = flatten_unit(&unit, 1, shape(300, 101), &exponents, &mut []).unwrap_err();
    assert_eq!(past, Error::RangePastEnd { first: 1, count: 30_300, weights: 30_300 });
}

#[test]
fn ranges_and_rows_are_those_of_the_whole() {
    let weights = every_word();
    let (rows, columns) = (655, 100);
    let weights = &weights[..rows * columns];
    let bytes = flat_bytes(weights, shape(655, 100));
    let flat = Flat::from_bytes(&bytes[..]).unwrap();
    let mut next = random(3);
    for _ in 0..300 {
        let first = next() as usize % weights.len();
        let mut found = vec![bf16::ONE; next() as usize % 400 % (weights.len() - first + 1)];
        expand_range(&flat, first as u64, &mut found).unwrap();
        assert_eq!(words(&found), words(&weights[first..][..found.len()]));
    }
    for row in [0, 1, 300, 654] {
        let of_row = flat.row(row).unwrap();
        assert!(of_row.weights().map(|w| w.to_bits()).eq(words(&weights[row as usize * 100..][..100])));
        assert_eq!((of_row.sign_mantissa().len(), of_row.codes().len()), (128, 64));
        for (column, exponent) in of_row.escapes() {
            assert_eq!(exponent, bf16_word::exponent(weights[row as usize * 100 + column]));
            let raw = of_row.sign_mantissa()[column / GROUP * GROUP + position(column)];
            assert_eq!(raw, bf16_word::sign_mantissa(weights[row as usize * 100 + column]));
        }
    }
    assert!(flat.row(655).is_none() && flat.row(u32::MAX).is_none());
    let past = |first, count| Err(Error::RangePastEnd { first, count, weights: 65_500 });
    assert_eq!(expand_range(&flat, 65_500, &mut []), Ok(()));
    assert_eq!(expand_range(&flat, 65_499, &mut [bf16::ONE; 2]), past(65_499, 2));
    assert_eq!(expand_range(&flat, u64::MAX, &mut [bf16::ONE]), past(u64::MAX, 1));
    let wrong = Error::BufferSize { buffer: "weights", found: 1, expected: 65_500 };
    assert_eq!(expand(&flat, &mut [bf16::ONE]), Err(wrong));
}

/// A small matrix with escapes in several places, and padding.
fn small() -> Vec<u8> {
    let mut next = random(9);
    let mut weights: Vec<bf16> = (0..4 * 70).map(|at| bf16_word::merge(110 + (at % 15) as u8, next() as u8)).collect();
    for (at, word) in [(0, 0x7F80), (69, 0x0001), (70, 0xFFC1), (139, 0x7F01), (3 * 70 + 31, 0x7000)] {
        weights[at] = bf16::from_bits(word);
    }
    let bytes = comes_back(&weights, 4, 70);
    let flat = Flat::from_bytes(&bytes[..]).unwrap();
    assert!(flat.row(2).unwrap().escapes().len() < flat.sections().escapes() as usize);
    bytes
}

#[test]
fn every_flipped_bit_is_refused_or_read_as_the_document_says() {
    let bytes = small();
    let (mut refused, mut read) = (0, 0);
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let written = Flat::from_written(&damaged[..]);
        for row in written.iter().flat_map(|flat| (0..flat.shape().rows()).map(|row| flat.row(row).unwrap())) {
            assert!(row.escapes().is_sorted_by(|(one, _), (next, _)| one < next), "bit {bit}");
            assert!(row.escapes().all(|(column, _)| column < row.weights().count()), "bit {bit}");
        }
        let Ok(flat) = Flat::from_bytes(&damaged[..]) else {
            refused += 1;
            continue;
        };
        assert!(written.is_ok(), "bit {bit}");
        // With another number of columns within the last group it is another matrix.
        let mut found = vec![bf16::ONE; flat.shape().weights() as usize];
        expand(&flat, &mut found).unwrap();
        assert_eq!(words(&found), meaning(&damaged), "bit {bit}");
        let rows = (0..4).filter_map(|row| flat.row(row)).flat_map(|row| row.weights());
        assert!(rows.eq(found.iter().copied()) || found.iter().any(|w| w.is_nan()), "bit {bit}");
        read += 1;
    }
    // Signs, mantissas and exponents are not checked; of the codes some flips hit another exponent.
    assert!(refused > bytes.len() * 8 / 3 && read > 4 * 70 * 8, "{refused} refused, {read} read");
}

#[test]
fn every_other_length_is_refused() {
    let bytes = small();
    for length in 0..bytes.len() {
        let refused = Flat::from_bytes(&bytes[..length]).unwrap_err();
        let expected = bytes.len();
        let by_size = FlatError::Size { found: length, expected };
        assert_eq!(refused, if length < 64 { FlatError::NotFlat } else { by_size });
    }
    let longer = [&bytes[..], &[0; 64]].concat();
    assert!(matches!(Flat::from_bytes(&longer[..]), Err(FlatError::Size { .. })));
}

#[test]
fn each_refusal_has_its_name() {
    let bytes = small();
    let sections = *Flat::from_bytes(&bytes[..]).unwrap().sections();
    let damaged = |damages: &[(usize, u8)]| {
        let mut bytes = bytes.clone();
        damages.iter().for_each(|&(at, value)| bytes[at] = value);
        Flat::from_bytes(&bytes[..]).map(|_| ()).unwrap_err()
    };
    assert_eq!(damaged(&[(0, b'd')]), FlatError::NotFlat);
    assert_eq!(damaged(&[(8, 2)]), FlatError::Version { found: 2 });
    let escapes = sections.escapes();
    assert_eq!(damaged(&[(12, 0)]), FlatError::Shape { rows: 0, columns: 70, escapes });
    assert_eq!(damaged(&[(16, 0)]), FlatError::Shape { rows: 4, columns: 0, escapes });
    let huge: Vec<_> = (12..20).map(|at| (at, 0xFF)).collect();
    let all = u32::MAX;
    assert_eq!(damaged(&huge), FlatError::Shape { rows: all, columns: all, escapes });
    assert!(matches!(damaged(&[(12, 5)]), FlatError::Size { .. }));
    assert_eq!(damaged(&[(24, bytes[25])]), FlatError::Exponents);
    assert_eq!(damaged(&[(39, 1)]), FlatError::Exponents);
    assert_eq!(damaged(&[(63, 1)]), FlatError::NotZero { offset: 63 });
    let last = bytes.len() - 1;
    assert_eq!(damaged(&[(last, 1)]), FlatError::NotZero { offset: last });
    let starts = sections.row_starts().start;
    assert_eq!(damaged(&[(starts, 1)]), FlatError::RowStart { row: 0 });
    assert_eq!(damaged(&[(starts + 4, 200)]), FlatError::RowStart { row: 2 });
    assert_eq!(damaged(&[(starts + 16, 0)]), FlatError::RowStart { row: 4 });
    for end in [escapes - 1, escapes + 1] {
        assert_eq!(damaged(&[(starts + 16, end as u8)]), FlatError::RowStart { row: 4 });
    }
    assert_eq!(damaged(&[(starts + 12, escapes as u8 + 1)]), FlatError::RowStart { row: 4 });
    // The escapes of row 0 are at columns 0 and 69, and perhaps others.
    let columns = sections.escape_columns().start;
    assert_eq!(damaged(&[(columns, 1)]), FlatError::Escape { row: 0, group: 0 });
    assert_eq!(damaged(&[(columns + 3, 1)]), FlatError::Escape { row: 0, group: 0 });
    let code_of_column_0 = sections.codes().start;
    let other = bytes[code_of_column_0] & 0xF0;
    assert_eq!(damaged(&[(code_of_column_0, other)]), FlatError::Escape { row: 0, group: 0 });
    // Column 69 of row 0, at position 5 of the second group, is no escape any more, but is listed
    // as another one: after the last column, and at a column that was there before.
    let flat = Flat::from_bytes(&bytes[..]).unwrap();
    let listed: Vec<usize> = flat.row(0).unwrap().escapes().map(|(column, _)| column).collect();
    assert_eq!((listed[0], listed[listed.len() - 1]), (0, 69));
    let (code, entry) = (code_of_column_0 + 32 + 5, columns + 4 * (listed.len() - 1));
    let cleared = (code, bytes[code] & 0xF0);
    for (column, group) in [(200, 3), (70, 1), (0, 0)] {
        let refused = FlatError::Escape { row: 0, group };
        assert_eq!(damaged(&[cleared, (entry, column)]), refused);
    }
    // Column 70 of row 0 is at position 6 of the second group.
    assert_eq!(damaged(&[(64 + 64 + 6, 1)]), FlatError::Padding { row: 0 });
    assert_eq!(damaged(&[(code_of_column_0 + 32 + 6, 1)]), FlatError::Padding { row: 0 });
    assert_eq!(damaged(&[(code_of_column_0 + 32 + 6, ESCAPE)]), FlatError::Padding { row: 0 });
    for error in [damaged(&[(0, 0)]), damaged(&huge), damaged(&[(columns, 1)])] {
        assert!(error.to_string().len() > 20);
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    for (rows, columns) in [(0, 1), (1, 0), (1 << 32, 1), (1, 1 << 32), (u64::MAX, u64::MAX)] {
        assert_eq!(Shape::new(rows, columns), Err(Error::MatrixSize { rows, columns }));
    }
    let most = shape(u32::MAX.into(), u32::MAX.into());
    let (rows, columns) = (u32::MAX, u32::MAX);
    assert_eq!(Sections::new(most, 0), Err(Error::FlatTooLarge { rows, columns, escapes: 0 }));
    let escapes = 1 << 32;
    assert_eq!(Sections::new(shape(1, 1), escapes), Err(Error::FlatTooLarge { rows: 1, columns: 1, escapes }));
    let exponents = Exponents::of_counts(&Histogram::of(&[]));
    let refused = flatten(&[bf16::ONE; 5], shape(2, 3), &exponents, &mut []);
    assert_eq!(refused, Err(Error::BufferSize { buffer: "weights", found: 5, expected: 6 }));
}

#[test]
fn the_flat_form_is_worth_it_unless_weights_escape_or_rows_are_padding() {
    let worth = |rows, columns, escapes| Sections::new(shape(rows, columns), escapes).unwrap().is_worth_it();
    assert!(worth(4096, 4096, 0) && worth(4096, 4096, 4096 * 300));
    // a tenth of the weights: 1.5 and 0.5 bytes for each
    assert!(!worth(4096, 4096, 4096 * 410));
    assert!(!worth(1000, 1, 0) && !worth(1000, 47, 0) && worth(1000, 64, 0));
}
