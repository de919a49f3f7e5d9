//! The kernels of the flat form and of products give what the plain functions of core give, bit for
//! bit: with warps of 32 and of 64 lanes, through both headers, from any address. Whatever the
//! bytes of a flat matrix are, nothing outside of it is touched.
#![cfg_attr(df11_no_machine, allow(unused))]

#[path = "../../../tests/support/random.rs"]
#[allow(dead_code)]
mod random;
mod skip;

use skip::skipped;

#[cfg(not(df11_no_machine))]
mod on_the_machine {
    use df11_core::product::{dot, fixed_nan, to_bf16};
    use df11_core::{Exponents, Flat, Histogram, Shape, bf16};
    use df11_gpu_shim::{OnDevice, Order, Vendor, flatten};

    use super::random::Random;
    use super::*;

    const FORMS: [(Vendor, u32); 4] = [(Vendor::Host, 32), (Vendor::Host, 64), (Vendor::Hip, 32), (Vendor::Hip, 64)];

    fn order((vendor, warp): (Vendor, u32), seed: u64) -> Order {
        Order { vendor, warp, seed, count: false }
    }

    /// Words of a kind: like a model's; any; few exponents and some that escape; mostly zeros.
    fn words(random: &mut Random, kind: usize, count: usize) -> Vec<bf16> {
        let word = |random: &mut Random| {
            let bits = random.next();
            let (any, chance) = (bits as u16, bits >> 16 & 0xFFFF);
            match kind {
                0 => random::to_bf16(0.02 * random.normal()),
                1 => any,
                2 if chance % 50 == 0 => any & 0x80FF,
                2 => any & 0x807F | (110 + (chance % 15) as u16) << 7,
                _ if chance % 10 == 0 => any & 0xBFFF,
                _ => any & 0x8000,
            }
        };
        (0..count).map(|_| bf16::from_bits(word(random))).collect()
    }

    /// Sums of all vectors and rows, as core has them.
    fn sums(weights: &[bf16], x: &[bf16], columns: usize) -> Vec<f32> {
        let of_vector = |x| weights.chunks(columns).map(move |row| dot(row.iter().copied(), x));
        x.chunks(columns).flat_map(of_vector).collect()
    }

    #[test]
    fn matrices_are_made_flat_expanded_and_multiplied_as_core_does() {
        if skipped() {
            return;
        }
        let mut random = Random::new(0xF1A7);
        let shapes = [(1, 1), (2, 64), (5, 65), (33, 127), (3, 1090), (70, 512), (20, 2100)];
        for (number, (rows, columns)) in shapes.into_iter().enumerate() {
            for kind in 0..4 {
                let shape = Shape::new(rows as u64, columns as u64).expect("a shape");
                let weights = words(&mut random, kind, rows * columns);
                let exponents = Exponents::of_counts(&Histogram::of(&weights));
                let flat = Flat::of_weights(&weights, shape, &exponents).expect("a flat matrix");
                for (turn, form) in FORMS.into_iter().enumerate() {
                    let what = format!("{rows} x {columns}, kind {kind}, {form:?}");
                    let order = order(form, (10 * number + turn) as u64);
                    let made = flatten(&weights, shape, &exponents, 2, order).expect(&what);
                    assert!(made == flat.bytes(), "{what}: other bytes");
                    let (on_device, align) = (OnDevice::flat(&made, flat.sections()), [2, 8][turn % 2]);
                    let found = on_device.expand(0, weights.len(), order).expect(&what);
                    let same = found.iter().zip(&weights).all(|(one, other)| one.to_bits() == other.to_bits());
                    assert!(same, "{what}: other weights");
                    let plain = OnDevice::bf16(&weights, shape, align);
                    {
                        let vectors = [1, 3, 9][(number + kind + turn) % 3];
                        let x = words(&mut random, [0, 0, 2, 3][(kind + vectors) % 4], vectors * columns);
                        let bias = (vectors == 3).then(|| vec![-0.0; rows]);
                        let is_bf16 = vectors == 9;
                        let expected: Vec<u32> = sums(&weights, &x, columns)
                            .into_iter()
                            .map(|sum| if bias.is_some() { sum + -0.0 } else { sum })
                            .map(|sum| if is_bf16 { to_bf16(sum).to_bits().into() } else { fixed_nan(sum).to_bits() })
                            .collect();
                        for (form, weights) in [("flat", &on_device), ("bf16", &plain)] {
                            let (y, _) = weights.product(&x, bias.as_deref(), is_bf16, align, 2, order).expect(&what);
                            assert!(y == expected, "{what}: other products of {vectors} vectors from {form}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn ranges_of_a_flat_matrix_are_expanded() {
        if skipped() {
            return;
        }
        let mut random = Random::new(0xF1A8);
        let (shape, weights) = (Shape::new(9, 100).expect("a shape"), words(&mut random, 2, 900));
        let exponents = Exponents::of_counts(&Histogram::of(&weights));
        let flat = Flat::of_weights(&weights, shape, &exponents).expect("a flat matrix");
        let on_device = OnDevice::flat(flat.bytes(), flat.sections());
        for (first, count) in [(0, 1), (99, 2), (899, 1), (250, 333), (0, 900)] {
            let found = on_device.expand(first, count, order(FORMS[0], first)).expect("a range");
            assert_eq!(found, weights[first as usize..][..count], "{first} and {count} more");
        }
    }

    /// Sections of random bytes, and true ones of which a few bytes lie. Guard pages end the
    /// process at any access outside; the machine ends what has no end.
    #[test]
    fn flat_matrices_that_lie_touch_nothing_else() {
        if skipped() {
            return;
        }
        let mut random = Random::new(0xF1A9);
        for number in 0..60 {
            let (rows, columns) = (1 + random.below(40), 1 + random.below(700));
            let shape = Shape::new(rows, columns).expect("a shape");
            let weights = words(&mut random, 2, (rows * columns) as usize);
            let exponents = Exponents::of_counts(&Histogram::of(&weights));
            let flat = Flat::of_weights(&weights, shape, &exponents).expect("a flat matrix");
            let (mut bytes, sections) = (flat.bytes().to_vec(), *flat.sections());
            if number % 2 == 0 {
                bytes[24..].iter_mut().for_each(|byte| *byte = random.next() as u8);
            }
            for section in [sections.row_starts(), sections.escape_columns(), sections.codes()] {
                for _ in 0..random.below(4) {
                    if !section.is_empty() {
                        let at = section.start + random.below(section.len() as u64) as usize;
                        bytes[at] = random.next() as u8;
                    }
                }
            }
            let on_device = OnDevice::flat(&bytes, &sections);
            let x = words(&mut random, 0, 2 * columns as usize);
            for form in FORMS {
                let order = order(form, number);
                on_device.product(&x, None, false, 2, 2, order).expect("a product of some weights");
                on_device.expand(0, weights.len(), order).expect("some weights");
            }
        }
    }
}
