//! The published compressor's code, as core plans and writes it: it decodes, and its bytes stay the
//! same. `tests/published_code.rs` at the root shows that they are that compressor's bytes.

mod arrays;

use arrays::{Arrays, mixed};
use df11_core::limits::BLOCK_BITS;
use df11_core::{Error, Histogram, Plan, bf16, decode, two_phase};

/// Number of units. They have few and many exponents, in steep and flat histograms.
const UNITS: u64 = 400;

fn units() -> impl Iterator<Item = Vec<bf16>> {
    let mut state = 7u64;
    let mut below = move |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    (0..UNITS).map(move |unit| {
        let most = [4, 10, 40, 400][unit as usize % 4];
        let steepest = 1 + below(11);
        let counts: Vec<(u8, usize)> =
            (0..2 + below(most)).map(|_| (below(235 + unit % 10) as u8, 1 << below(steepest))).collect();
        mixed(&counts)
    })
}

#[test]
fn published_units_are_refused_by_name_or_the_same_bytes_as_ever() {
    // refused for the end-of-stream symbol, for a high exponent, for the tables; written
    let (mut hash, mut kinds) = (0xcbf2_9ce4_8422_2325, [0; 4]);
    for (number, weights) in units().enumerate() {
        let plan = match Plan::published(&weights) {
            Ok(plan) => plan,
            Err(Error::EndTakesFirstEntry) => {
                kinds[0] += 1;
                continue;
            }
            Err(Error::HighExponentCodeTooShort { exponent: 240.., length: ..=24 }) => {
                kinds[1] += 1;
                continue;
            }
            Err(Error::TooManyTables { found: 18.. }) => {
                kinds[2] += 1;
                continue;
            }
            Err(other) => panic!("unit {number}: {other}"),
        };
        kinds[3] += 1;
        let arrays = Arrays::by(&weights, &plan);
        let unit = arrays.view().validate().unwrap_or_else(|e| panic!("unit {number}: {e}"));
        let mut restored = vec![bf16::ZERO; weights.len()];
        decode(&unit, &mut restored).unwrap_or_else(|e| panic!("unit {number}: {e}"));
        assert!(restored.iter().map(|w| w.to_bits()).eq(weights.iter().map(|w| w.to_bits())), "unit {number}");
        for block in 0..unit.blocks() {
            let range = unit.block(block).weights;
            let mut part = vec![bf16::ZERO; (range.end - range.start) as usize];
            two_phase::decode_block(&unit, block, &mut part).unwrap_or_else(|e| panic!("unit {number}: {e}"));
        }
        for part in [&arrays.encoded_exponent, &arrays.luts, &arrays.gaps, &arrays.output_positions] {
            hash = part.iter().fold(hash, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        }
    }
    assert_eq!((kinds, hash), ([81, 32, 21, 266], 0x49b8_c5c1_4e93_397b));
}

/// If the stream ends with a whole byte, there are output positions for the blocks in which a code
/// starts, and for the end, and no others.
#[test]
fn a_last_block_without_codes_has_no_output_position() {
    const LAST: usize = 131;
    let planned = |count: u64| {
        let mut counts = [0; 256];
        (counts[120], counts[121], counts[122]) = (count, count / 2, count / 4);
        (0..10).for_each(|rare| counts[LAST + rare] = 1 << (rare / 2));
        let last = bf16::from_bits((LAST << 7) as u16);
        let plan = Plan::published_from_histogram(&Histogram::from_counts(counts), last).unwrap();
        let bits: u64 = counts.iter().zip(plan.code().lengths()).map(|(&n, &length)| n * u64::from(length)).sum();
        (plan, bits)
    };
    // Counts near which the stream reaches into another block; the first is found by halving.
    let first = |blocks: u64| {
        let counts: Vec<u64> = (0..100_000).collect();
        counts.partition_point(|&count| planned(count + 1_000).1 <= blocks * BLOCK_BITS) as u64 + 1_000
    };
    let near = (1..=8).map(first).flat_map(|count| count - 60..count + 60);
    let (mut tried, mut left_out) = (0, 0);
    for (plan, bits) in near.map(planned) {
        let (entries, blocks) = (plan.sizes().output_positions as u64 / 4, bits.div_ceil(BLOCK_BITS));
        if plan.ending().is_some() {
            assert!(bits % 8 != 0 && entries == blocks + 1);
        } else {
            tried += 1;
            assert_eq!(entries, (bits - u64::from(plan.code().lengths()[LAST])) / BLOCK_BITS + 2);
            left_out += blocks + 1 - entries;
        }
    }
    assert!(tried > left_out && left_out > 0, "{left_out} left out of {tried}");
}

#[test]
fn a_plan_tells_of_a_cut_between_equally_rare_exponents() {
    // 44 exponents that occur 1, 2, 3, 5, 8, ... times need codes of more than 32 bits, so the
    // rarest are cut.
    let breaks_tie = |equal: usize| {
        let (mut counts, mut next) = ([0; 256], (1u64, 1));
        for count in &mut counts[60..104] {
            next = (next.1, next.0 + next.1);
            *count = next.0;
        }
        counts[60 + equal] = counts[59 + equal];
        let plan = Plan::published_from_histogram(&Histogram::from_counts(counts), bf16::from_bits(60 << 7)).unwrap();
        assert!(plan.code().exponents().eq(60..104));
        plan.breaks_tie()
    };
    assert_eq!((1..44).filter(|&equal| breaks_tie(equal)).count(), 1);
}
