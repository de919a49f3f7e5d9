//! Every decoder of this crate gives back what was encoded, whole and in part. The encoded bytes
//! never change.

mod arrays;

use arrays::{Arrays, mixed, weights};
use df11_core::limits::{BLOCK_BITS, PUBLISHED_MAX_BLOCK_WEIGHTS};
use df11_core::{Code, Error, Histogram, Plan, bf16, decode, decode_range, fullest_block, two_phase};

/// Each exponent about half as frequent as the one before.
fn ladder(exponents: impl Iterator<Item = u8>, most: usize) -> Vec<(u8, usize)> {
    exponents.scan(most, |count, exponent| Some((exponent, std::mem::replace(count, (*count / 2).max(1))))).collect()
}

fn units() -> Vec<(&'static str, Vec<bf16>)> {
    let spike = |last| -> Vec<(u8, usize)> { (0..=last).map(|e| (e, if e == 77 { 30_000 } else { 90 })).collect() };
    vec![
        ("one weight", vec![bf16::ONE]),
        ("one infinity", vec![bf16::INFINITY]),
        ("three blocks", weights()),
        ("every word", (0..=u16::MAX).map(bf16::from_bits).collect()),
        ("one exponent, two blocks", mixed(&[(121, 40_000)])),
        ("a long ladder", mixed(&ladder(100..130, 20_000))),
        ("high exponents", mixed(&ladder((250..=255).chain(110..=112), 400))),
        ("high exponents only", mixed(&ladder(240..=255, 3000))),
        ("more tables than there are", mixed(&spike(255))),
        ("more tables, no high exponent", mixed(&spike(239))),
    ]
}

#[test]
fn every_unit_comes_back_by_every_decoder() {
    for (name, weights) in units() {
        let arrays = Arrays::of(&weights);
        let unit = arrays.view().validate().unwrap();
        let mut restored = vec![bf16::ZERO; weights.len()];
        decode(&unit, &mut restored).unwrap();
        assert!(same(&restored, &weights), "{name}");
        restored.fill(bf16::ZERO);
        for block in 0..unit.blocks() {
            let range = unit.block(block).weights;
            let block_weights = &mut restored[range.start as usize..range.end as usize];
            two_phase::decode_block(&unit, block, block_weights)
                .unwrap_or_else(|e| panic!("{name}, block {block}: {e}"));
        }
        assert!(same(&restored, &weights), "{name}, in two phases");
    }
}

#[test]
fn every_range_comes_back() {
    for (name, weights) in units() {
        let arrays = Arrays::of(&weights);
        let unit = arrays.view().validate().unwrap();
        let starts = (0..=unit.blocks()).map(|block| unit.block(block).weights.start as usize);
        let borders: Vec<usize> = starts.flat_map(|s| [s.saturating_sub(1), s, s + 1]).collect();
        for (&from, &to) in borders.iter().flat_map(|a| borders.iter().map(move |b| (a, b))) {
            if from <= to && to <= weights.len() {
                let mut part = vec![bf16::ZERO; to - from];
                decode_range(&unit, from as u64, &mut part).unwrap();
                assert!(same(&part, &weights[from..to]), "{name}, {from}..{to}");
            }
        }
        let all = weights.len() as u64;
        assert_eq!(unit.blocks_of(0, weights.len()), Ok(0..unit.block_of(all - 1) + 1));
        assert_eq!(unit.blocks_of(all, 0), Ok(0..0));
    }
}

/// The frozen bytes of version 1. An encoder that writes other bytes may be correct too, but users
/// who compare checksums must learn of the change.
#[test]
fn every_unit_is_the_same_bytes_as_ever() {
    let found: Vec<(&str, usize, u64)> = units()
        .into_iter()
        .map(|(name, weights)| {
            let (arrays, plan) = (Arrays::of(&weights), Plan::new(&weights).unwrap());
            let parts =
                [&arrays.encoded_exponent, &arrays.sign_mantissa, &arrays.luts, &arrays.gaps, &arrays.output_positions];
            let bytes: Vec<u8> = parts.into_iter().flatten().copied().collect();
            assert_eq!(plan.sizes().total(), bytes.len() as u64, "{name}");
            (name, bytes.len(), fnv1a(&bytes))
        })
        .collect();
    assert_eq!(found, FROZEN);
}

/// Name, bytes of all parts, FNV-1a of them one after another.
const FROZEN: [(&str, usize, u64); 10] = [
    ("one weight", 842, 0xc89c_43eb_e96e_030b),
    ("one infinity", 1613, 0x62b2_980a_990e_1a15),
    ("three blocks", 43978, 0xa173_35a7_e7ea_c473),
    ("every word", 148016, 0xe0da_407e_4754_a8ca),
    ("one exponent, two blocks", 51488, 0x54c4_8970_21e2_82aa),
    ("a long ladder", 51778, 0xa142_4af1_b374_5a1c),
    ("high exponents", 4954, 0x736b_d3f9_8510_7bf8),
    ("high exponents only", 28090, 0x04bf_5c84_35a4_bfaa),
    ("more tables than there are", 94424, 0xf3bd_4364_e65b_f68f),
    ("more tables, no high exponent", 86801, 0xb9b9_9c6c_ce97_ac90),
];

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn same(one: &[bf16], other: &[bf16]) -> bool {
    one.iter().map(|w| w.to_bits()).eq(other.iter().map(|w| w.to_bits()))
}

#[test]
fn buffers_of_another_size_are_refused() {
    let arrays = Arrays::of(&weights());
    let unit = arrays.view().validate().unwrap();
    let wrong = |found| Err(Error::BufferSize { buffer: "weights", found, expected: 30_000 });
    for found in [0, 29_999, 30_001] {
        assert_eq!(decode(&unit, &mut vec![bf16::ZERO; found]), wrong(found));
    }
    let expected = (unit.block(1).weights.end - unit.block(1).weights.start) as usize;
    for found in [expected - 1, expected + 1] {
        let refused = two_phase::decode_block(&unit, 1, &mut vec![bf16::ZERO; found]);
        assert_eq!(refused, Err(Error::BufferSize { buffer: "weights", found, expected }));
    }
}

#[test]
fn limits_are_met_exactly_before_a_byte_is_written() {
    let planned = |counts: &[(u8, u64)]| {
        let mut all = [0; 256];
        counts.iter().for_each(|&(exponent, count)| all[usize::from(exponent)] = count);
        Plan::from_histogram(&Histogram::from_counts(all), |_| true).map(|plan| plan.sizes())
    };
    let most = u64::from(u32::MAX);
    assert_eq!(planned(&[]).unwrap_err(), Error::NoWeights);
    assert_eq!(planned(&[(1, most)]).unwrap().sign_mantissa as u64, most);
    assert_eq!(planned(&[(1, most), (2, 1)]).unwrap_err(), Error::TooManyWeights { found: most + 1 });
    assert_eq!(planned(&[(1, 1 << 40)]).unwrap_err(), Error::TooManyWeights { found: 1 << 40 });
    let more_than_counted = planned(&[(1, u64::MAX), (2, u64::MAX)]);
    assert_eq!(more_than_counted.unwrap_err(), Error::TooManyWeights { found: u64::MAX });
    // 16 exponents of 4 bits: two weights a byte
    let most_bytes = (1u64 << 31) - 4096;
    let mut counts: Vec<(u8, u64)> = (100..116).map(|exponent| (exponent, most_bytes * 2 / 16)).collect();
    assert_eq!(planned(&counts).unwrap().encoded_exponent as u64, most_bytes);
    counts[3].1 += 1;
    assert_eq!(planned(&counts).unwrap_err(), Error::StreamTooLong { found: most_bytes + 1 });
}

#[test]
fn codes_of_one_bit_are_written_where_the_published_kernel_can_launch() {
    let longest = |weights: usize| Plan::new(&vec![bf16::ONE; weights]).unwrap().code().longest();
    let most = PUBLISHED_MAX_BLOCK_WEIGHTS as usize;
    assert_eq!([longest(1), longest(most), longest(most + 1), longest(100_000)], [1, 1, 2, 2]);
    // The callback is called only if there is a code of one bit.
    let asked = |counts: &[u64]| {
        let (mut all, mut asked) = ([0; 256], false);
        all[100..100 + counts.len()].copy_from_slice(counts);
        let plan = Plan::from_histogram(&Histogram::from_counts(all), |code| {
            asked = true;
            assert_eq!(code.shortest(), 1);
            false
        });
        (asked, plan.unwrap().code().shortest())
    };
    assert_eq!(asked(&[9, 5]), (true, 2));
    assert_eq!(asked(&[5, 5, 5, 5]), (false, 2));
}

#[test]
fn the_fullest_block_is_counted_by_where_codes_start() {
    let mut lengths = [0; 256];
    (lengths[1], lengths[2], lengths[3]) = (1, 2, 32);
    let code = Code::canonical(&lengths).unwrap();
    let unit = |counts: &[(u16, usize)]| -> Vec<bf16> {
        counts.iter().flat_map(|&(exponent, count)| vec![bf16::from_bits(exponent << 7); count]).collect()
    };
    let fullest = |counts: &[(u16, usize)]| fullest_block(&code, &unit(counts));
    let block = BLOCK_BITS as usize;
    assert_eq!(fullest(&[]), 0);
    assert_eq!(fullest(&[(1, 7)]), 7);
    assert_eq!(fullest(&[(1, block)]), block as u64);
    assert_eq!(fullest(&[(1, block + 5)]), block as u64);
    assert_eq!(fullest(&[(2, block / 2), (1, 100)]), block as u64 / 2);
    assert_eq!(fullest(&[(2, block / 2), (1, block)]), block as u64);
    // the last code of the first block reaches 31 bits into the second
    assert_eq!(fullest(&[(1, block - 1), (3, 1), (1, block)]), block as u64);
    assert_eq!(fullest(&[(3, 1), (2, 3), (1, block - 39), (3, 1), (1, block)]), block as u64 - 31);
}

#[test]
fn entropy_is_that_of_the_exponents() {
    let histogram = Histogram::of(&mixed(&[(3, 50), (4, 25), (90, 25)]));
    assert!((histogram.entropy() - 1.5).abs() < 1e-12);
    assert_eq!((histogram.total(), histogram.exponents_in_use()), (100, 3));
}
