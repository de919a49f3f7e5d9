//! Weights meant to break a coder, made from a few choices: what [`super::cases`] names, in all
//! mixtures and sizes.

use super::draw::Draw;
use super::random::{Random, to_bf16};

/// The first word of the NaNs and infinities.
const SPECIAL: u16 = 0x7F80;

/// 1 to `most` BF16 words: one distribution, or several one after another.
pub fn weights(draw: &mut dyn Draw, most: usize) -> Vec<u16> {
    let parts = if draw.chance(70) { 1 } else { 2 + draw.below(3) as usize };
    let mut words = Vec::new();
    for _ in 0..parts {
        let length = 1 + draw.below((most / parts).max(1) as u64) as usize;
        part(draw, length, &mut words);
    }
    words.truncate(most.max(1));
    words
}

/// The same words with their exponents mapped onto `few` drawn ones. A plan tries hundreds of codes
/// if the best one needs too many tables. That is rare with few exponents.
pub fn fold(draw: &mut dyn Draw, words: &mut [u16], few: usize) {
    let exponents: Vec<u16> = (0..few).map(|_| draw.below(256) as u16).collect();
    for word in words {
        let exponent = exponents[usize::from(*word >> 7 & 0xFF) % few];
        *word = *word & 0x807F | exponent << 7;
    }
}

/// Where to cut `weights` weights into matrices: the ends of all but the last, in order, empty
/// matrices included.
pub fn cuts(draw: &mut dyn Draw, weights: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (0..draw.below(8)).map(|_| draw.below(weights as u64 + 1) as usize).collect();
    cuts.sort_unstable();
    cuts
}

fn part(draw: &mut dyn Draw, length: usize, words: &mut Vec<u16>) {
    let kind = draw.below(9);
    let mut random = Random::new(draw.below(1 << 16));
    match kind {
        // Every word is drawn, so that a fuzzer can choose each.
        0 => words.extend((0..length.min(4000)).map(|_| draw.below(1 << 16) as u16)),
        1 => words.extend((0..length).map(|_| random.next() as u16)),
        2 => {
            let exponent = draw.below(256) as u8;
            words.extend((0..length).map(|_| word(exponent, &mut random)));
        }
        3 => words.extend(ladder(draw, &mut random, length)),
        4 => words.extend(runs(draw, length)),
        5 => words.extend((0..length).map(|_| {
            let storm = random.below(3) == 0;
            if storm { SPECIAL | random.next() as u16 } else { to_bf16(0.02 * random.normal()) }
        })),
        6 => words.extend(zipf(draw, &mut random, length)),
        7 => {
            let scale = [1e-38, 0.02, 1.0, 1e30][draw.below(4) as usize];
            words.extend((0..length).map(|_| to_bf16(scale * random.normal())));
        }
        // All 65,536 patterns in order, from a random one on.
        _ => words.extend((0..length).scan(draw.below(1 << 16) as u16, |word, _| {
            *word = word.wrapping_add(1);
            Some(*word)
        })),
    }
}

fn word(exponent: u8, random: &mut Random) -> u16 {
    random.next() as u16 & 0x807F | u16::from(exponent) << 7
}

/// Each exponent is `ratio` / 8 times as rare as the one before, in shuffled order: codes as long
/// as the number of weights allows.
fn ladder(draw: &mut dyn Draw, random: &mut Random, length: usize) -> Vec<u16> {
    let (first, step, ratio) = (draw.below(256) as u8, 1 + 2 * draw.below(8) as u8, 10 + draw.below(14) as usize);
    let (mut words, mut exponent, mut left) = (Vec::new(), first, length);
    while left > 0 && words.len() < length {
        let count = (left - left * 8 / ratio).max(1);
        words.extend((0..count).map(|_| word(exponent, random)));
        exponent = exponent.wrapping_add(step);
        left -= count;
    }
    random.shuffle(&mut words);
    words
}

/// One word many times, then another.
fn runs(draw: &mut dyn Draw, length: usize) -> Vec<u16> {
    let (mut words, longest) = (Vec::new(), 1 << draw.below(12));
    while words.len() < length {
        let (word, run) = (draw.below(1 << 16) as u16, 1 + draw.below(longest) as usize);
        words.resize((words.len() + run).min(length), word);
    }
    words
}

/// A spike and a long tail over up to 256 exponents: optimal codes need too many tables.
fn zipf(draw: &mut dyn Draw, random: &mut Random, length: usize) -> Vec<u16> {
    let (exponents, turn, spike) = (1 + draw.below(256), draw.below(256) as u8, draw.below(100));
    (0..length)
        .map(|_| {
            let rank = if random.below(100) < spike { 0 } else { exponents / (1 + random.below(exponents)) };
            word(rank.wrapping_mul(77) as u8 ^ turn, random)
        })
        .collect()
}
