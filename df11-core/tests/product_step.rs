//! One step of a product is the fused step, `f32::mul_add`, bit for bit. FLAT.md, "Why f64 gives
//! the fused step", has the proof; here it is tried on words near every border.

use df11_core::{bf16, product};

/// Random steps; each of the kinds below gets as many.
const STEPS: usize = 3_000_000;

fn value(word: u16) -> f32 {
    f32::from_bits(u32::from(word) << 16)
}

#[track_caller]
fn check(weight: u16, x: u16, sum: f32) {
    let found = product::step(bf16::from_bits(weight), bf16::from_bits(x), sum);
    let expected = value(weight).mul_add(value(x), sum);
    let is_same = if expected.is_nan() { found.is_nan() } else { found.to_bits() == expected.to_bits() };
    assert!(is_same, "{weight:#06x} * {x:#06x} + {:#010x}: {found:e}, expected {expected:e}", sum.to_bits());
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[test]
fn every_step_of_chosen_words_is_the_fused_step() {
    let ends = [0x0000u16, 0x0001, 0x0002, 0x007F, 0x0080, 0x0081, 0x00FF, 0x7F7F, 0x7F80, 0x7F81, 0x7FC0];
    let powers = (0..8).flat_map(|n| [n * 0x1080 + 0x0080, n * 0x1080 + 0x00FF, n * 0x1080 + 0x0081]);
    let ones = [0x3F80, 0x3F81, 0x3FFF, 0x5F80, 0x5FFF, 0x1F80, 0x2000, 0x3380, 0x3400];
    let words: Vec<u16> = ends.into_iter().chain(powers).chain(ones).flat_map(|word| [word, word | 0x8000]).collect();
    let mut sums: Vec<f32> = words.iter().map(|&word| value(word)).collect();
    sums.extend([1, 2, 3, 0x007F_FFFF, 0x0080_0000, 0x0080_0001, 0x7F7F_FFFF, 0x3F7F_FFFF].map(f32::from_bits));
    for &weight in &words {
        for &x in &words {
            for &sum in &sums {
                check(weight, x, sum);
                check(weight, x, -sum);
            }
            // The sums that lie at the product, and at the boundaries beside it.
            let near = (value(weight) * value(x)).to_bits();
            (-3..=3).for_each(|step| check(weight, x, -f32::from_bits(near.wrapping_add_signed(step))));
        }
    }
}

#[test]
fn random_steps_are_the_fused_step() {
    let mut random = Random(1);
    for _ in 0..STEPS {
        let bits = random.next();
        let (weight, x, sum) = (bits as u16, (bits >> 16) as u16, f32::from_bits((bits >> 32) as u32));
        check(weight, x, sum);
        // A sum of about the size of the product: many bits cancel, or one is far below the other.
        let exponent = ((weight >> 7 & 0xFF) + (x >> 7 & 0xFF)).wrapping_sub(127);
        let apart = (random.next() % 130) as u16;
        let sum_bits =
            u32::from(exponent.wrapping_add(apart).wrapping_sub(65) & 0xFF) << 23 | sum.to_bits() & 0x807F_FFFF;
        check(weight, x, f32::from_bits(sum_bits));
        // Few bits, so that sums often lie on boundaries.
        let few = u32::from(exponent.wrapping_add(apart % 60).wrapping_sub(30) & 0xFF) << 23;
        check(weight & 0xFFC1, x & 0xFFC1, f32::from_bits(few | sum.to_bits() & 0x8000_0003));
    }
}

#[test]
fn the_subnormal_range_is_rounded_once() {
    let mut random = Random(2);
    for _ in 0..STEPS {
        let bits = random.next();
        // Exponents that add up to about that of the least f32.
        let first = 1 + (bits >> 40) % 120;
        let second = (127u64 + 1 + bits % 40).saturating_sub(first + 20).min(254);
        let word = |exponent: u64, rest: u64| (exponent as u16) << 7 | rest as u16 & 0x807F;
        let (weight, x) = (word(first, bits), word(second, bits >> 16));
        check(weight, x, f32::from_bits((bits >> 32) as u32 & 0x80FF_FFFF));
        check(weight, x, f32::from_bits((bits >> 32) as u32 & 0x8000_0007));
    }
}

#[test]
fn y_in_bf16_is_rounded_to_the_nearest_even_and_keeps_subnormals() {
    let word = |bits: u32| product::to_bf16(f32::from_bits(bits)).to_bits();
    for (bits, expected) in [
        (0x3F80_8000, 0x3F80),
        (0x3F80_8001, 0x3F81),
        (0x3F81_8000, 0x3F82),
        (0x3F80_7FFF, 0x3F80),
        (0x0000_8000, 0x0000),
        (0x0000_8001, 0x0001),
        (0x8001_8000, 0x8002),
        (0x007F_8000, 0x0080),
        (0x7F7F_7FFF, 0x7F7F),
        (0x7F7F_8000, 0x7F80),
        (0xFF7F_FFFF, 0xFF80),
        (0xFF80_0000, 0xFF80),
        (0x7F80_0001, 0x7FC0),
        (0xFFFF_FFFF, 0x7FC0),
    ] {
        assert_eq!(word(bits), expected, "{bits:#010x}");
    }
    let mut random = Random(3);
    for _ in 0..STEPS {
        let sum = f32::from_bits(random.next() as u32);
        let expected = if sum.is_nan() { 0x7FC0 } else { bf16::from_f32(sum).to_bits() };
        assert_eq!(product::to_bf16(sum).to_bits(), expected, "{sum:e}");
    }
    assert_eq!(product::fixed_nan(f32::from_bits(0xFFC0_1234)).to_bits(), 0x7FC0_0000);
    assert_eq!(product::fixed_nan(f32::NEG_INFINITY), f32::NEG_INFINITY);
}

#[test]
fn partial_sums_are_64_and_their_tree_adds_halves() {
    // Columns 0 and 64 share a partial sum, 1 and 33 meet in the first step of the tree.
    let one = bf16::ONE;
    let tiny = bf16::from_f32((-25f32).exp2());
    let sum = |places: &[(usize, bf16)]| {
        let mut row = [bf16::ZERO; 130];
        places.iter().for_each(|&(column, weight)| row[column] = weight);
        product::dot(row, &[one; 130])
    };
    assert_eq!(sum(&[(0, one), (1, tiny), (64, -one)]), (-25f32).exp2());
    assert_eq!(sum(&[(0, one), (64, tiny), (128, -one)]), 0.0);
    assert_eq!(sum(&[(1, one), (33, -one), (2, tiny)]), (-25f32).exp2());
    assert_eq!(sum(&[(1, one), (17, -one), (33, tiny)]), 0.0);
    // A partial sum can be -0; the empty ones are +0.
    let least = bf16::from_bits(1);
    assert_eq!(product::dot([least], &[-least]).to_bits(), 0);
    assert_eq!(product::dot([least; 64], &[-least; 64]).to_bits(), (-0.0f32).to_bits());
    assert_eq!(product::dot([bf16::ONE; 3], &[]).to_bits(), 0);
}
