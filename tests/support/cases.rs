//! The named units that every encoder and decoder must bring back bit for bit, and their
//! generators.
//!
//! [`short`] fits slow emulators (about 1.5 million weights in all); [`full`] adds the large ones.
//! Borders are given in terms of the stream: 2^b equally frequent exponents get codes of exactly b
//! bits.

use super::random::{Random, to_bf16};

/// One unit: `weights` are BF16 words.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub weights: Vec<u16>,
    /// Whether the optimal code of this unit needs more than the 17 tables that the layout has.
    pub beyond_tables: bool,
}

/// Exponents from here on share their values with table pointers.
const HIGH: u8 = 240;
/// A chunk, the chunks of 32 and of 64 threads, and a block, in bits.
const BORDERS: [(&str, usize); 4] =
    [("chunk", 64), ("32_chunks", 64 * 32), ("64_chunks", 64 * 64), ("block", 64 * 512)];

/// Small units, one for each thing that can go wrong.
pub fn short() -> Vec<Case> {
    let mut list = List(Vec::new());
    few_exponents(&mut list);
    patterns(&mut list);
    special_values(&mut list);
    distributions(&mut list);
    ladders(&mut list);
    many_tables(&mut list);
    borders(&mut list);
    last_codes(&mut list);
    list.0
}

/// [`short`], and the units that need many weights: about 30 million in all.
pub fn full() -> Vec<Case> {
    let mut list = List(short());
    for longest in [24, 25, 27, 29, 31, 32] {
        list.add(format!("ladder_of_{longest}_bits"), fibonacci_ladder(longest));
    }
    list.add("every_word_in_1M_gaussian", hidden(every_word(), gauss(1 << 20, 60), 61));
    list.add("gaussian_2M", gauss(2 << 20, 62));
    list.add("real_like_2M", real_like(2 << 20, 63));
    list.add("zero_heavy_2M", zero_heavy(2 << 20, 5, 64));
    list.0
}

struct List(Vec<Case>);

impl List {
    fn add(&mut self, name: impl Into<String>, weights: Vec<u16>) {
        self.0.push(Case { name: name.into(), weights, beyond_tables: false });
    }

    fn add_beyond_tables(&mut self, name: &str, weights: Vec<u16>) {
        self.0.push(Case { name: name.into(), weights, beyond_tables: true });
    }
}

fn few_exponents(list: &mut List) {
    list.add("one_weight", vec![0xBC12]);
    list.add("one_infinity", vec![0x7F80]);
    list.add("one_exponent", of_counts(&[(121, 1000)], 1));
    list.add("one_exponent_zero", of_counts(&[(0, 1000)], 2));
    list.add("one_exponent_239", of_counts(&[(239, 1000)], 3));
    list.add("one_exponent_240", of_counts(&[(HIGH, 1000)], 4));
    list.add("one_exponent_255", of_counts(&[(255, 1000)], 5));
    // Codes of 1 bit fill a block with more weights than the published launcher takes. These are
    // the last size that fits, and the first that does not.
    list.add("one_exponent_23550", of_counts(&[(121, 23_550)], 6));
    list.add("one_exponent_23551", of_counts(&[(121, 23_551)], 7));
    list.add("one_exponent_70000", of_counts(&[(121, 70_000)], 8));
    list.add("two_weights", vec![0x3C12, 0xBD00]);
    list.add("two_exponents", of_counts(&[(120, 700), (121, 300)], 9));
    list.add("two_exponents_low_and_high", of_counts(&[(0, 500), (255, 500)], 10));
    list.add("two_exponents_high", of_counts(&[(HIGH, 500), (241, 500)], 11));
    list.add("three_exponents", of_counts(&[(1, 5), (2, 6), (3, 7)], 12));
    list.add("every_low_exponent_once", of_counts(&each(0..=239, 1), 13));
    list.add("every_high_exponent_once", of_counts(&each(HIGH..=255, 1), 14));
    list.add("every_high_exponent_often", of_counts(&each(HIGH..=255, 1000), 15));
    list.add("every_exponent_once", of_counts(&each(0..=255, 1), 16));
    list.add("every_exponent_often", of_counts(&each(0..=255, 100), 17));
}

fn patterns(list: &mut List) {
    list.add("every_word", every_word());
    list.add("every_word_in_300k_gaussian", hidden(every_word(), gauss(300_000, 20), 21));
    list.add("random_words", uniform_words(50_000, 22));
}

fn special_values(list: &mut List) {
    let nans: Vec<u16> = (0x7F81..=0x7FFF).flat_map(|payload: u16| [payload, payload | 0x8000]).collect();
    list.add("every_nan_payload", nans.clone());
    list.add("one_nan_in_gaussian", hidden(vec![0xFFA5], gauss(20_000, 30), 31));
    list.add("every_nan_payload_in_gaussian", hidden(nans, gauss(20_000, 32), 33));
    let mut storms = gauss(20_000, 34);
    let mut random = Random::new(35);
    for storm in storms.chunks_mut(700) {
        storm[..100].fill_with(|| 0x7F80 | random.next() as u16);
    }
    list.add("nan_storms", storms);
    list.add("infinities", [0x7F80, 0xFF80].repeat(500));
    list.add("infinities_in_gaussian", hidden([0x7F80, 0xFF80].repeat(5), gauss(10_000, 36), 37));
    list.add("subnormals", (1..=0x7F).flat_map(|m: u16| [m, m | 0x8000]).collect());
    list.add("minus_zero", vec![0x8000; 1000]);
    list.add("both_zeros", [0x0000, 0x8000, 0x8000].repeat(1000));
    list.add("zero_heavy", zero_heavy(100_000, 5, 38));
    list.add("zero_heavy_with_nans", hidden(vec![0x7FC0; 7], zero_heavy(50_000, 1, 39), 40));
}

fn distributions(list: &mut List) {
    for n in [2, 3, 10, 100, 1000, 10_000, 100_000] {
        list.add(format!("gaussian_{n}"), gauss(n, 50));
    }
    list.add("real_like", real_like(100_000, 51));
}

fn ladders(list: &mut List) {
    for longest in [2, 7, 8, 9, 15, 16, 17, 20] {
        list.add(format!("ladder_of_{longest}_bits"), fibonacci_ladder(longest));
    }
    // High exponents start on level 4: nine or more under one prefix of 24 bits reach 32.
    for steps in [2, 8, 9, 10, 13, 16] {
        let mut counts: Vec<(u8, u64)> =
            fibonacci(steps).zip(HIGH..=255).map(|(count, exponent)| (exponent, count)).collect();
        list.add(format!("high_ladder_of_{steps}"), of_counts(&counts, 70 + steps as u64));
        counts.extend([(120, 5000), (121, 3000), (122, 2000)]);
        list.add(format!("high_ladder_of_{steps}_among_low"), of_counts(&counts, 90 + steps as u64));
    }
}

fn many_tables(list: &mut List) {
    // `pairs` pairs of 9-bit codes, each pair with its own table under the first. All counts are
    // powers of two.
    let with_pairs = |pairs: u64| {
        let mut counts = vec![(0, 256)];
        counts
            .extend((1..=239).map(|e| (e, if u64::from(e) <= 128 - pairs { 2 } else { 1 })).take(128 + pairs as usize));
        of_counts(&counts, 110 + pairs)
    };
    list.add("exactly_17_tables", with_pairs(16));
    list.add_beyond_tables("one_table_too_many", with_pairs(17));
    list.add_beyond_tables("spike_and_flat", of_counts(&spike_and(each(0..=238, 1), 1000), 140));
    list.add_beyond_tables("spike_and_flat_with_high", of_counts(&spike_and(each(0..=255, 3), 50_000), 141));
    let mut ladder = spike_and(each(0..=239, 3), 3000);
    ladder.extend(fibonacci(16).zip(HIGH..=255).map(|(count, exponent)| (exponent, count)));
    list.add_beyond_tables("spike_and_flat_with_high_ladder", of_counts(&ladder, 144));
    let zipf = |exponents: u8, n: u64| {
        let rank = |e: u8| u64::from(e.wrapping_mul(77)) + 1;
        of_counts(&(0..=exponents).map(|e| (e, n / rank(e) + 1)).collect::<Vec<_>>(), 142 + n)
    };
    list.add_beyond_tables("zipf_low", zipf(239, 20_000));
    list.add_beyond_tables("zipf", zipf(255, 20_000));
}

fn borders(list: &mut List) {
    for bits in [1, 2, 4, 5, 7] {
        let exponents = 1_usize << bits;
        for (border, border_bits) in BORDERS {
            for times in [1, 2] {
                let at = times * border_bits / bits;
                for n in [at - 1, at, at + 1, at + 2] {
                    if n < exponents {
                        continue;
                    }
                    let words = (0..n).map(|i| (100 + i % exponents) as u16 * 128 + (i * 37 % 128) as u16);
                    list.add(format!("codes_of_{bits}_bits_at_{times}_{border}_{n}"), words.collect());
                }
            }
        }
    }
}

/// A dyadic ladder and one weight of 6 bits more have 4 x 32768 - 2 bits, two short of the fourth
/// block's end, in any order. One more weight comes last, with a code of `length` bits. The counts
/// stay so close to powers of two that no length changes. (One block would not do: the encoder
/// saves its second table.)
fn last_codes(list: &mut List) {
    let names = [(1, "ends_1_bit_before_the_block"), (2, "ends_with_the_block"), (3, "straddles_by_1_bit")];
    let more = [(9, "straddles_by_7_bits"), (10, "straddles_and_ends_on_a_byte"), (11, "straddles_by_9_bits")];
    for (length, name) in names.into_iter().chain(more) {
        let mut counts: Vec<(u8, u64)> = (1..=14).map(|i| (100 + i, 1 << (16 - i))).chain([(115, 4)]).collect();
        counts[5].1 += 1;
        let mut weights = of_counts(&counts, 150 + length);
        weights.push((100 + length as u16) << 7 | 0x55);
        list.add(format!("last_code_{name}"), weights);
    }
}

/// All 65,536 words.
pub fn every_word() -> Vec<u16> {
    (0..=u16::MAX).collect()
}

/// `n` weights of N(0, 0.02).
pub fn gauss(n: usize, seed: u64) -> Vec<u16> {
    let mut random = Random::new(seed);
    (0..n).map(|_| to_bf16(0.02 * random.normal())).collect()
}

/// `n` weights that look trained: rows of differing scale, one outlier in 1000, one exact zero in
/// 200.
pub fn real_like(n: usize, seed: u64) -> Vec<u16> {
    const SCALES: [f64; 6] = [0.008, 0.015, 0.02, 0.03, 0.045, 0.08];
    let mut random = Random::new(seed);
    let mut weights = Vec::with_capacity(n);
    while weights.len() < n {
        let scale = SCALES[random.below(6) as usize];
        for _ in 0..384.min(n - weights.len()) {
            let weight = scale * random.normal();
            weights.push(match random.below(1000) {
                0 => to_bf16(weight * 20.0),
                1..=5 => 0,
                _ => to_bf16(weight),
            });
        }
    }
    weights
}

/// `n` words, every pattern equally likely.
pub fn uniform_words(n: usize, seed: u64) -> Vec<u16> {
    let mut random = Random::new(seed);
    (0..n).map(|_| random.next() as u16).collect()
}

/// `n` weights, of which `percent` are N(0, 0.02) and the others zero: optimal codes of about one
/// bit.
pub fn zero_heavy(n: usize, percent: u64, seed: u64) -> Vec<u16> {
    let mut random = Random::new(seed);
    (0..n).map(|_| if random.below(100) < percent { to_bf16(0.02 * random.normal()) } else { 0 }).collect()
}

/// Weights with exactly these (exponent, count) pairs, in random order, with random signs and
/// mantissas.
pub fn of_counts(counts: &[(u8, u64)], seed: u64) -> Vec<u16> {
    let mut random = Random::new(seed);
    let mut weights = Vec::new();
    for &(exponent, count) in counts {
        weights.extend((0..count).map(|_| random.next() as u16 & 0x807F | u16::from(exponent) << 7));
    }
    random.shuffle(&mut weights);
    weights
}

/// The fewest weights whose optimal code reaches `longest` bits: F(longest + 3) - 1 weights, with
/// the shortest code for exponent 127.
pub fn fibonacci_ladder(longest: usize) -> Vec<u16> {
    let rarest = 127 - longest as u8;
    let counts: Vec<(u8, u64)> =
        fibonacci(longest + 1).zip(rarest..).map(|(count, exponent)| (exponent, count)).collect();
    of_counts(&counts, 200 + longest as u64)
}

/// Puts `needles` at random places among `hay`.
pub fn hidden(needles: Vec<u16>, mut hay: Vec<u16>, seed: u64) -> Vec<u16> {
    hay.extend(needles);
    Random::new(seed).shuffle(&mut hay);
    hay
}

/// The first `n` of 1, 1, 2, 3, 5 ...
fn fibonacci(n: usize) -> impl Iterator<Item = u64> {
    std::iter::successors(Some((1, 1)), |&(a, b)| Some((b, a + b))).map(|(a, _)| a).take(n)
}

fn each(exponents: std::ops::RangeInclusive<u8>, count: u64) -> Vec<(u8, u64)> {
    exponents.map(|exponent| (exponent, count)).collect()
}

fn spike_and(mut flat: Vec<(u8, u64)>, spike: u64) -> Vec<(u8, u64)> {
    flat[100].1 = spike;
    flat
}
