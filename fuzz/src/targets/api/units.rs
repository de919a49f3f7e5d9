//! Units, sound or damaged, asked for blocks, ranges and rows that do not exist.

use super::super::any_words;
use super::super::damaged::damage;
use super::{any_level, any_number, any_size};
use crate::support::any_unit;
use crate::support::draw::{Bytes, Draw};
use crate::support::library::{Coded, backends, fault, range_by_backend, to_words};
use df11_core::limits::BLOCK_BITS;
use df11_core::{Backend, Block, Error, Plain, Unit, Work, bf16, check_index, decode, decode_range, two_phase};
use df11_cpu::{Decoder, decode_batch};
use std::ops::Range;

/// Most weights of a unit, by a draw.
const MOST: [usize; 4] = [16, 300, 2000, 9000];

pub fn units(draw: &mut Bytes) {
    let most = MOST[draw.below(4) as usize];
    let mut coded = match draw.chance(50) {
        true => any_unit::write(draw, most).coded,
        false => Coded::by_core(&any_words(draw, most)),
    };
    let is_sound = draw.chance(50);
    if !is_sound {
        (0..1 + draw.below(3)).for_each(|_| damage(&mut coded, draw));
    }
    let Ok(unit) = coded.view().validate() else { return assert!(!is_sound) };
    let whole = decode_whole(&unit);
    assert!(whole.is_some() || !is_sound);
    for _ in 0..4 {
        places(&unit, draw);
        blocks(&unit, whole.as_deref(), draw);
        ranges(&unit, whole.as_deref(), draw);
        rows(&unit, whole.as_deref(), draw);
    }
    batch(&unit, whole.is_some(), draw);
}

fn decode_whole(unit: &Unit) -> Option<Vec<bf16>> {
    let mut whole = vec![bf16::ZERO; unit.weights() as usize];
    decode(unit, &mut whole).ok().map(|()| whole)
}

/// What a unit says of chunks, blocks and weights that it has, and of others.
fn places(unit: &Unit, draw: &mut Bytes) {
    let (weights, blocks, stream) = (unit.weights(), unit.blocks(), unit.view().encoded_exponent.len());
    assert!(unit.view().sizes().check_relations().is_ok());
    assert!(blocks == stream.div_ceil(4096) && weights == unit.view().sign_mantissa.len() as u64);
    assert!(
        unit.code().shortest() >= 1 && unit.lookup().find(draw.below(1 << 32) as u32).is_none_or(|found| found.1 >= 1)
    );
    let chunk = any_size(draw);
    assert!(unit.gap(chunk) < if chunk < 512 * blocks { 32 } else { 1 });
    let number = any_size(draw);
    let block = unit.block(number);
    if number < blocks {
        let next = unit.block(number + 1);
        assert!(block.weights.start <= block.weights.end && block.weights.end == next.weights.start);
        assert_eq!(block.first_bit, number as u64 * BLOCK_BITS + u64::from(unit.gap(512 * number)));
    } else {
        let end = Block { first_bit: blocks as u64 * BLOCK_BITS, weights: weights..weights };
        assert_eq!(block, end);
    }
    let weight = any_number(draw);
    let holder = unit.block_of(weight);
    assert!(if weight < weights { unit.block(holder).weights.contains(&weight) } else { holder == blocks });
    let mut end = 0;
    for matrix in unit.matrices() {
        assert!(matrix.start == end && matrix.end >= end);
        end = matrix.end;
    }
    assert_eq!(end, weights);
}

/// The work on one block, for blocks that exist and others, and any number of weights.
fn blocks(unit: &Unit, whole: Option<&[bf16]>, draw: &mut Bytes) {
    let blocks = unit.blocks();
    let block = if draw.chance(50) { draw.below(blocks as u64) as usize } else { any_size(draw) };
    let Range { start, end } = unit.block(block).weights;
    let expected = (end - start) as usize;
    let found = if draw.chance(70) { expected } else { any_number(draw).min(40_000) as usize };
    let mut weights = vec![bf16::ZERO; found];
    let decoded = two_phase::decode_block(unit, block, &mut weights);
    let checked = check_index(unit, block, &weights);
    let refused = match block {
        _ if block >= blocks => Some(Error::NoSuchBlock { block, blocks }),
        _ if found != expected => Some(Error::BufferSize { buffer: "weights", found, expected }),
        _ => None,
    };
    match (refused, whole) {
        (Some(refused), _) => assert!(decoded == Err(refused) && checked == Err(refused), "{decoded:?}, {checked:?}"),
        (None, Some(whole)) => {
            assert!(decoded == Ok(()) && checked == Ok(()), "{decoded:?}, {checked:?}");
            assert_eq!(to_words(&weights), to_words(&whole[start as usize..end as usize]));
        }
        (None, None) => {}
    }
}

/// Ranges by every decoder.
fn ranges(unit: &Unit, whole: Option<&[bf16]>, draw: &mut Bytes) {
    let first = if draw.chance(50) { draw.below(unit.weights()) } else { any_number(draw) };
    let count = draw.below(300);
    let inside = u128::from(first) + u128::from(count) <= u128::from(unit.weights());
    let refused = Error::RangePastEnd { first, count, weights: unit.weights() };
    match unit.blocks_of(first, count as usize) {
        Ok(blocks) => assert!(inside && blocks.is_empty() == (count == 0) && blocks.end <= unit.blocks()),
        Err(error) => assert!(!inside && error == refused),
    }
    let any = any_size(draw);
    let any_inside = u128::from(first) + any as u128 <= u128::from(unit.weights());
    assert_eq!(unit.blocks_of(first, any).is_ok(), any_inside);
    let mut weights = vec![bf16::ZERO; count as usize];
    let check = |name: &str, found: Result<(), Error>, weights: &[bf16]| match (inside, whole) {
        (false, _) => assert_eq!(found, Err(refused), "{name}"),
        (true, Some(whole)) => {
            assert_eq!(found, Ok(()), "{name}");
            assert_eq!(to_words(weights), to_words(&whole[first as usize..][..count as usize]), "{name}");
        }
        (true, None) => {}
    };
    check("core", decode_range(unit, first, &mut weights), &weights);
    for backend in backends() {
        weights.fill(bf16::ZERO);
        check(backend.name(), range_by_backend(&*backend, unit, first, &mut weights), &weights);
    }
    let decoder = Decoder::new(unit.borrowed(), any_level(draw));
    check("decoder", decoder.decode_range(first, &mut weights, Work::Pool), &weights);
    assert_eq!(decoder.unit().weights(), unit.weights());
}

/// Rows of any matrix, within the unit or not, forwards or backwards.
fn rows(unit: &Unit, whole: Option<&[bf16]>, draw: &mut Bytes) {
    let (near, columns) = (draw.chance(70), draw.below(40));
    let matrix = match near {
        true => draw.below(unit.weights())..unit.weights(),
        false => any_number(draw)..any_number(draw),
    };
    let most = if near { 1 + unit.weights() / 30 } else { u64::MAX };
    let rows: Vec<u64> = (0..draw.below(5)).map(|_| any_number(draw) % most).collect();
    let mut weights = vec![bf16::ZERO; rows.len() * columns as usize];
    let decoder = Decoder::new(unit.borrowed(), any_level(draw));
    let found = decoder.decode_rows(matrix.clone(), columns as usize, &rows, &mut weights, Work::Pool);
    let first = |row: u64| u128::from(matrix.start) + u128::from(row) * u128::from(columns);
    let most = u128::from(matrix.end.min(unit.weights()));
    let inside = columns == 0 || rows.iter().all(|&row| first(row) + u128::from(columns) <= most);
    match (inside, whole) {
        (false, _) => assert!(matches!(found, Err(Error::RangePastEnd { .. })), "{found:?}"),
        (true, Some(whole)) => {
            assert_eq!(found, Ok(()));
            let expected = rows.iter().flat_map(|&row| &whole[first(row) as usize..][..columns as usize]);
            assert!(weights.iter().zip(expected).all(|(one, other)| one.to_bits() == other.to_bits()));
        }
        (true, None) => {}
    }
    let any = any_size(draw);
    if any != columns as usize && !rows.is_empty() {
        let expected = rows.len().saturating_mul(any);
        let refused = Error::BufferSize { buffer: "weights", found: weights.len(), expected };
        assert_eq!(decoder.decode_rows(matrix, any, &rows, &mut weights, Work::Pool), Err(refused));
    }
}

/// Whole units, into buffers of their size and of others.
fn batch(unit: &Unit, is_sound: bool, draw: &mut Bytes) {
    let (level, expected) = (any_level(draw), unit.weights() as usize);
    let found = if draw.chance(50) { expected } else { any_number(draw).min(10_000) as usize };
    let (mut one, mut other) = (vec![bf16::ZERO; expected], vec![bf16::ZERO; found]);
    let decoder = Decoder::new(unit.borrowed(), level);
    assert_eq!(decoder.level(), level);
    let refused = Err(Error::BufferSize { buffer: "weights", found, expected });
    let plain = Plain.load(unit.borrowed()).and_then(|loaded| loaded.decode(&mut other, Work::Pool));
    let all = [fault(plain), decoder.decode(&mut other, Work::Pool), decode(unit, &mut other)];
    let mut units = [(Decoder::new(unit.borrowed(), level), &mut one[..]), (decoder, &mut other[..])];
    let batch = decode_batch(&mut units, Work::Pool);
    match is_sound {
        _ if found != expected => assert!(all == [refused; 3] && batch.is_err(), "{all:?}, {batch:?}"),
        true => assert!(all == [Ok(()); 3] && batch == Ok(()), "{all:?}, {batch:?}"),
        false => {}
    }
}
