//! Units that own their arrays, tiles of any size, and rows and matrices that nobody has.

use super::super::any_words;
use super::{any_level, any_number, any_size};
use crate::support::draw::{Bytes, Draw};
use crate::support::library::to_bf16s;
use df11_core::{
    Arrays, Error, SortedRows, StableBytes, Unit, Work, bf16, check_matrices, decode, decode_range, row_starts,
    split_positions,
};
use df11_cpu::{Decoder, Encoder};
use std::sync::Arc;

struct Shared(Arc<[u8]>);

// SAFETY: the memory of an `Arc` is one and the same as long as it lives, and nobody can write to it.
unsafe impl StableBytes for Shared {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

pub fn owned(draw: &mut Bytes) {
    let weights: Vec<bf16> = to_bf16s(&any_words(draw, 2000));
    let first = draw.below(weights.len() as u64 + 1);
    let matrices: Vec<u64> = match draw.chance(70) {
        true => vec![first, weights.len() as u64 - first],
        false => (0..draw.below(4)).map(|_| any_number(draw)).collect(),
    };
    let is_whole =
        matrices.is_empty() || matrices.iter().map(|&count| u128::from(count)).sum::<u128>() == weights.len() as u128;
    assert_eq!(check_matrices(&weights, &matrices).is_ok(), is_whole);
    let plain = Unit::encode(&weights, &matrices);
    let encoder = Encoder::new(any_level(draw), Work::ThisThread);
    match (plain, encoder.unit(&weights, &matrices)) {
        (Ok(plain), Ok(fast)) => {
            assert_eq!(plain.view().encoded_exponent, fast.view().encoded_exponent);
            kept(plain, &weights, draw);
            kept(Decoder::new(fast, any_level(draw)).into_unit(), &weights, draw);
        }
        (plain, fast) => assert_eq!(plain.err(), fast.err()),
    }
    rows(draw);
}

/// The unit in other storage gives the same weights, tile by tile.
fn kept(unit: Unit<'static>, weights: &[bf16], draw: &mut Bytes) {
    let arrays = unit.into_arrays();
    let gaps = df11_core::Bytes::stable(Shared(Arc::from(&arrays.gaps[..])));
    let luts = Arc::<[u8]>::from(&arrays.luts[..]).into();
    let unit = Arrays { gaps, luts, ..arrays }.validate().expect("it was a unit before");
    let mut found = vec![bf16::ZERO; weights.len()];
    decode(&unit.borrowed(), &mut found).expect("it is sound");
    assert!(found.iter().zip(weights).all(|(found, weight)| found.to_bits() == weight.to_bits()));
    let mut end = 0;
    for tile in unit.tiles(any_number(draw)) {
        assert!(tile.start == end && tile.end > tile.start);
        end = tile.end;
    }
    assert_eq!(end, unit.weights());
    rows_of(&unit, weights, draw);
}

/// Rows of the unit, in any order and repeated, decoded in groups.
fn rows_of(unit: &Unit<'_>, weights: &[bf16], draw: &mut Bytes) {
    let columns = 1 + draw.below(40) as usize;
    let count = weights.len() / columns;
    let rows: Vec<u64> = (0..draw.below(6)).map(|_| draw.below(count.max(1) as u64)).collect();
    let most_blocks = any_size(draw);
    let mut found = vec![bf16::ZERO; rows.len() * columns];
    match SortedRows::new(unit, 0..unit.weights(), columns, &rows, &mut found) {
        Ok(mut sorted) => {
            for mut group in sorted.groups(most_blocks) {
                assert!(group.blocks().0 <= group.blocks().1);
                let mut scratch = vec![bf16::ZERO; group.scratch()];
                let (first, target) = group.target(&mut &mut scratch[..]);
                decode_range(unit, first, target).expect("it is sound");
                group.finish(&mut &scratch[..]);
            }
        }
        Err(error) => assert!(count == 0 && matches!(error, Error::RangePastEnd { .. })),
    }
    if count > 0 {
        let expected = rows.iter().flat_map(|&row| &weights[row as usize * columns..][..columns]);
        assert!(found.iter().zip(expected).all(|(found, weight)| found.to_bits() == weight.to_bits()));
    }
}

/// The starts of any rows, checked with numbers that do not overflow.
fn rows(draw: &mut Bytes) {
    let matrix = any_number(draw)..any_number(draw);
    let rows: Vec<u64> = (0..draw.below(4)).map(|_| any_number(draw)).collect();
    let columns = any_size(draw);
    let output = if draw.chance(80) { rows.len().saturating_mul(columns) } else { any_size(draw) };
    match row_starts(matrix.clone(), columns, &rows, output) {
        Err(error) => assert!(matches!(error, Error::BufferSize { found, .. } if found == output)),
        Ok(starts) => {
            for (start, &row) in starts.zip(&rows) {
                let first = u128::from(matrix.start) + u128::from(row) * columns as u128;
                let is_inside = columns == 0 || first + columns as u128 <= u128::from(matrix.end);
                assert_eq!(start.ok().map(u128::from), is_inside.then_some(first));
            }
        }
    }
    let matrices: Vec<u64> = (0..draw.below(4)).map(|_| any_number(draw)).collect();
    assert_eq!(split_positions(matrices.iter().copied()).len(), 8 * matrices.len().saturating_sub(1));
}
