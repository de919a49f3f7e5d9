//! Sound units: what was encoded comes back, from every encoder through every decoder.

use super::any_words;
use crate::support::agreement::{Verdict, verdict};
use crate::support::any_unit::{self, AnyUnit};
use crate::support::draw::{Bytes, Draw};
use crate::support::library::{Coded, encoders, published_encoders};
use crate::support::{adversarial, assert_same_words, published_kernel, published_writer, reference};

/// Most weights of a unit, by a draw. Several blocks are rare, so that thousands of units run per
/// minute.
const MOST: [usize; 8] = [16, 16, 16, 16, 100, 100, 400, 2000];
/// Replaces the last one, for one unit in 64.
const MOST_OF_ALL: usize = 20_000;
/// The emulated kernel is slow, so it gets one in four of the units that it can take.
const MOST_FOR_KERNEL: usize = 300;
const KERNEL_PERCENT: u64 = 25;

fn most(draw: &mut Bytes) -> usize {
    if draw.below(64) == 0 { MOST_OF_ALL } else { MOST[draw.below(8) as usize] }
}

/// Adversarial weights go through every encoder, which all write the same bytes, and back through
/// every decoder, foreign ones included.
pub fn round_trip(data: &[u8]) {
    let mut draw = Bytes::new(data);
    let most = most(&mut draw);
    let cuts_first = draw.chance(50);
    let words = any_words(&mut draw, most);
    let cuts = if cuts_first { adversarial::cuts(&mut draw, words.len()) } else { Vec::new() };
    let mut expected: Option<Coded> = None;
    for (encoder, encode) in encoders() {
        let mut coded = encode(&words);
        coded.split_positions = cuts.iter().flat_map(|&cut| (cut as i64).to_le_bytes()).collect();
        assert!(expected.as_ref().is_none_or(|expected| *expected == coded), "{encoder} writes other bytes");
        expected = Some(coded);
    }
    let coded = expected.expect("an encoder");
    let Verdict::Decoded(found) = verdict("round trip", &coded) else { panic!("what we write is refused") };
    assert_same_words("round trip", &words, &found);
    let found = reference::decode(&coded.raw()).unwrap_or_else(|e| panic!("reference: {e}"));
    assert_same_words("reference", &words, &found);
    if words.len() <= MOST_FOR_KERNEL && draw.chance(KERNEL_PERCENT) {
        let found = published_kernel::decode(&coded.raw(), data.len() as u64).unwrap_or_else(|e| panic!("kernel: {e}"));
        assert_same_words("published kernel", &words, &found);
    }
    let unit = coded.view().validate().expect("it was decoded");
    let ends: Vec<usize> = unit.matrices().map(|matrix| matrix.end as usize).collect();
    assert_eq!(ends, [&cuts[..], &[words.len()]].concat());
    published_round_trip(&words);
}

/// The same in the published code, if the weights have one. The bytes are those of its imitation,
/// if that writes any.
fn published_round_trip(words: &[u16]) {
    let all: Vec<_> = published_encoders().into_iter().map(|(encoder, encode)| (encoder, encode(words))).collect();
    let (_, first) = &all[0];
    for (encoder, coded) in &all {
        assert!(coded == first, "{encoder} writes other bytes in the published code");
    }
    let imitation = published_writer::write(words);
    let Ok(coded) = first else {
        assert!(imitation.is_err(), "the imitation writes what is refused");
        return;
    };
    assert!(imitation.is_err() || imitation.as_ref() == Ok(coded), "other bytes than the imitation's");
    let Verdict::Decoded(found) = verdict("published code", coded) else { panic!("what we write is refused") };
    assert_same_words("published code", words, &found);
}

/// Units of any code that the tables can express.
pub fn backends_agree(data: &[u8]) {
    let mut draw = Bytes::new(data);
    let most = most(&mut draw);
    let AnyUnit { weights, coded, points_back } = any_unit::write(&mut draw, most);
    let Verdict::Decoded(found) = verdict("any unit", &coded) else {
        let refusal = coded.view().validate().err();
        panic!("a valid unit is refused: {refusal:?}")
    };
    assert_same_words("any unit", &weights, &found);
    let blocks = coded.encoded_exponent.len().div_ceil(4096);
    let whole = coded.output_positions.len() == 4 * (blocks + 1);
    if whole && !points_back {
        let found = reference::decode(&coded.raw()).unwrap_or_else(|e| panic!("reference: {e}"));
        assert_same_words("reference", &weights, &found);
    }
}
