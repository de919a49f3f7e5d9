//! Randomness that is the same on every machine: integer steps, and floating point made only of
//! `+ - * /` and `sqrt`, which IEEE 754 rounds exactly. The logarithm is our own, because a
//! platform's `ln` may differ in the last bit.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`. The bias of the multiplication is below 2^-32 for the bounds used in
    /// tests.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in -1..1, on a grid of 2^-52.
    fn signed_unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// One sample of N(0, 1), by Marsaglia's polar method. The second sample is discarded, so that
    /// the state is one word.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (u, v) = (self.signed_unit(), self.signed_unit());
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * ln(s) / s).sqrt();
            }
        }
    }

    /// Puts the slice in random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        for i in (1..slice.len()).rev() {
            slice.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// Natural logarithm of a positive, normal number: ln(m * 2^e) = 2 atanh((m - 1) / (m + 1)) + e ln
/// 2.
fn ln(x: f64) -> f64 {
    let exponent = ((x.to_bits() >> 52) & 0x7FF) as i64 - 1023;
    let m = f64::from_bits((x.to_bits() & ((1 << 52) - 1)) | (1023 << 52));
    let t = (m - 1.0) / (m + 1.0);
    // t <= 1/3: the 24th odd power is below 2^-72, past the last bit of the sum.
    let (mut power, mut sum) = (t, 0.0);
    for k in 0..24 {
        sum += power / f64::from(2 * k + 1);
        power *= t * t;
    }
    2.0 * sum + exponent as f64 * std::f64::consts::LN_2
}

/// The BF16 word nearest to `x`, ties to even. `x` is finite.
pub fn to_bf16(x: f64) -> u16 {
    let bits = (x as f32).to_bits();
    ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) as u16
}
