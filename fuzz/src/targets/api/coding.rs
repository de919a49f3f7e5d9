//! From weights to parts: codes, plans and encoders that belong together, and others.

use super::super::any_words;
use super::super::codes::check_lookup;
use super::{MOST_BYTES, any_level, any_number, any_size};
use crate::support::draw::{Bytes, Draw};
use crate::support::library::{to_bf16s, to_words};
use df11_core::limits::{MAX_STREAM_BYTES, MAX_WEIGHTS};
use df11_core::{
    Code, Error, Histogram, Lookup, PartSizes, Plan, Work, bf16, bf16_word, decode, encode, entropy, fullest_block,
    write_luts,
};
use df11_cpu::{Encoder, Parts};

/// Most weights that are counted and encoded.
const MOST_WEIGHTS: usize = 300;

fn any_weights(draw: &mut Bytes) -> Vec<bf16> {
    to_bf16s(&any_words(draw, MOST_WEIGHTS))
}

/// Lengths of any size and sum.
pub fn codes(draw: &mut Bytes) {
    let bound = [4, 10, 33, 256][draw.below(4) as usize];
    let mut lengths = [if draw.chance(10) { draw.below(bound) as u8 } else { 0 }; 256];
    for _ in 0..draw.below(40) {
        lengths[draw.below(256) as usize] = draw.below(bound) as u8;
    }
    let room: u64 = lengths.iter().filter(|length| (1..=32).contains(*length)).map(|&length| 1 << (32 - length)).sum();
    match Code::canonical(&lengths) {
        Ok(code) => {
            assert!(lengths.iter().all(|&length| length <= 32) && (1..=1 << 32).contains(&room));
            assert!(*code.lengths() == lengths && code.shortest() >= 1 && code.longest() <= 32);
            let lookup = Lookup::new(&code);
            for exponent in code.exponents() {
                let length = u32::from(lengths[usize::from(exponent)]);
                assert_eq!(u64::from(code.bits(exponent)) >> length, 0);
                assert_eq!(code.aligned(exponent) >> (32 - length), code.bits(exponent));
                assert_eq!(lookup.find(code.aligned(exponent)), Some((exponent, length)));
            }
            check_lookup(&code, draw);
            let weights = any_weights(draw);
            let coded = weights.iter().filter(|&&weight| lengths[usize::from(bf16_word::exponent(weight))] > 0);
            assert_eq!(fullest_block(&code, &weights), coded.count() as u64, "all are in the first block");
        }
        Err(Error::CodeTooLong { exponent, length }) => assert_eq!(lengths[usize::from(exponent)], length),
        Err(Error::CodesOverlap { .. }) => assert!(room > 1 << 32),
        Err(Error::NoCodes) => assert_eq!(lengths, [0; 256]),
        Err(other) => panic!("{other}"),
    }
}

/// Counts of any size, and the plans of them.
pub fn plans(draw: &mut Bytes) {
    let mut counts = [0; 256];
    let most = [1 << 6, 1 << 14, 1 << 31, u64::MAX][draw.below(4) as usize];
    let mut last = draw.below(256) as u8;
    for _ in 0..draw.below(12) {
        last = draw.below(256) as u8;
        counts[usize::from(last)] = any_number(draw) % most;
    }
    let mut histogram = Histogram::from_counts(counts);
    assert!(entropy(&counts) == histogram.entropy() && (0.0..=8.0 + 1e-9).contains(&histogram.entropy()));
    if draw.chance(30) {
        histogram.add(&Histogram::of(&any_weights(draw)));
    }
    let counts = *histogram.counts();
    assert_eq!(histogram.exponents_in_use(), counts.iter().filter(|&&count| count > 0).count());
    let total = counts.iter().map(|&count| u128::from(count)).sum::<u128>();
    assert_eq!(u128::from(histogram.total()), total.min(u128::from(u64::MAX)));
    let last = if draw.chance(10) { draw.below(256) as u8 } else { last };
    let is_counted = counts[usize::from(last)] > 0;
    let published = draw.chance(50);
    let planned = match published {
        true => Plan::published_from_histogram(&histogram, bf16_word::merge(last, 0)),
        false => Plan::from_histogram(&histogram, |_| draw.chance(50)),
    };
    match planned {
        Ok(plan) => {
            assert!((1..=u128::from(MAX_WEIGHTS)).contains(&total) && (is_counted || !published));
            check_plan(&plan, &counts, draw);
        }
        Err(Error::NoWeights) => assert_eq!(total, 0),
        Err(Error::TooManyWeights { found }) => {
            assert!(found > MAX_WEIGHTS && found == histogram.total());
        }
        Err(Error::StreamTooLong { found }) => assert!(found > MAX_STREAM_BYTES && total <= u128::from(MAX_WEIGHTS)),
        Err(Error::WeightsNotPlanned) => assert!(published && !is_counted),
        Err(error) => {
            let faults_of_its_code = matches!(
                error,
                Error::EndTakesFirstEntry | Error::TooManyTables { .. } | Error::HighExponentCodeTooShort { .. }
            );
            assert!(published && faults_of_its_code, "{error}");
        }
    }
    check_sizes(draw);
}

/// A plan of weights that nobody has seen.
fn check_plan(plan: &Plan, counts: &[u64; 256], draw: &mut Bytes) {
    let sizes = plan.sizes();
    let bits: u64 = counts.iter().zip(plan.code().lengths()).map(|(&count, &length)| count * u64::from(length)).sum();
    assert_eq!(sizes.encoded_exponent as u64, bits.div_ceil(8));
    assert!(sizes.sign_mantissa as u64 == plan.weights() && plan.weights() == counts.iter().sum::<u64>());
    assert!(plan.ending().is_none_or(|ending| u64::from(ending.count) + bits == bits.next_multiple_of(8)));
    assert!(!plan.breaks_tie() || plan.code().longest() > 8);
    let mut luts = vec![0; sizes.luts];
    assert_eq!(write_luts(plan, &mut luts), Ok(()));
    luts.resize(draw.below(20 * 256) as usize, 0);
    let refused = Error::BufferSize { buffer: "luts", found: luts.len(), expected: sizes.luts };
    assert_eq!(write_luts(plan, &mut luts), if luts.len() == sizes.luts { Ok(()) } else { Err(refused) });
    if plan.sizes().total() <= MOST_BYTES {
        let mut parts = Parts::of(&plan.sizes()).expect("there is memory");
        assert_eq!(parts.as_mut().check(&sizes), Ok(()));
        let weights = any_weights(draw);
        // Other weights, which by chance may fit the plan.
        if encode(&weights, plan, parts.as_mut()).is_ok() {
            check_decodes(&parts, &weights);
        }
    }
}

/// Sizes that no plan has.
fn check_sizes(draw: &mut Bytes) {
    let sizes = PartSizes {
        encoded_exponent: any_size(draw),
        sign_mantissa: any_size(draw),
        luts: any_size(draw),
        gaps: any_size(draw),
        output_positions: any_size(draw),
    };
    let all = [sizes.encoded_exponent, sizes.sign_mantissa, sizes.luts, sizes.gaps, sizes.output_positions];
    let total = all.iter().map(|&size| size as u128).sum::<u128>();
    assert_eq!(u128::from(sizes.total()), total.min(u128::from(u64::MAX)));
    assert_eq!(Parts::default().as_mut().check(&sizes).is_ok(), total == 0);
    assert!(sizes.check_relations().is_err() || total > 0);
}

/// Weights encoded by another plan: all encoders refuse them, or all write the same bytes, which
/// decode to the weights.
pub fn encoders(draw: &mut Bytes) {
    let planned = any_weights(draw);
    let (level, published) = (any_level(draw), draw.chance(50));
    let encoder = Encoder::new(level, Work::Pool);
    assert_eq!(encoder.level(), level);
    let plans = match published {
        true => (Plan::published(&planned), encoder.plan_published(&planned)),
        false => (Plan::new(&planned), encoder.plan(&planned)),
    };
    let (plan, by_level) = match plans {
        (Ok(plan), Ok(by_level)) => (plan, by_level),
        (by_core, by_level) => return assert_eq!(by_core.err(), by_level.err()),
    };
    assert!(plan.sizes() == by_level.sizes() && plan.code() == by_level.code());
    assert_eq!(plan.ending(), by_level.as_core().ending());
    assert_eq!(plan.sizes().check_relations(), Ok(()));
    let any = PartSizes::of(any_number(draw), any_size(draw), any_size(draw));
    assert!(any.total() >= any.encoded_exponent as u64);
    let weights = others(&planned, plan.code(), draw);
    let mut parts = Parts::default();
    parts.fit(&plan.sizes()).expect("there is memory");
    let by_core = encode(&weights, &plan, parts.as_mut());
    match (&by_core, encoder.encode_to_parts(&weights, &by_level)) {
        (Ok(()), found) => {
            assert!(found.as_ref() == Ok(&parts), "{level}");
            check_decodes(&parts, &weights);
        }
        (Err(expected), found) => assert_eq!(found.as_ref().err(), Some(expected), "{level}"),
    }
    let expected = match weights.len() == planned.len() {
        true => matches!(by_core, Ok(()) | Err(Error::WeightsNotPlanned)),
        false => matches!(by_core, Err(Error::BufferSize { buffer: "weights", .. })),
    };
    assert!(expected && (by_core.is_ok() || to_words(&weights) != to_words(&planned)), "{by_core:?}");
    let wrong = match draw.below(5) {
        0 => &mut parts.encoded_exponent,
        1 => &mut parts.sign_mantissa,
        2 => &mut parts.luts,
        3 => &mut parts.gaps,
        _ => &mut parts.output_positions,
    };
    wrong.resize(any_number(draw).min(5000) as usize, 0);
    let refused = parts.as_mut().check(&plan.sizes());
    assert_eq!(encode(&planned, &plan, parts.as_mut()), refused);
    assert_eq!(encoder.encode(&planned, &by_level, parts.as_mut()), refused);
}

/// The same weights, changed in part, in another order, or quite different.
fn others(weights: &[bf16], code: &Code, draw: &mut Bytes) -> Vec<bf16> {
    let mut others = weights.to_vec();
    match draw.below(5) {
        0 => {}
        1 if !others.is_empty() => {
            let (one, other) = (draw.below(others.len() as u64) as usize, draw.below(others.len() as u64) as usize);
            others[one..].reverse();
            others.swap(one, other);
        }
        2 => {
            for _ in 0..1 + draw.below(3) {
                let at = draw.below(others.len().max(1) as u64) as usize;
                let word = bf16::from_bits(draw.below(1 << 16) as u16);
                others.get_mut(at).into_iter().for_each(|weight| *weight = word);
            }
        }
        3 => others = any_weights(draw),
        _ => strays(&mut others, code, draw),
    }
    others
}

/// Puts a weight with any exponent in place of one, and longer or shorter codes in place of others,
/// until the stream has its length again.
fn strays(weights: &mut [bf16], code: &Code, draw: &mut Bytes) {
    let length = |exponent: u8| i32::from(code.lengths()[usize::from(exponent)]);
    let (stray, exponents) = (draw.below(256) as u8, code.exponents().collect::<Vec<_>>());
    let Some((first, rest)) = weights.split_first_mut() else { return };
    let mut missing = length(bf16_word::exponent(*first)) - length(stray);
    *first = bf16_word::merge(stray, 0);
    for weight in rest {
        let own = length(bf16_word::exponent(*weight));
        let left = |&exponent: &u8| (missing - (length(exponent) - own)).abs();
        if let Some(best) = exponents.iter().copied().min_by_key(left).filter(|best| left(best) < missing.abs()) {
            missing -= length(best) - own;
            *weight = bf16_word::merge(best, 0);
        }
    }
}

fn check_decodes(parts: &Parts, weights: &[bf16]) {
    let unit = parts.view(&[]).validate().expect("what was encoded is valid");
    let mut restored = vec![bf16::ZERO; weights.len()];
    decode(&unit, &mut restored).expect("what was encoded decodes");
    assert_eq!(to_words(&restored), to_words(weights));
}
