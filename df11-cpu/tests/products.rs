//! Products and the flat form are, bit for bit, what the plain functions of core say: on every
//! level, from every form, for any number of vectors and threads.

use df11_core::product::{Bias, Output};
use df11_core::{Backend, Form, Linear, Loaded, Plain, Rows, Shape, Work, bf16};
use df11_cpu::{Encoder, Level};

/// A generator of words: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}

/// Kinds of values: of a model, any words, extremes, mostly zeros, few exponents.
fn words(random: &mut Random, kind: u64, count: usize) -> Vec<bf16> {
    let extremes = [0, 0x8000, 0x7F80, 0xFF80, 0x7FC0, 0xFFC1, 0x7F7F, 0xFF7F, 1, 0x8001, 0x007F, 0x0080, 0x3F80];
    (0..count)
        .map(|_| {
            let word = random.next() as u16;
            bf16::from_bits(match kind {
                0 => word & 0x807F | (0x3C - (random.next() as u32 | 1 << 12).trailing_zeros() as u16) << 7,
                1 => word,
                2 => extremes[random.below(extremes.len() as u64) as usize],
                3 if random.below(10) > 0 => 0,
                3 => word & 0x807F | 0x3C00,
                4 => word & 0x81FF | 0x3C00,
                _ => word & 0x80FF | if random.below(40) == 0 { word & 0x7F00 } else { 0x3C00 },
            })
        })
        .collect()
}

fn bits(y: &[f32]) -> Vec<u32> {
    y.iter().map(|y| y.to_bits()).collect()
}

fn multiply(
    loaded: &dyn Loaded,
    shapes: &[Shape],
    x: &[bf16],
    vectors: usize,
    bias: &[f32],
    work: Work,
) -> Vec<Vec<u32>> {
    let mut scratch = vec![f32::NAN; loaded.scratch(shapes[0].columns(), vectors, work)];
    let mut y: Vec<_> = shapes.iter().map(|shape| vec![f32::NAN; vectors * shape.rows() as usize]).collect();
    let mut first = 0;
    let mut linears: Vec<_> = shapes
        .iter()
        .zip(&mut y)
        .map(|(&shape, y)| {
            let rows = Rows { first, shape };
            first = rows.end();
            Linear { rows, bias: Some(Bias::F32(&bias[..shape.rows() as usize])), y: Output::F32(y) }
        })
        .collect();
    loaded.product(x, &mut linears, &mut scratch, work).unwrap();
    y.iter().map(|y| bits(y)).collect()
}

#[test]
fn every_level_form_batch_and_thread_gives_the_plain_product() {
    let mut random = Random(1);
    for case in 0..60 {
        let columns = [1, 63, 64, 65, 128, 200, 512, 777][random.below(8) as usize];
        let rows = [1, 2, 3, 5, 6, 7, 13, 64, 300][random.below(9) as usize];
        let shapes = [Shape::new(rows, columns).unwrap(), Shape::new(rows / 2 + 1, columns).unwrap()];
        let weights = words(&mut random, case % 6, ((rows + rows / 2 + 1) * columns) as usize);
        let vectors = [1, 2, 3, 4, 5, 8, 11][random.below(7) as usize];
        let kind = random.below(6);
        let x = words(&mut random, kind, vectors * columns as usize);
        let bias: Vec<_> = words(&mut random, 0, rows as usize).iter().map(|bias| bias.to_f32()).collect();
        let unit = Encoder::new(Level::portable(), Work::ThisThread)
            .unit(&weights, &[shapes[0].weights(), shapes[1].weights()])
            .unwrap();
        let plain = Plain.load(unit.borrowed()).unwrap();
        let expected = multiply(&*plain, &shapes, &x, vectors, &bias, Work::Pool);
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let plain_flat = plain.flatten(&shapes, Work::Pool).unwrap();
        for level in Level::available() {
            let df11 = level.load(unit.borrowed()).unwrap();
            let words = level.load_bf16((&bytes[..]).into()).unwrap();
            let flat = df11.flatten(&shapes, Work::Pool).unwrap();
            assert_eq!(
                (flat.bytes, flat.escapes, flat.kept_bf16),
                (plain_flat.bytes, plain_flat.escapes, plain_flat.kept_bf16)
            );
            let other = words.flatten(&shapes, Work::ThisThread).unwrap();
            let all: [(&dyn Loaded, Form); 4] = [
                (&*df11, Form::Df11),
                (&*words, Form::Bf16),
                (&*flat.loaded, Form::Flat),
                (&*other.loaded, Form::Flat),
            ];
            for (loaded, form) in all {
                assert_eq!((loaded.form(), loaded.weights()), (form, weights.len() as u64));
                let mut back = vec![bf16::ZERO; weights.len()];
                loaded.decode(&mut back, Work::Pool).unwrap();
                assert!(same(&back, &weights));
                ranges_and_rows(loaded, &shapes, &weights, &mut random);
                for work in [Work::ThisThread, Work::Pool] {
                    let found = multiply(loaded, &shapes, &x, vectors, &bias, work);
                    assert_eq!(found, expected, "{level} {form} {work:?}, case {case}: {shapes:?}, {vectors} vectors");
                }
            }
        }
    }
}

fn same(found: &[bf16], expected: &[bf16]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(one, other)| one.to_bits() == other.to_bits())
}

/// Any ranges, and rows of each matrix in any order, are those of the weights.
fn ranges_and_rows(loaded: &dyn Loaded, shapes: &[Shape], weights: &[bf16], random: &mut Random) {
    let what = loaded.form();
    for work in [Work::ThisThread, Work::Pool] {
        for _ in 0..8 {
            let first = random.below(weights.len() as u64 + 1) as usize;
            let count = random.below((weights.len() - first) as u64 + 1) as usize;
            let mut found = vec![bf16::NAN; count];
            loaded.decode_range(first as u64, &mut found, work).unwrap();
            assert!(same(&found, &weights[first..first + count]), "{what}: {count} weights from {first} on");
        }
        for matrix in Rows::of_matrices(shapes, weights.len() as u64).unwrap() {
            let columns = matrix.shape.columns() as usize;
            let rows: Vec<u64> = (0..5).map(|_| random.below(matrix.shape.rows().into())).collect();
            let mut found = vec![bf16::NAN; rows.len() * columns];
            loaded.decode_rows(matrix.first..matrix.end(), columns, &rows, &mut found, work).unwrap();
            for (row, found) in rows.iter().zip(found.chunks_exact(columns)) {
                let first = matrix.first as usize + *row as usize * columns;
                assert!(same(found, &weights[first..first + columns]), "{what}: row {row} of {:?}", matrix.shape);
            }
        }
    }
}

/// Enough weights that threads share them, of rows that are no multiple of anything.
#[test]
fn many_weights_are_flattened_and_expanded_by_all_threads() {
    let (mut random, shape) = (Random(3), Shape::new(1201, 1009).unwrap());
    let weights = words(&mut random, 5, shape.weights() as usize);
    let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    for level in Level::available() {
        let flat = level.load_bf16((&bytes[..]).into()).unwrap().flatten(&[shape], Work::Pool).unwrap().loaded;
        let mut found = vec![bf16::NAN; weights.len()];
        flat.decode(&mut found, Work::Pool).unwrap();
        assert!(flat.form() == Form::Flat && same(&found, &weights), "{level}");
        ranges_and_rows(&*flat, &[shape], &weights, &mut random);
    }
}

#[test]
fn scratch_beyond_all_numbers_is_one_that_nobody_has() {
    let unit = Encoder::new(Level::portable(), Work::ThisThread).unit(&[bf16::ONE; 64], &[]).unwrap();
    for level in Level::available() {
        let df11 = level.load(unit.borrowed()).unwrap();
        let words = level.load_bf16((&[0; 128][..]).into()).unwrap();
        let flat = words.flatten(&[Shape::new(1, 64).unwrap()], Work::ThisThread).unwrap().loaded;
        for loaded in [df11, words, flat] {
            for work in [Work::ThisThread, Work::Pool] {
                assert_eq!(loaded.scratch(u32::MAX, usize::MAX, work), usize::MAX, "{level} {}", loaded.form());
                assert_eq!(loaded.scratch(1, usize::MAX, work), usize::MAX, "{level} {}", loaded.form());
            }
        }
    }
}

#[test]
fn products_at_once_and_from_within_pools_of_any_size_are_the_same() {
    let mut random = Random(7);
    // Fewer rows than threads, and enough columns that all threads take part.
    let shapes = [Shape::new(2, 70_001).unwrap(), Shape::new(3, 70_001).unwrap()];
    let weights = words(&mut random, 5, 5 * 70_001);
    let x = words(&mut random, 0, 4 * 70_001);
    let matrices = shapes.map(|shape| shape.weights());
    let unit = Encoder::new(Level::best(), Work::Pool).unit(&weights, &matrices).unwrap();
    let loaded = Level::best().load(unit).unwrap();
    let flat = loaded.flatten(&shapes, Work::Pool).unwrap().loaded;
    for loaded in [loaded, flat] {
        let expected = multiply(&*loaded, &shapes, &x, 4, &[0.5; 3], Work::ThisThread);
        for threads in [1, 2, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let product = || multiply(&*loaded, &shapes, &x, 4, &[0.5; 3], Work::Pool);
            let found = pool.install(|| rayon::join(product, product));
            assert!(found.0 == expected && found.1 == expected, "{} of {threads} threads", loaded.form());
        }
    }
}
