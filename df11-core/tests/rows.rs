//! Rows that share blocks are decoded together.

use std::collections::BTreeSet;
use std::ops::Range;

use df11_core::limits::MAX_BLOCK_WEIGHTS;
use df11_core::{Error, SortedRows, Unit, bf16, decode_range};

/// Most blocks of a group.
const MOST: usize = 4;

/// What a look-up did: the weights found, the blocks decoded, the most weights of a call.
fn look_up(unit: &Unit, start: u64, columns: usize, rows: &[u64]) -> (Vec<bf16>, usize, usize) {
    let (mut found, mut blocks, mut most) = (vec![bf16::NAN; rows.len() * columns], 0, 0);
    let mut sorted = SortedRows::new(unit, start..unit.weights(), columns, rows, &mut found).unwrap();
    sorted
        .decode(MOST, |first, weights| {
            blocks += unit.blocks_of(first, weights.len())?.len();
            most = most.max(weights.len());
            decode_range(unit, first, weights)
        })
        .unwrap();
    (found, blocks, most)
}

fn unit(weights: &[bf16]) -> Unit<'static> {
    Unit::encode(weights, &[]).unwrap()
}

fn weights() -> Vec<bf16> {
    (0..400_000).map(|i| bf16::from_f32((i as f32 * 0.7).sin())).collect()
}

#[test]
fn a_block_is_decoded_once_for_all_rows_in_it() {
    let weights = weights();
    let unit = unit(&weights);
    assert!(unit.blocks() > 20);
    for (start, columns) in [(0, 1), (7, 3), (1, 64), (13, 1000), (100, 5000), (3, 40_000)] {
        let height = (unit.weights() - start) / columns as u64;
        let all: Vec<u64> = (0..height).collect();
        let backwards: Vec<u64> = all.iter().rev().copied().collect();
        let scattered: Vec<u64> = (0..300).map(|i| i * 0x9E37_79B9 % height).collect();
        let ends = vec![height - 1, 0, height - 1];
        for rows in [&all, &backwards, &scattered, &ends] {
            let (found, blocks, most) = look_up(&unit, start, columns, rows);
            for (&row, found) in rows.iter().zip(found.chunks(columns)) {
                let expected = &weights[start as usize + row as usize * columns..][..columns];
                assert!(found == expected, "row {row} of {columns}");
            }
            let blocks_of = |&row: &u64| unit.blocks_of(start + row * columns as u64, columns).unwrap();
            let touched = rows.iter().flat_map(blocks_of).collect::<BTreeSet<_>>().len();
            // The last block of a full group may be the first of the next.
            let again = if columns < 5000 { touched.div_ceil(MOST - 1) } else { touched };
            assert!((touched..=touched + again).contains(&blocks), "{columns}: {blocks} blocks decoded of {touched}");
            assert!(most <= columns.max(MOST * MAX_BLOCK_WEIGHTS), "{columns}: {most} weights at a time");
        }
    }
}

#[test]
fn a_row_asked_for_a_thousand_times_is_decoded_once() {
    let weights = weights();
    let unit = unit(&weights);
    for columns in [1, 700, 100_000] {
        let (found, blocks, most) = look_up(&unit, 0, columns, &[2; 1000]);
        assert_eq!((blocks, most), (unit.blocks_of(2 * columns as u64, columns).unwrap().len(), columns));
        assert!(found.chunks(columns).all(|row| row == &weights[2 * columns..][..columns]));
    }
}

#[test]
fn rows_that_are_not_there_are_refused_and_rows_of_nothing_never() {
    let unit = unit(&weights()[..5000]);
    let refused = |matrix, columns, rows: &[u64], output: &mut [bf16]| {
        SortedRows::new(&unit, matrix, columns, rows, output).unwrap_err()
    };
    let mut row = [bf16::NAN; 10];
    for (matrix, number) in [
        (0..5000, 500),
        (0..5000, u64::MAX),
        (4995..9000, 0),
        (u64::MAX - 20..u64::MAX, 1),
        (Range { start: 9, end: 0 }, 0),
    ] {
        let error = refused(matrix.clone(), 10, &[number], &mut row);
        assert!(matches!(error, Error::RangePastEnd { .. }), "{matrix:?}, {number}: {error}");
        let mut nothing = SortedRows::new(&unit, matrix, 0, &[number, 0], &mut []).unwrap();
        assert_eq!(nothing.groups(MOST).count(), 0);
    }
    let expected = Error::BufferSize { buffer: "weights", found: 10, expected: 0 };
    assert_eq!(refused(0..5000, 0, &[1], &mut row), expected);
}
