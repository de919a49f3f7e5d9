//! Codes are as short as possible, and found as the tables say.

use crate::support::agreement::{Verdict, verdict};
use crate::support::draw::{Bytes, Draw};
use crate::support::exact_lengths::{Rules, fewest_bits};
use crate::support::library::Coded;
use crate::support::reference;
use df11_core::{Code, Histogram, Lookup, Plan};

/// The limits that the plan tries for exponents below 240 (FORMAT.md, "Codes").
const LIMITS: [usize; 4] = [8, 16, 24, 32];
/// Most exponents below 240, and from 240 on, by a draw. The time of the exact solver grows with
/// the product of the two and with their sum.
const MOST: [(u64, u64); 8] = [(4, 2), (8, 0), (8, 2), (8, 4), (16, 0), (16, 2), (12, 6), (32, 8)];
/// How far the planned code may be from the best one. No trial of a few limits finds the best in
/// all alphabets. The most ever seen is 734 bytes.
const SLACK_BYTES: u64 = 1024;

/// The planned code of any small alphabet has the fewest bits that its limit allows, and in all
/// costs little more than the best code.
pub fn huffman_lengths(data: &[u8]) {
    let mut draw = Bytes::new(data);
    let most = MOST[draw.below(8) as usize];
    let (low, high) = (draw.below(most.0 + 1), draw.below(most.1 + 1));
    let mut counts = [0; 256];
    for used in 0..low + high {
        let exponent = if used < low { draw.below(240) } else { 240 + draw.below(16) };
        let log = draw.below(25);
        counts[exponent as usize] = (1 << log) + draw.below(1 << log);
    }
    let launches = draw.chance(50);
    let histogram = Histogram::from_counts(counts);
    let mut asked = false;
    let planned = Plan::from_histogram(&histogram, |_| {
        asked = true;
        launches
    });
    let Ok(plan) = planned else {
        assert_eq!(histogram.total(), 0, "any small histogram can be planned");
        return;
    };
    let shortest = if asked && !launches { 2 } else { 1 };
    let (sizes, lengths) = (plan.sizes(), plan.code().lengths());
    let rules = Rules { shortest, longest_low: 32, table_bits: 8 * 256 };
    let best = fewest_bits(&counts, rules).div_ceil(8);
    let ours = (sizes.encoded_exponent + sizes.luts - 256) as u64;
    assert!((best..=best + SLACK_BYTES).contains(&ours), "{ours} bytes of stream and tables, the best are {best}");
    let bits: u64 = counts.iter().zip(lengths).map(|(&count, &length)| count * u64::from(length)).sum();
    assert_eq!(sizes.encoded_exponent as u64, bits.div_ceil(8));
    if high == 0 {
        let fewest = LIMITS.map(|limit| fewest_bits(&counts, Rules { longest_low: limit, table_bits: 0, ..rules }));
        assert!(fewest.contains(&bits), "{bits} bits of stream, the limits allow {fewest:?}");
    }
    check_lookup(plan.code(), &mut draw);
}

/// Codes of any lengths are found where they are, and nowhere else. Tables of any bytes give what
/// the reference finds, or nothing.
pub fn lookup_table(data: &[u8]) {
    let mut draw = Bytes::new(data);
    if draw.chance(50) {
        let mut lengths = [0; 256];
        for _ in 0..draw.below(257) {
            lengths[draw.below(256) as usize] = draw.below(33) as u8;
        }
        // The code space that they take, of 2^32.
        let room: u64 = lengths.iter().filter(|&&length| length > 0).map(|&length| 1 << (32 - length)).sum();
        match Code::canonical(&lengths) {
            Ok(code) => check_lookup(&code, &mut draw),
            Err(refused) => assert!(room == 0 || room > 1 << 32, "lengths that fit are refused: {refused}"),
        }
    } else {
        check_tables(&mut draw);
    }
}

/// Checks `Lookup` against a search through all codes.
pub(super) fn check_lookup(code: &Code, draw: &mut Bytes) {
    let begins = |window: u32, exponent: u8| {
        let length = u32::from(code.lengths()[usize::from(exponent)]);
        (window ^ code.aligned(exponent)).leading_zeros() >= length
    };
    let overlap = code.exponents().any(|a| code.exponents().any(|b| a != b && begins(code.aligned(a), b)));
    assert!(!overlap, "codes overlap and are accepted");
    let lookup = Lookup::new(code);
    let near = code.exponents().flat_map(|e| [0, 1, u32::MAX].map(|step| code.aligned(e).wrapping_add(step)));
    let near: Vec<u32> = near.collect();
    for window in near.into_iter().chain((0..16).map(|_| draw.below(1 << 32) as u32)) {
        let expected = code.exponents().find(|&exponent| begins(window, exponent));
        let expected = expected.map(|exponent| (exponent, u32::from(code.lengths()[usize::from(exponent)])));
        assert_eq!(lookup.find(window), expected, "{window:#034b}");
    }
}

/// Makes up to 17 tables and lengths from the bytes, and a unit of one weight for each of a few bit
/// strings.
fn check_tables(draw: &mut Bytes) {
    let rows = 2 + draw.below(17) as usize;
    let windows: [u32; 4] = std::array::from_fn(|_| draw.below(1 << 32) as u32);
    let mut luts = draw.rest().to_vec();
    luts.resize(rows * 256, 0);
    for window in windows {
        let coded = Coded {
            encoded_exponent: window.to_be_bytes().to_vec(),
            sign_mantissa: vec![0x55],
            luts: luts.clone(),
            gaps: vec![0; 320],
            output_positions: vec![0, 0, 0, 0, 1, 0, 0, 0],
            split_positions: Vec::new(),
        };
        let Ok(unit) = coded.view().validate() else { return };
        let found = unit.lookup().find(window);
        check_lookup(unit.code(), draw);
        let verdict = verdict("one weight", &coded);
        // The reference accepts only a stream that ends with the last code.
        let length = found.map_or(4, |(_, length)| length.div_ceil(8) as usize);
        let exact = Coded { encoded_exponent: coded.encoded_exponent[..length].to_vec(), ..coded.clone() };
        let word = found.map(|(exponent, _)| u16::from(exponent) << 7 | 0x55);
        assert_eq!(verdict, word.map_or(Verdict::NotDecoded, |word| Verdict::Decoded(vec![word])));
        if let Ok(by_reference) = reference::decode(&exact.raw()) {
            assert_eq!(Some(by_reference), word.map(|word| vec![word]), "against the reference");
        }
    }
}
