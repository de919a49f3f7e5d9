//! Bytes of any origin go through every decoder. All accept the same units and the same ranges, and
//! give the same weights.
//!
//! ```text
//! validate refuses                 -> nothing more to check
//! the reference decoder accepts    -> so does the plain one
//! the plain decoder accepts        <-> so does every other; but those that ignore gaps within
//!                                  a block accept what plain would if these gaps were right
//! a decoder accepts                -> its weights are what the stream says, code by code
//! a decoder accepts, and its weights pass the check of gaps and positions
//!                                  <-> the plain decoder accepts
//! ```
//!
//! The same holds for ranges, rows and batches: there, the blocks that are read decide.

use super::library::{CHECK_EVERY_GAP, Coded, backends, by_backend, by_two_phase, range_by_backend, to_words};
use super::random::Random;
use super::{assert_same_words, reference};
use df11_core::{Backend, Error, Plain, Unit, UnitView, Work, bf16, check_index, decode_range};
use df11_cpu::{Decoder, Level, decode_batch};
use std::ops::Range;

const CHUNK_BITS: u64 = 64;
const BLOCK_CHUNKS: u64 = 512;
const GAP_BITS: u64 = 5;

/// What the library says of a unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Refused before decoding.
    NotValid,
    /// Refused by every decoder.
    NotDecoded,
    /// Refused for a gap within a block by the decoders that check every gap; accepted by the
    /// others. Holds their weights, as BF16 words.
    GapsLie(Vec<u16>),
    /// Decoded to these weights, as BF16 words.
    Decoded(Vec<u16>),
}

/// Runs every decoder. Fails if two of them contradict each other.
#[track_caller]
pub fn verdict(what: &str, coded: &Coded) -> Verdict {
    let reference = reference::decode(&coded.raw());
    // A clone has no spare capacity, so a tool that watches memory sees every step outside.
    let coded = coded.clone();
    let Ok(unit) = coded.view().validate() else { return Verdict::NotValid };
    let plain = by_backend(&Plain, &unit);
    if let Ok(expected) = &reference {
        let found = plain.as_ref().unwrap_or_else(|e| panic!("{what}: the reference accepts it, plain says {e}"));
        assert_same_words(&format!("{what}, plain against reference"), expected, found);
    }
    let gaps = gaps_within_blocks_mended(&unit);
    let mended = UnitView { gaps: &gaps, ..unit.view() }.validate().expect("a first gap is as it was");
    let expected = by_backend(&Plain, &mended);
    if let Ok(found) = &expected {
        let says = stream_says(&unit, 0, 0..unit.weights());
        let says = says.unwrap_or_else(|| panic!("{what}: plain accepts a stream of no codes"));
        assert_same_words(&format!("{what}, plain against the stream"), &says, found);
        assert_eq!(index_is_sound(&unit, found), plain.is_ok(), "{what}: check_index against plain");
    }
    assert_same(&format!("{what}, two_phase"), &plain, &by_two_phase(&unit));
    for backend in backends() {
        let expected = if CHECK_EVERY_GAP.contains(&backend.name()) { &plain } else { &expected };
        assert_same(&format!("{what}, {}", backend.name()), expected, &by_backend(&*backend, &unit));
    }
    ranges_agree(what, &unit, &mended);
    rows_agree(what, &unit, &mended);
    batches_agree(what, &unit, &expected);
    match (plain, expected) {
        (Ok(weights), _) => Verdict::Decoded(weights),
        (Err(_), Ok(weights)) => Verdict::GapsLie(weights),
        (Err(_), Err(_)) => Verdict::NotDecoded,
    }
}

/// The backends that look at the first gap of each block alone.
fn fast_backends() -> impl Iterator<Item = Box<dyn Backend>> {
    backends().into_iter().filter(|backend| !CHECK_EVERY_GAP.contains(&backend.name()))
}

/// Checks that both accept, with the same weights, or both refuse, for any reason.
#[track_caller]
fn assert_same(what: &str, expected: &Result<Vec<u16>, Error>, found: &Result<Vec<u16>, Error>) {
    match (expected, found) {
        (Ok(expected), Ok(found)) => assert_same_words(what, expected, found),
        (Err(_), Err(_)) => {}
        (Ok(_), Err(e)) => panic!("{what}: plain accepts it, here it is: {e}"),
        (Err(e), Ok(_)) => panic!("{what}: accepted, plain says: {e}"),
    }
}

/// What a fast decoder and `check_index` together say of gaps and positions.
fn index_is_sound(unit: &Unit, words: &[u16]) -> bool {
    let weights: Vec<bf16> = words.iter().map(|&word| bf16::from_bits(word)).collect();
    (0..unit.blocks()).all(|block| {
        let Range { start, end } = unit.block(block).weights;
        check_index(unit, block, &weights[start as usize..end as usize]).is_ok()
    })
}

/// Decodes ranges of the unit by every backend: random ones, empty ones, and those that begin or
/// end with a block.
#[track_caller]
fn ranges_agree(what: &str, unit: &Unit, mended: &Unit) {
    let mut random = Random::new(unit.weights());
    let mut any = |bound: u64| random.below(bound);
    for number in 0..6 {
        let block = unit.block(any(unit.blocks() as u64) as usize).weights;
        let first = if number % 2 == 0 { block.start } else { any(unit.weights() + 1) };
        let left = unit.weights() - first;
        let count = if number == 2 { block.end.saturating_sub(first) } else { any(left.min(300) + 1) };
        let mut part = vec![bf16::NAN; count as usize];
        let expected = decode_range(mended, first, &mut part).map(|()| to_words(&part));
        if let Ok(found) = &expected
            && !found.is_empty()
        {
            let begin = unit.block(unit.block_of(first));
            let says = stream_says(unit, begin.first_bit, begin.weights.start..first + count);
            let says = says.unwrap_or_else(|| panic!("{what}: plain accepts a stream of no codes"));
            let skipped = (first - begin.weights.start) as usize;
            assert_same_words(&format!("{what}, plain, {first}+{count}"), &says[skipped..], found);
        }
        for backend in fast_backends() {
            let mut part = vec![bf16::NAN; count as usize];
            let found = range_by_backend(&*backend, unit, first, &mut part).map(|()| to_words(&part));
            assert_same(&format!("{what}, {} {first}+{count}", backend.name()), &expected, &found);
        }
    }
}

/// Decodes a few rows of a matrix at every level, and compares them with plain ranges.
#[track_caller]
fn rows_agree(what: &str, unit: &Unit, mended: &Unit) {
    let mut random = Random::new(unit.weights() + 1);
    let matrices: Vec<_> = unit.matrices().filter(|matrix| !matrix.is_empty()).collect();
    let matrix = matrices[random.below(matrices.len() as u64) as usize].clone();
    let columns = 1 + random.below((matrix.end - matrix.start).min(200)) as usize;
    let height = (matrix.end - matrix.start) / columns as u64;
    let rows: Vec<u64> = (0..3).map(|_| random.below(height)).collect();
    let plain = |&row: &u64| {
        let mut part = vec![bf16::NAN; columns];
        decode_range(mended, matrix.start + row * columns as u64, &mut part).map(|()| to_words(&part))
    };
    let expected = rows.iter().map(plain).collect::<Result<Vec<_>, _>>().map(|rows| rows.concat());
    for level in Level::available() {
        let mut found = vec![bf16::NAN; rows.len() * columns];
        let decoder = Decoder::new(unit.borrowed(), level);
        let decoded = decoder.decode_rows(matrix.clone(), columns, &rows, &mut found, Work::Pool);
        assert_same(&format!("{what}, {level}, rows"), &expected, &decoded.map(|()| to_words(&found)));
    }
}

/// Decodes the unit in a batch, at every level.
#[track_caller]
fn batches_agree(what: &str, unit: &Unit, expected: &Result<Vec<u16>, Error>) {
    for level in Level::available() {
        let mut found = vec![bf16::NAN; unit.weights() as usize];
        let decoded = decode_batch(&mut [(Decoder::new(unit.borrowed(), level), &mut found[..])], Work::Pool);
        assert_same(&format!("{what}, {level}, batch"), expected, &decoded.map(|()| to_words(&found)));
    }
}

/// Codes in the order of their bits, for a search.
struct Codes(Vec<(u32, u8, u8)>);

impl Codes {
    fn of(unit: &Unit) -> Codes {
        let code = unit.code();
        let of = |exponent: u8| (code.aligned(exponent), code.lengths()[usize::from(exponent)], exponent);
        let mut codes: Vec<_> = code.exponents().map(of).collect();
        codes.sort_unstable();
        Codes(codes)
    }

    /// The exponent of the code at `bit`, and the bit after it. None if there is no code, or only a
    /// part of one.
    fn at(&self, stream: &[u8], bit: u64) -> Option<(u8, u64)> {
        let byte = |at: u64| u64::from(stream.get((bit / 8 + at) as usize).copied().unwrap_or(0));
        let bytes = (0..5).fold(0, |bytes, at| bytes << 8 | byte(at));
        let window = (bytes << (24 + bit % 8) >> 32) as u32;
        let after = self.0.partition_point(|&(bits, ..)| bits <= window);
        let (bits, length, exponent) = *self.0.get(after.checked_sub(1)?)?;
        let end = bit + u64::from(length);
        let whole = end <= 8 * stream.len() as u64;
        (whole && (window ^ bits).leading_zeros() >= u32::from(length)).then_some((exponent, end))
    }
}

/// Weights read code by code, without an index. The code of the first starts at `bit`.
fn stream_says(unit: &Unit, mut bit: u64, weights: Range<u64>) -> Option<Vec<u16>> {
    let codes = Codes::of(unit);
    let word = |weight: u64| {
        let (exponent, end) = codes.at(unit.view().encoded_exponent, bit)?;
        bit = end;
        let rest = u16::from(unit.view().sign_mantissa[weight as usize]);
        Some((rest & 0x80) << 8 | u16::from(exponent) << 7 | rest & 0x7F)
    };
    weights.map(word).collect()
}

/// The unit's gaps, with those within blocks replaced by what the stream says, as far as there are
/// codes.
fn gaps_within_blocks_mended(unit: &Unit) -> Vec<u8> {
    let codes = Codes::of(unit);
    let mut gaps = unit.view().gaps.to_vec();
    for block in 0..unit.blocks() {
        let (place, first) = (unit.block(block), block as u64 * BLOCK_CHUNKS);
        let (mut bit, mut next_chunk) = (place.first_bit, first + 1);
        for _ in place.weights {
            let chunk = bit / CHUNK_BITS;
            if chunk >= next_chunk && chunk < first + BLOCK_CHUNKS {
                set_gap(&mut gaps, chunk, bit % CHUNK_BITS);
                next_chunk = chunk + 1;
            }
            let Some((_, end)) = codes.at(unit.view().encoded_exponent, bit) else { break };
            bit = end;
        }
    }
    gaps
}

fn set_gap(gaps: &mut [u8], chunk: u64, gap: u64) {
    for at in 0..GAP_BITS {
        let bit = chunk * GAP_BITS + at;
        let (byte, mask) = (&mut gaps[(bit / 8) as usize], 0x80 >> (bit % 8));
        let set = gap >> (GAP_BITS - 1 - at) & 1 == 1;
        *byte = if set { *byte | mask } else { *byte & !mask };
    }
}
