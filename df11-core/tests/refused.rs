//! What a reader refuses: every error that FORMAT.md names, caused by the smallest damage that
//! gives it.

mod arrays;

use arrays::{Arrays, weights};
use df11_core::{
    Error, PartSizes, PartsMut, Plan, bf16, bf16_word, check_index, decode, decode_range, encode, two_phase,
};

#[test]
fn a_whole_unit_is_accepted() {
    let weights = weights();
    let arrays = Arrays::of(&weights);
    let unit = arrays.view().validate().unwrap();
    assert_eq!(unit.blocks(), 3);
    let mut restored = vec![bf16::ZERO; weights.len()];
    decode(&unit, &mut restored).unwrap();
    assert_eq!(restored, weights);
}

fn sizes(arrays: &Arrays) -> PartSizes {
    PartSizes {
        encoded_exponent: arrays.encoded_exponent.len(),
        sign_mantissa: arrays.sign_mantissa.len(),
        luts: arrays.luts.len(),
        gaps: arrays.gaps.len(),
        output_positions: arrays.output_positions.len(),
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let good = Arrays::of(&weights());
    let damaged = |damage: fn(&mut Arrays)| {
        let mut arrays = good.clone();
        damage(&mut arrays);
        let error = arrays.refused();
        // A reader that knows only the sizes refuses the same.
        let told = !matches!(error, Error::SplitPositionsSize { .. } | Error::OutputPositionsEnd { .. });
        assert_eq!(sizes(&arrays).check_relations(), if told { Err(error) } else { Ok(()) });
        error
    };
    assert_eq!(sizes(&good).check_relations(), Ok(()));
    assert_eq!(damaged(|a| a.sign_mantissa.clear()), Error::NoWeights);
    assert_eq!(damaged(|a| a.encoded_exponent.clear()), Error::NoStream);
    assert_eq!(damaged(|a| a.gaps.truncate(640)), Error::GapsSize { found: 640, expected: 960 });
    assert_eq!(damaged(|a| a.encoded_exponent.truncate(8192)), Error::GapsSize { found: 960, expected: 640 });
    assert_eq!(damaged(|a| a.luts.push(0)), Error::TablesSize { found: good.luts.len() + 1 });
    assert_eq!(damaged(|a| a.luts.truncate(256)), Error::TablesSize { found: 256 });
    assert_eq!(damaged(|a| a.luts.resize(19 * 256, 0)), Error::TablesSize { found: 19 * 256 });
    let expected = 16;
    assert_eq!(damaged(|a| a.output_positions.truncate(8)), Error::OutputPositionsSize { found: 8, expected });
    assert_eq!(damaged(|a| a.output_positions.push(0)), Error::OutputPositionsSize { found: 17, expected });
    assert_eq!(damaged(|a| a.output_positions.resize(20, 0)), Error::OutputPositionsSize { found: 20, expected });
    assert_eq!(damaged(|a| a.split_positions.push(0)), Error::SplitPositionsSize { found: 1 });
    assert_eq!(damaged(|a| a.sign_mantissa.push(0)), Error::OutputPositionsEnd { found: 30_000, expected: 30_001 });
    let fewer = damaged(|a| a.sign_mantissa.truncate(29_999));
    assert_eq!(fewer, Error::OutputPositionsEnd { found: 30_000, expected: 29_999 });
}

#[test]
#[cfg(target_pointer_width = "64")]
fn what_is_too_large_is_refused_by_its_size_alone() {
    use df11_core::UnitView;
    use df11_core::limits::{BLOCK_BYTES, BLOCK_GAP_BYTES, MAX_STREAM_BYTES, MAX_WEIGHTS};
    // 4 GiB that nobody touches take no memory
    let (zeros, good) = (vec![0; MAX_WEIGHTS as usize + 1], Arrays::of(&weights()));
    let refused = |bytes: u64, weights: u64| {
        let (encoded_exponent, sign_mantissa) = (&zeros[..bytes as usize], &zeros[..weights as usize]);
        UnitView { encoded_exponent, sign_mantissa, ..good.view() }.validate().map(|_| ()).unwrap_err()
    };
    let bytes = good.encoded_exponent.len() as u64;
    assert_eq!(refused(bytes, MAX_WEIGHTS + 1), Error::TooManyWeights { found: MAX_WEIGHTS + 1 });
    assert_eq!(refused(bytes, MAX_WEIGHTS), Error::OutputPositionsEnd { found: 30_000, expected: MAX_WEIGHTS });
    let (max, sound) = (usize::MAX, sizes(&good));
    let found = u64::MAX;
    assert_eq!(PartSizes { sign_mantissa: max, ..sound }.check_relations(), Err(Error::TooManyWeights { found }));
    assert_eq!(PartSizes { encoded_exponent: max, ..sound }.check_relations(), Err(Error::StreamTooLong { found }));
    assert_eq!(refused(MAX_STREAM_BYTES + 1, 30_000), Error::StreamTooLong { found: MAX_STREAM_BYTES + 1 });
    let expected = (MAX_STREAM_BYTES as usize).div_ceil(BLOCK_BYTES) * BLOCK_GAP_BYTES;
    assert_eq!(refused(MAX_STREAM_BYTES, 30_000), Error::GapsSize { found: 960, expected });
}

#[test]
fn a_single_block_needs_its_two_output_positions() {
    let mut arrays = Arrays::of(&weights()[..9]);
    arrays.output_positions.truncate(4);
    assert_eq!(arrays.refused(), Error::OutputPositionsSize { found: 4, expected: 8 });
}

#[test]
fn index_entries_out_of_order_are_refused() {
    let good = Arrays::of(&weights());
    let mut arrays = good.clone();
    arrays.gaps[0] |= 1 << 3;
    assert_eq!(arrays.refused(), Error::FirstGapNotZero { found: 1 });
    let mut arrays = good.clone();
    arrays.set_position(0, 7);
    assert_eq!(arrays.refused(), Error::FirstOutputPositionNotZero { found: 7 });
    let mut arrays = good.clone();
    arrays.set_position(1, 20_000);
    arrays.set_position(2, 19_999);
    let most = 10_923;
    assert_eq!(arrays.refused(), Error::BlockHoldsTooManyWeights { block: 0, found: 20_000, most });
    arrays.set_position(1, most as u32);
    arrays.set_position(2, most as u32 - 1);
    assert_eq!(arrays.refused(), Error::OutputPositionsFall { block: 1, first: most, end: most - 1 });
    for (splits, index, least) in [(&[-1i64][..], 0, 0), (&[5, 4], 1, 5), (&[0, 30_001], 1, 0), (&[i64::MIN], 0, 0)] {
        let mut arrays = good.clone();
        arrays.set_splits(splits);
        let found = splits[index];
        assert_eq!(arrays.refused(), Error::SplitPositionOutOfOrder { index, found, least, most: 30_000 });
    }
    let mut arrays = good;
    arrays.set_splits(&[0, 10_000, 10_000, 30_000]);
    let unit = arrays.view().validate().unwrap();
    assert!(unit.matrices().eq([0..0, 0..10_000, 10_000..10_000, 10_000..30_000, 30_000..30_000]));
}

#[test]
fn a_block_with_fewer_weights_than_fill_it_is_refused_unless_it_is_the_last() {
    let good = Arrays::of(&weights());
    let least = 32_768 / 25; // codes have up to 25 bits
    let with = |second: u64, third: u64| {
        let mut arrays = good.clone();
        arrays.set_position(1, second as u32);
        arrays.set_position(2, third as u32);
        arrays
    };
    let few = |block: usize, found: u64| Error::BlockHoldsTooFewWeights { block, found, least };
    assert_eq!(with(0, 10_000).refused(), few(0, 0));
    assert_eq!(with(least - 1, 10_000).refused(), few(0, least - 1));
    assert_eq!(with(10_000, 10_000).refused(), few(1, 0));
    assert_eq!(with(10_000, 9_999 + least).refused(), few(1, least - 1));
    assert!(with(8_200, 19_100).view().validate().is_ok());
    // A stream that goes on for a whole block after the last code.
    let mut longer = Arrays::of(&weights()[..100]);
    longer.encoded_exponent.resize(4096 + 1, 0);
    longer.gaps.resize(640, 0);
    longer.output_positions = [0u32, 100, 100].iter().flat_map(|position| position.to_le_bytes()).collect();
    let least = 32_768 / 3; // these have codes of up to 3 bits
    assert_eq!(longer.refused(), Error::BlockHoldsTooFewWeights { block: 0, found: 100, least });
}

#[test]
fn codes_that_the_tables_cannot_mean_are_refused() {
    let good = Arrays::of(&weights());
    let damaged = |exponent: u8, length: u8| {
        let mut arrays = good.clone();
        arrays.lengths()[usize::from(exponent)] = length;
        arrays.refused()
    };
    assert_eq!(damaged(5, 33), Error::CodeTooLong { exponent: 5, length: 33 });
    assert_eq!(damaged(255, 24), Error::HighExponentCodeTooShort { exponent: 255, length: 24 });
    assert_eq!(damaged(5, 9), Error::CodeNotInTables { exponent: 5, length: 9 });
    assert_eq!(damaged(120, 1), Error::CodeNotInTables { exponent: 120, length: 1 });
    let mut arrays = good.clone();
    arrays.lengths().fill(0);
    assert_eq!(arrays.refused(), Error::NoCodes);
}

#[test]
fn a_pointer_that_loops_or_leads_nowhere_reaches_no_code() {
    let good = Arrays::of(&weights());
    // Table 0 points to table 1 after its last used entry. Table 1 now points to itself, to table
    // 0, and past the last table.
    for pointer in [255u8, 0, 240] {
        let mut arrays = good.clone();
        arrays.luts[256..512].fill(pointer);
        assert_eq!(arrays.refused(), Error::CodeNotInTables { exponent: 255, length: 25 }, "{pointer}");
    }
    // The third of four levels points to the table just after the last.
    let tables = good.luts.len() / 256 - 1;
    assert_eq!(tables, 4);
    let mut arrays = good.clone();
    arrays.luts[512..768].fill((256 - tables) as u8);
    assert_eq!(arrays.refused(), Error::CodeNotInTables { exponent: 255, length: 25 });
}

#[test]
fn a_stream_that_contradicts_its_index_fails() {
    let good = Arrays::of(&weights());
    let mut arrays = good.clone();
    arrays.set_position(1, u32::from_le_bytes(good.output_positions[4..8].try_into().unwrap()) - 1);
    assert_eq!(arrays.fails(), Error::BlockContradictsPositions { block: 0 });
    arrays.set_position(1, u32::from_le_bytes(good.output_positions[4..8].try_into().unwrap()) + 1);
    assert_eq!(arrays.fails(), Error::BlockContradictsPositions { block: 0 });
    let mut arrays = good.clone();
    arrays.gaps[320] ^= 0x08; // the first gap of block 1
    assert_eq!(arrays.fails(), Error::BlockContradictsPositions { block: 0 });
    let mut arrays = good.clone();
    arrays.gaps[1] ^= 0x40; // chunk 1 is bits 5..10
    assert!(matches!(arrays.fails(), Error::GapContradictsStream { chunk: 1, .. }));
    // One weight more than the stream holds.
    let mut arrays = good.clone();
    arrays.sign_mantissa.extend([0; 8]);
    arrays.set_position(3, 30_008);
    assert!(matches!(arrays.fails(), Error::StreamEndsEarly { .. }));
}

#[test]
fn bits_that_begin_no_code_fail() {
    let mut arrays = Arrays::of(&[bf16::ONE; 100]);
    assert_eq!(arrays.encoded_exponent, [0; 13]);
    arrays.encoded_exponent[5] = 0x10;
    assert_eq!(arrays.fails(), Error::NoSuchCode { weight: 43 });
}

#[test]
fn buffers_of_another_size_and_ranges_past_the_end_are_refused() {
    let weights = weights();
    let arrays = Arrays::of(&weights);
    let unit = arrays.view().validate().unwrap();
    let wrong = Error::BufferSize { buffer: "weights", found: 29_999, expected: 30_000 };
    assert_eq!(decode(&unit, &mut vec![bf16::ZERO; 29_999]), Err(wrong));
    let past = |first, count| Error::RangePastEnd { first, count, weights: 30_000 };
    assert_eq!(decode_range(&unit, 29_999, &mut [bf16::ZERO; 2]), Err(past(29_999, 2)));
    assert_eq!(decode_range(&unit, u64::MAX, &mut [bf16::ZERO; 2]), Err(past(u64::MAX, 2)));
    assert_eq!(decode_range(&unit, 30_000, &mut []), Ok(()));
    assert!(two_phase::decode_block(&unit, 0, &mut [bf16::ZERO; 2]).is_err());
    let plan = Plan::new(&weights).unwrap();
    let mut arrays = arrays.clone();
    arrays.gaps.pop();
    let parts = PartsMut {
        encoded_exponent: &mut arrays.encoded_exponent,
        sign_mantissa: &mut arrays.sign_mantissa,
        luts: &mut arrays.luts,
        gaps: &mut arrays.gaps,
        output_positions: &mut arrays.output_positions,
    };
    assert_eq!(encode(&weights, &plan, parts), Err(Error::BufferSize { buffer: "gaps", found: 959, expected: 960 }));
    assert_eq!(Plan::new(&[]).unwrap_err(), Error::NoWeights);
}

#[test]
fn ranges_equal_slices_of_the_whole() {
    let weights = weights();
    let arrays = Arrays::of(&weights);
    let unit = arrays.view().validate().unwrap();
    let borders: Vec<u64> = (0..unit.blocks()).map(|block| unit.block(block).weights.start).collect();
    for start in borders.iter().flat_map(|&b| [b.saturating_sub(1), b, b + 1]).chain([29_999]) {
        for count in [0, 1, 2, 63, 12_000].map(|count: u64| count.min(30_000 - start)) {
            let mut range = vec![bf16::ZERO; count as usize];
            decode_range(&unit, start, &mut range).unwrap();
            assert_eq!(range, weights[start as usize..][..count as usize]);
        }
    }
}

/// The last code reaches into a second block and ends there with a whole byte. The published tool
/// then writes one output position fewer.
#[test]
fn the_output_position_of_a_last_block_without_codes_may_be_missing() {
    // Codes of 1, 2 and 25 bits: 32,751 bits, and 25 more make 4097 bytes.
    let exponents = [(120, 12_751), (121, 10_000), (255, 1)];
    let weights: Vec<bf16> =
        exponents.iter().flat_map(|&(exponent, count)| vec![bf16_word::merge(exponent, 0); count]).collect();
    let mut arrays = Arrays::of(&weights);
    assert_eq!(arrays.encoded_exponent.len(), 4097);
    assert_eq!(arrays.output_positions.len(), 12);
    arrays.output_positions.truncate(8);
    let unit = arrays.view().validate().unwrap();
    assert_eq!((unit.blocks(), unit.block(1).weights.is_empty()), (2, true));
    let mut restored = vec![bf16::ZERO; weights.len()];
    decode(&unit, &mut restored).unwrap();
    assert_eq!(restored, weights);
}

#[test]
fn the_two_phases_name_what_contradicts_them() {
    let good = Arrays::of(&weights());
    let fails = |arrays: &Arrays, block: usize| {
        let unit = arrays.view().validate().unwrap();
        let range = unit.block(block).weights;
        two_phase::decode_block(&unit, block, &mut vec![bf16::ZERO; (range.end - range.start) as usize]).unwrap_err()
    };
    let unit = good.view().validate().unwrap();
    for chunk in [1, 2, 511, 512, 513, 1023] {
        let mut arrays = good.clone();
        let bit = chunk * 5 + 4;
        arrays.gaps[bit / 8] ^= 0x80 >> (bit % 8);
        let (gap, stream) = (unit.gap(chunk) ^ 1, unit.gap(chunk));
        let expected = Error::GapContradictsStream { chunk: chunk as u64, gap, stream };
        assert_eq!(fails(&arrays, (chunk - 1) / 512), expected, "chunk {chunk}");
    }
    let second = unit.block(1).weights.start as u32;
    for position in [second - 1, second + 1, second - 100] {
        let mut arrays = good.clone();
        arrays.set_position(1, position);
        assert_eq!(fails(&arrays, 0), Error::BlockContradictsPositions { block: 0 }, "{position} for {second}");
    }
    let mut arrays = Arrays::of(&[bf16::ONE; 100]);
    arrays.encoded_exponent[5] = 0x10;
    assert_eq!(fails(&arrays, 0), Error::NoSuchCode { weight: 43 });
    // 104 bits hold 104 weights, and no more
    let mut arrays = Arrays::of(&[bf16::ONE; 100]);
    arrays.sign_mantissa.extend([0; 5]);
    arrays.set_position(1, 105);
    assert_eq!(fails(&arrays, 0), Error::StreamEndsEarly { weight: 104 });
    assert_eq!(arrays.fails(), Error::StreamEndsEarly { weight: 104 });
}

#[test]
fn the_index_is_checked_against_known_weights() {
    let weights = weights();
    let good = Arrays::of(&weights);
    let blocks: Vec<_> = {
        let unit = good.view().validate().unwrap();
        (0..unit.blocks()).map(|block| unit.block(block).weights).collect()
    };
    let of = |block: usize| &weights[blocks[block].start as usize..blocks[block].end as usize];
    let check = |arrays: &Arrays, block: usize, weights: &[bf16]| {
        check_index(&arrays.view().validate().unwrap(), block, weights)
    };
    assert!((0..blocks.len()).all(|block| check(&good, block, of(block)).is_ok()));
    for chunk in [1, 2, 511, 513, 1023] {
        let mut arrays = good.clone();
        let bit = chunk * 5 + 4;
        arrays.gaps[bit / 8] ^= 0x80 >> (bit % 8);
        let found = check(&arrays, chunk / 512, of(chunk / 512));
        assert!(matches!(found, Err(Error::GapContradictsStream { chunk: at, .. }) if at == chunk as u64), "{chunk}");
    }
    let mut arrays = good.clone();
    arrays.gaps[320] ^= 0x08; // the first gap of block 1
    assert_eq!(check(&arrays, 0, of(0)), Err(Error::BlockContradictsPositions { block: 0 }));
    let size = |found: usize| Error::BufferSize { buffer: "weights", found, expected: of(0).len() };
    assert_eq!(check(&good, 0, &of(0)[1..]), Err(size(of(0).len() - 1)));

    // Weights of another unit: none of the code, longer than the stream, longer than the block.
    let ones = Arrays::of(&[bf16::ONE; 100]);
    assert_eq!(check(&ones, 0, &[bf16::ZERO; 100]), Err(Error::NoSuchCode { weight: 0 }));
    // 104 codes of 1 bit fill 13 bytes.
    assert_eq!(check(&Arrays::of(&[bf16::ONE; 104]), 0, &[bf16::ONE; 104]), Ok(()));
    let mut short = Arrays::of(&[bf16::ONE; 100]);
    short.sign_mantissa.extend([0; 5]);
    short.set_position(1, 105);
    assert_eq!(check(&short, 0, &[bf16::ONE; 105]), Err(Error::StreamEndsEarly { weight: 104 }));
    let lengths = good.view().validate().unwrap().code().lengths().to_owned();
    let longest = (0..=255u8).max_by_key(|&exponent| lengths[usize::from(exponent)]).unwrap();
    let longest = vec![bf16::from_bits(u16::from(longest) << 7); of(0).len()];
    assert!(matches!(check(&good, 0, &longest), Err(Error::GapContradictsStream { .. })));
}

#[test]
fn an_error_says_in_a_sentence_what_was_found() {
    for (error, words) in [
        (Error::NoWeights, "at least one weight"),
        (Error::TooManyWeights { found: 77 }, "77 weights"),
        (Error::StreamTooLong { found: 77 }, "77 bytes"),
        (Error::BufferSize { buffer: "gaps", found: 7, expected: 8 }, "gaps has 7 elements, expected 8"),
        (Error::RangePastEnd { first: 1, count: 2, weights: 3 }, "2 weights from 1"),
        (Error::CodesOverlap { exponent: 3, other: 4 }, "3 and 4"),
        (Error::GapContradictsStream { chunk: 5, gap: 6, stream: 7 }, "chunk 5 is 6"),
        (Error::BlockContradictsPositions { block: 9 }, "block 9"),
    ] {
        let sentence = error.to_string();
        assert!(sentence.contains(words), "{sentence}");
    }
}
