//! Units that own their arrays, and the contract of backends on the plain decoder.

use std::sync::Arc;
use std::thread;

use df11_core::{
    Arrays, Backend, BackendError, Bytes, Error, Loaded, Plain, StableBytes, Unit, Work, bf16, decode, split_positions,
};

fn weights() -> Vec<bf16> {
    (0..60_000).map(|i| bf16::from_f32((i as f32 * 0.7).sin())).collect()
}

/// What a runtime keeps: no lifetime, so it can be moved to a thread.
struct Layer(Box<dyn Loaded>);

#[test]
fn a_unit_that_owns_its_arrays_outlives_everything_it_was_made_of() {
    let weights = weights();
    let layer = {
        let weights = weights.clone();
        Layer(Plain.load(Unit::encode(&weights, &[20_000, 40_000]).unwrap()).unwrap())
    };
    let found = thread::spawn(move || {
        let mut found = vec![bf16::ZERO; 60_000];
        layer.0.decode(&mut found, Work::ThisThread).map(|()| found)
    });
    assert!(found.join().unwrap().unwrap() == weights);
}

struct Arena(Arc<[u8]>, std::ops::Range<usize>);

// SAFETY: the arc's memory is one and the same for as long as it lives, and nobody can write to it.
unsafe impl StableBytes for Arena {
    fn bytes(&self) -> &[u8] {
        &self.0[self.1.clone()]
    }
}

#[test]
fn arrays_of_every_kind_of_storage_make_the_same_unit() {
    let weights = weights();
    let unit = Unit::encode(&weights, &[]).unwrap();
    let view = unit.view();
    let parts = [view.encoded_exponent, view.sign_mantissa, view.luts, view.gaps, view.output_positions];
    let arena: Arc<[u8]> = parts.concat().into();
    let mut next = 0;
    let in_arena = parts.map(|part| {
        next += part.len();
        Bytes::stable(Arena(arena.clone(), next - part.len()..next))
    });
    let kinds: [[Bytes<'_>; 5]; 4] = [
        parts.map(Bytes::from),
        parts.map(|part| Bytes::from(part.to_vec())),
        parts.map(|part| Bytes::from(Arc::<[u8]>::from(part))),
        in_arena,
    ];
    for [encoded_exponent, sign_mantissa, luts, gaps, output_positions] in kinds {
        let split_positions = Bytes::from(&[][..]);
        let arrays = Arrays { encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions };
        let unit = arrays.validate().unwrap();
        let mut found = vec![bf16::ZERO; weights.len()];
        decode(&unit, &mut found).unwrap();
        assert!(found == weights);
        assert_eq!(unit.into_arrays().view().luts, view.luts);
    }
}

#[test]
fn matrices_are_where_they_were_said_to_be() {
    let weights = weights();
    let unit = Unit::encode(&weights, &[1, 0, 59_998, 1]).unwrap();
    assert_eq!(unit.matrices().collect::<Vec<_>>(), [0..1, 1..1, 1..59_999, 59_999..60_000]);
    assert!(Unit::encode(&weights, &[60_000]).unwrap().matrices().eq(std::iter::once(0..60_000)));
    for matrices in [&[60_001][..], &[59_999], &[60_000, 1], &[u64::MAX, u64::MAX, 1]] {
        let refused = Unit::encode(&weights, matrices);
        assert!(matches!(refused, Err(Error::BufferSize { buffer: "matrices", .. })), "{matrices:?}");
    }
    assert_eq!(Unit::encode(&[], &[]).unwrap_err(), Error::NoWeights);
    assert_eq!(split_positions([3, 4, 5]), [3u64.to_le_bytes(), 7u64.to_le_bytes()].concat());
}

#[test]
fn tiles_are_whole_blocks_and_together_all_weights() {
    let unit = Unit::encode(&weights(), &[]).unwrap();
    for most in [0, 1, 7000, 20_000, 59_999, 60_000, u64::MAX] {
        let tiles: Vec<_> = unit.tiles(most).collect();
        assert_eq!((tiles[0].start, tiles[tiles.len() - 1].end), (0, 60_000), "{most}");
        assert!(tiles.windows(2).all(|pair| pair[0].end == pair[1].start), "{most}");
        for tile in tiles {
            let blocks = unit.block_of(tile.start)..unit.block_of(tile.end);
            assert_eq!(unit.block(blocks.start).weights.start, tile.start, "{most}");
            assert!(blocks.len() == 1 || tile.end - tile.start <= most, "{most}");
        }
    }
}

fn fault(result: Result<(), BackendError>) -> Error {
    match result {
        Err(BackendError::Unit(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_loaded_unit_gives_ranges_and_rows_and_refuses_what_it_has_not() {
    let weights = weights();
    let unit = Unit::encode(&weights, &[10_000, 50_000]).unwrap();
    let loaded = Plain.load(unit.borrowed()).unwrap();
    assert_eq!((Plain.name(), loaded.weights()), ("plain", 60_000));
    let mut found = vec![bf16::ZERO; 300];
    loaded.decode_range(59_700, &mut found, Work::Pool).unwrap();
    assert!(found == weights[59_700..]);
    loaded.decode_rows(10_000..60_000, 100, &[499, 0, 0], &mut found, Work::Pool).unwrap();
    assert!(found == [&weights[59_900..60_000], &weights[10_000..10_100], &weights[10_000..10_100]].concat());
    loaded.decode_rows(10_000..60_000, 0, &[5, u64::MAX], &mut [], Work::Pool).unwrap();

    let past = |first, count, weights| Error::RangePastEnd { first, count, weights };
    assert_eq!(fault(loaded.decode_range(59_701, &mut found, Work::Pool)), past(59_701, 300, 60_000));
    let row = |row, found: &mut [bf16]| fault(loaded.decode_rows(10_000..60_000, 300, &[row], found, Work::Pool));
    assert_eq!(row(166, &mut found), past(59_800, 300, 60_000));
    assert_eq!(row(u64::MAX, &mut found), past(u64::MAX, 300, 60_000));
    assert_eq!(
        fault(loaded.decode_rows(10_000..60_000, 299, &[0], &mut found, Work::Pool)),
        Error::BufferSize { buffer: "weights", found: 300, expected: 299 }
    );
    assert_eq!(
        fault(loaded.decode(&mut found, Work::Pool)),
        Error::BufferSize { buffer: "weights", found: 300, expected: 60_000 }
    );
}
