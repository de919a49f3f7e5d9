//! Bytes of any origin through every decoder: what one accepts, no other may read differently.
//!
//! ```text
//! validate refuses                 -> nothing more to be said
//! a decoder accepts                -> its weights are what the stream says, read bit by bit from the first to the last
//! the plain decoder accepts        -> so does every other, and every range equals that part of the whole
//! the reference decoder accepts    -> so does the plain one
//! a decoder accepts, and its weights pass the check of gaps and positions    <-> the plain decoder accepts
//! ```

use super::library::{Coded, backends, by_backend, decode_with_all, to_words};
use super::random::Random;
use super::{assert_same_words, reference};
use df11_core::{Plain, Unit, bf16, check_index};
use std::ops::Range;

/// How the library takes a unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Refused before decoding.
    NotValid,
    /// Refused by the plain decoder.
    NotDecoded,
    /// The weights, as BF16 words.
    Decoded(Vec<u16>),
}

/// Runs every decoder. Fails if two of them contradict each other.
#[track_caller]
pub fn verdict(what: &str, coded: &Coded) -> Verdict {
    let reference = reference::decode(&coded.raw());
    let Ok(unit) = coded.view().validate() else { return Verdict::NotValid };
    let plain = by_backend(&Plain, &unit);
    if let Ok(expected) = &reference {
        let found = plain.as_ref().unwrap_or_else(|e| panic!("{what}: the reference accepts it, plain says {e}"));
        assert_same_words(&format!("{what}, plain against reference"), expected, found);
    }
    let mut says = None;
    for (name, found) in decode_with_all(&unit) {
        match (&plain, found) {
            (_, Ok(found)) => {
                let says = says.get_or_insert_with(|| stream_says(&unit, 0, 0, unit.weights()));
                let says = says.as_ref().unwrap_or_else(|| panic!("{what}: {name} accepts a stream of no codes"));
                assert_same_words(&format!("{what}, {name} against the stream"), says, &found);
                assert_eq!(index_is_sound(&unit, &found), plain.is_ok(), "{what}, {name}: check_index against plain");
            }
            (Ok(_), Err(e)) => panic!("{what}: plain accepts it, {name} says {e}"),
            (Err(_), Err(_)) => {}
        }
    }
    ranges_agree(what, &unit, plain.as_deref().ok());
    plain.map_or(Verdict::NotDecoded, Verdict::Decoded)
}

/// What a fast decoder and `check_index` say of gaps and positions together.
fn index_is_sound(unit: &Unit, words: &[u16]) -> bool {
    let weights: Vec<bf16> = words.iter().map(|&word| bf16::from_bits(word)).collect();
    (0..unit.blocks()).all(|block| {
        let Range { start, end } = unit.block(block).weights;
        check_index(unit, block, &weights[start as usize..end as usize]).is_ok()
    })
}

/// A few ranges of the unit by every backend.
#[track_caller]
fn ranges_agree(what: &str, unit: &Unit, whole: Option<&[u16]>) {
    let mut random = Random::new(unit.weights());
    for backend in backends() {
        for _ in 0..3 {
            let first = random.below(unit.weights());
            let mut part = vec![bf16::NAN; random.below((unit.weights() - first).min(300) + 1) as usize];
            let found = backend.decode_range(unit, first, &mut part).map(|()| to_words(&part));
            let what = format!("{what}, {} {first}..{}", backend.name(), first + part.len() as u64);
            match (whole, found) {
                (Some(whole), Ok(found)) => assert_same_words(&what, &whole[first as usize..][..part.len()], &found),
                (Some(_), Err(e)) => panic!("{what}: plain accepts the whole, here it is {e}"),
                (None, Ok(found)) if !found.is_empty() => {
                    let block = unit.block(unit.block_of(first));
                    let skipped = (first - block.weights.start) as usize;
                    let end = first + part.len() as u64;
                    let says = stream_says(unit, block.first_bit, block.weights.start, end);
                    let says = says.unwrap_or_else(|| panic!("{what}: accepts a stream of no codes"));
                    assert_same_words(&what, &says[skipped..], &found);
                }
                (None, _) => {}
            }
        }
    }
}

/// The weights from `first`, whose code starts at `bit`, up to `end`, read bit by bit without the help of an index.
fn stream_says(unit: &Unit, mut bit: u64, first: u64, end: u64) -> Option<Vec<u16>> {
    let code = unit.code();
    let mut codes: Vec<_> = code.exponents().map(|e| (code.lengths()[usize::from(e)], code.bits(e), e)).collect();
    codes.sort_unstable();
    let mut words = Vec::new();
    for weight in first..end {
        let (mut length, mut bits) = (0_u8, 0_u32);
        let exponent = loop {
            let byte = unit.view().encoded_exponent.get((bit / 8) as usize)?;
            bits = bits << 1 | u32::from(byte >> (7 - bit % 8) & 1);
            (length, bit) = (length + 1, bit + 1);
            if let Ok(at) = codes.binary_search_by_key(&(length, bits), |&(length, bits, _)| (length, bits)) {
                break codes[at].2;
            }
            if length == 32 {
                return None;
            }
        };
        let rest = u16::from(unit.view().sign_mantissa[weight as usize]);
        words.push((rest & 0x80) << 8 | u16::from(exponent) << 7 | rest & 0x7F);
    }
    Some(words)
}
