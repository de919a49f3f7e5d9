//! Products have the same bits on every backend, from every form, for any number of vectors and
//! rows. The flat form and its products are those of frozen vectors, which another implementation
//! wrote in exact arithmetic.

mod support;

use df11_core::product::Output;
use df11_core::{
    Backend, BackendError, Error, Exponents, Flat, Form, Histogram, Linear, Loaded, Plain, Rows, Shape, Unit, Work,
    bf16, expand, flatten, product,
};
use df11_custom_backend::Blocks;
use std::fs;
use support::library::{fault, to_bf16s, to_words};
use support::products::{cases, check_all, loaded_forms};
use support::{assert_same_words, on_all_processors, vectors, words};

/// The backends that multiply.
fn backends() -> Vec<Box<dyn Backend>> {
    vec![Box::new(Plain)]
}

#[test]
fn every_backend_gives_the_same_products_from_every_form() {
    on_all_processors(&backends(), |backend| check_all(&**backend));
}

/// The names of the vectors, without their endings.
fn names() -> Vec<String> {
    let files = fs::read_dir(vectors("flat/v1")).expect("a folder");
    let names = files.filter_map(|file| file.expect("an entry").file_name().into_string().ok());
    names.filter_map(|name| Some(name.strip_suffix(".flat")?.to_owned())).collect()
}

fn read(name: &str, ending: &str) -> Vec<u8> {
    fs::read(vectors("flat/v1").join(format!("{name}.{ending}"))).expect("a vector can be read")
}

#[test]
fn frozen_matrices_are_read_and_written_byte_for_byte() {
    assert_eq!(names().len(), 9);
    for name in names() {
        let (bytes, weights) = (read(&name, "flat"), words(&read(&name, "weights")));
        let flat = Flat::from_bytes(&bytes[..]).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut found = vec![bf16::ONE; weights.len()];
        expand(&flat, &mut found).unwrap();
        assert_same_words(&name, &weights, &to_words(&found));
        let exponents = match &*name {
            "from_df11" => *flat.exponents(),
            _ => Exponents::of_counts(&Histogram::of(&found)),
        };
        let mut written = vec![0; bytes.len()];
        flatten(&found, flat.shape(), &exponents, &mut written).unwrap();
        assert!(written == bytes, "{name}: other bytes are written");
    }
}

#[test]
fn a_frozen_matrix_has_the_exponents_of_the_shortest_codes_of_its_unit() {
    let directory = vectors("official/llama-single-file/df11");
    let coded = support::safetensors::read_directory(&directory).expect("a fixture opens");
    let unit = coded.unit("lm_head").expect("a unit");
    let unit = support::library::Coded::of(&unit);
    let exponents = Exponents::of_code(unit.view().validate().unwrap().code());
    assert_eq!(Flat::from_bytes(&read("from_df11", "flat")[..]).unwrap().exponents(), &exponents);
}

#[test]
fn frozen_products_are_found_bit_for_bit() {
    for name in names() {
        let (bytes, x) = (read(&name, "flat"), to_bf16s(&words(&read(&name, "x"))));
        let flat = Flat::from_bytes(&bytes[..]).unwrap();
        let columns = flat.shape().columns() as usize;
        let numbers = |ending: &str| read(&name, ending);
        let expected: Vec<u32> =
            numbers("y-f32").as_chunks().0.iter().map(|&number| u32::from_le_bytes(number)).collect();
        let expected_bf16 = words(&numbers("y-bf16"));
        let mut at = 0;
        for x in x.chunks_exact(columns) {
            for row in (0..flat.shape().rows()).filter_map(|row| flat.row(row)) {
                let sum = product::dot(row.weights(), x);
                assert_eq!(product::fixed_nan(sum).to_bits(), expected[at], "{name}, element {at}");
                assert_eq!(product::to_bf16(sum).to_bits(), expected_bf16[at], "{name}, element {at}");
                at += 1;
            }
        }
        assert_eq!((at, at), (expected.len(), expected_bf16.len()));
    }
}

#[test]
fn a_matrix_that_would_not_be_smaller_is_kept_in_bf16_and_counted() {
    let worth = vec![bf16::ONE; 40 * 100];
    let mostly_escapes: Vec<bf16> = (0..40 * 100u16).map(|at| bf16::from_bits(at.wrapping_mul(37))).collect();
    let weights = [&worth[..], &mostly_escapes, &worth[..100]].concat();
    let [shape, column] = [(40, 100), (100, 1)].map(|(rows, columns)| Shape::new(rows, columns).unwrap());
    for backend in backends() {
        let loaded = backend.load(Unit::encode(&weights, &[4000, 4000, 100]).unwrap()).unwrap();
        let flat = loaded.flatten(&[shape, shape, column], Work::Pool).unwrap();
        // 40 rows of 2 groups, a header, 41 row starts; the others in BF16
        let bytes = 64 + 40 * 2 * 96 + 192 + 2 * (4000 + 100);
        assert_eq!((flat.kept_bf16, flat.escapes, flat.bytes), (2, 0, bytes), "{}", backend.name());
        let mut found = vec![bf16::ONE; 100 + 4000 + 50];
        flat.loaded.decode_range(3900, &mut found, Work::Pool).unwrap();
        assert_same_words(backend.name(), &to_words(&weights[3900..8050]), &to_words(&found));
        drop(loaded);
        assert_eq!(flat.loaded.form(), Form::Flat);
    }
}

/// The refusal of a product of 3 rows from `first` on.
fn refused(loaded: &dyn Loaded, x: usize, first: u64, columns: u64, y: usize, scratch: usize) -> Error {
    let (x, mut y, mut scratch) = (vec![bf16::ONE; x], vec![0.0; y], vec![0.0; scratch]);
    let rows = Rows { first, shape: Shape::new(3, columns).unwrap() };
    let mut linears = [Linear { rows, bias: None, y: Output::F32(&mut y) }];
    let found = loaded.product(&x, &mut linears, &mut scratch, Work::Pool);
    fault(found).expect_err("it is refused")
}

#[test]
fn requests_that_do_not_fit_are_refused_by_name() {
    let case = cases().into_iter().find(|case| case.name == "three_that_share_x").expect("a case");
    for backend in backends() {
        for (what, loaded) in loaded_forms(&*backend, &case).unwrap() {
            let refused = |x, first, columns, y| refused(&*loaded, x, first, columns, y, 4000);
            let size = |buffer, found, expected| Error::BufferSize { buffer, found, expected };
            assert_eq!(refused(201, 0, 200, 3), size("x", 201, 400), "{what}");
            assert_eq!(refused(400, 0, 200, 3), size("y", 3, 6), "{what}");
            let past = Error::RangePastEnd { first: 19_000, count: 600, weights: 19_200 };
            assert_eq!(refused(200, 19_000, 200, 3), past, "{what}");
            let past = Error::RangePastEnd { first: u64::MAX, count: 600, weights: 19_200 };
            assert_eq!(refused(200, u64::MAX, 200, 3), past, "{what}");
            if loaded.form() == Form::Flat {
                for (first, columns) in [(1, 200), (63 * 200, 200), (0, 100)] {
                    let no_rows = Error::NotRowsOfMatrix { first, columns: columns as u32 };
                    assert_eq!(refused(columns, first, columns as u64, 3), no_rows, "{what}");
                }
            }
            let differ = |shapes: [(u64, u64); 2]| {
                let [mut one, mut other] = [[0.0; 1]; 2];
                let mut linears = shapes.into_iter().zip([&mut one, &mut other]).map(|((rows, columns), y)| {
                    let shape = Shape::new(rows, columns).unwrap();
                    Linear { rows: Rows { first: 0, shape }, bias: None, y: Output::F32(y) }
                });
                let mut linears: [_; 2] = [linears.next().unwrap(), linears.next().unwrap()];
                fault(loaded.product(&[bf16::ONE; 200], &mut linears, &mut vec![0.0; 4000], Work::Pool))
            };
            let expected = Err(Error::ColumnsDiffer { found: 100, expected: 200 });
            assert_eq!(differ([(1, 200), (1, 100)]), expected, "{what}");
            let wrong = fault(loaded.flatten(&case.shapes[..2], Work::Pool).map(|_| ()));
            assert_eq!(wrong, Err(size("matrices", 13_000, 19_200)), "{what}");
            assert_eq!(fault(loaded.product(&[], &mut [], &mut [], Work::Pool)), Ok(()), "{what}");
        }
        let odd = fault(backend.load_bf16(vec![0; 7].into()).map(|_| ()));
        assert_eq!(odd, Err(Error::BufferSize { buffer: "words", found: 7, expected: 8 }));
    }
}

#[test]
fn scratch_that_is_too_small_is_refused() {
    let case = cases().into_iter().find(|case| case.name == "three_that_share_x").expect("a case");
    for backend in backends() {
        for (what, loaded) in loaded_forms(&*backend, &case).unwrap() {
            let needed = loaded.scratch(200, 1, Work::Pool);
            if let Some(less) = needed.checked_sub(1) {
                let expected = Error::BufferSize { buffer: "scratch", found: less, expected: needed };
                assert_eq!(refused(&*loaded, 200, 0, 200, 3, less), expected, "{what}");
            }
        }
    }
}

#[test]
fn a_backend_that_only_decodes_says_that_it_cannot_multiply() {
    let backend = Blocks { threads: 1 };
    let loaded = backend.load(Unit::encode(&[bf16::ONE; 64], &[]).unwrap()).unwrap();
    let shape = Shape::new(1, 64).unwrap();
    let mut y = [0.0];
    let mut linears = [Linear { rows: Rows { first: 0, shape }, bias: None, y: Output::F32(&mut y) }];
    let found = [
        loaded.product(&[bf16::ONE; 64], &mut linears, &mut [], Work::Pool),
        loaded.flatten(&[shape], Work::Pool).map(|_| ()),
        backend.load_bf16(vec![0; 2].into()).map(|_| ()),
    ];
    for found in found {
        let error = found.expect_err("it cannot");
        assert!(matches!(error, BackendError::Unsupported { .. }) && error.to_string().contains("use another"));
    }
}
