//! Every decoder brings back every case bit for bit, from what every encoder writes.
//!
//! The decoders are the library's (`support/library.rs` lists them), the reference decoder, and the
//! published kernel (emulated).

mod support;

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Instant;

use df11_core::limits::{
    BLOCK_BITS, BLOCK_BYTES, FIRST_POINTER, MAX_CODE_BITS, MAX_TABLES, PUBLISHED_MAX_BLOCK_WEIGHTS,
};
use df11_core::{Work, bf16};
use support::cases::{self, Case};
use support::library::{Coded, backends, decode_with_all, encoders, range_by_backend, to_words};
use support::optimum::Optimum;
use support::random::Random;
use support::{assert_same_words, on_all_processors, published_kernel, published_writer, reference};

/// [`cases::full`], made once for all tests.
fn all_cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(cases::full)
}

/// [`cases::short`], made once for all tests.
fn short_cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(cases::short)
}

/// The heart of this file: one unit goes through every decoder.
fn every_decoder_returns(name: &str, expected: &[u16], coded: &Coded) {
    our_decoders_return(name, expected, coded);
    for seed in 0..2 {
        let what = format!("{name}, published kernel, registers {seed}");
        let weights = published_kernel::decode(&coded.raw(), seed).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_same_words(&what, expected, &weights);
    }
}

fn our_decoders_return(name: &str, expected: &[u16], coded: &Coded) {
    let unit = coded.view().validate().unwrap_or_else(|e| panic!("{name}: {e}"));
    for (decoder, weights) in decode_with_all(&unit) {
        let what = format!("{name}, {decoder}");
        assert_same_words(&what, expected, &weights.unwrap_or_else(|e| panic!("{what}: {e}")));
    }
    let weights = reference::decode(&coded.raw()).unwrap_or_else(|e| panic!("{name}, reference: {e}"));
    assert_same_words(&format!("{name}, reference"), expected, &weights);
}

#[test]
fn every_case_survives_every_encoder_and_decoder() {
    on_all_processors(all_cases(), |case| {
        for (encoder, encode) in encoders() {
            every_decoder_returns(&format!("{}, encoder {encoder}", case.name), &case.weights, &encode(&case.weights));
        }
    });
}

#[test]
fn every_encoder_writes_the_same_bytes() {
    on_all_processors(short_cases(), |case| {
        let expected = Coded::by_core(&case.weights);
        for (encoder, encode) in encoders() {
            assert!(encode(&case.weights) == expected, "{}, encoder {encoder}", case.name);
        }
    });
}

#[test]
fn every_range_is_the_same_part_of_the_whole() {
    on_all_processors(short_cases(), |case| {
        let coded = Coded::by_core(&case.weights);
        let unit = coded.view().validate().expect("what we write is valid");
        let all = case.weights.len();
        let starts = (0..unit.blocks()).map(|block| unit.block(block).weights.start as usize);
        let mut borders: Vec<usize> = starts.flat_map(|s| [s.saturating_sub(1), s, s + 1]).chain([0, all]).collect();
        let mut random = Random::new(all as u64);
        borders.extend((0..6).map(|_| random.below(all as u64 + 1) as usize));
        borders.retain(|&border| border <= all);
        for backend in backends() {
            for _ in 0..40 {
                let [a, b] = [0, 1].map(|_| borders[random.below(borders.len() as u64) as usize]);
                // Long ranges are one in four, because they cost time.
                let (from, to) = (a.min(b), if random.below(4) == 0 { a.max(b) } else { all.min(a.min(b) + 700) });
                let mut part = vec![bf16::NAN; to - from];
                let what = format!("{}, backend {}, {from}..{to}", case.name, backend.name());
                range_by_backend(&*backend, &unit, from as u64, &mut part).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_same_words(&what, &case.weights[from..to], &to_words(&part));
            }
            let mut past = vec![bf16::NAN; 2];
            assert!(
                range_by_backend(&*backend, &unit, all as u64 - 1, &mut past).is_err(),
                "{}: past the end",
                case.name
            );
        }
    });
}

/// Rows in any order, repeated, of a matrix that begins at an odd place; short ones and long ones.
#[test]
fn rows_of_any_matrix_come_back_from_every_backend() {
    let case = named("real_like");
    let coded = Coded::by_core(&case.weights);
    let unit = coded.view().validate().expect("what we write is valid");
    let (start, all) = (13, case.weights.len());
    for backend in backends() {
        let loaded = backend.load(unit.borrowed()).expect("a valid unit");
        for columns in [1, 31, 4096, all - 13] {
            let height = ((all - start) / columns) as u64;
            let rows: Vec<u64> = (0..200).map(|i| (i * i * 31 + 7) % height).collect();
            let mut found = vec![bf16::NAN; rows.len() * columns];
            let decoded = loaded.decode_rows(start as u64..all as u64, columns, &rows, &mut found, Work::Pool);
            decoded.unwrap_or_else(|e| panic!("backend {}, {columns} columns: {e}", backend.name()));
            for (&row, found) in rows.iter().zip(found.chunks(columns)) {
                let expected = &case.weights[start + row as usize * columns..][..columns];
                assert_same_words(&format!("backend {}, row {row}", backend.name()), expected, &to_words(found));
            }
        }
    }
}

/// Whatever the matrix, in the unit or not: there is nothing to decode.
#[test]
fn rows_of_nothing_are_decoded_by_every_backend() {
    let coded = Coded::by_core(&named("gaussian_1000").weights);
    let unit = coded.view().validate().expect("what we write is valid");
    for backend in backends() {
        let loaded = backend.load(unit.borrowed()).expect("a valid unit");
        for matrix in [0..1000, 500..9000, 5000..6000, Range { start: 6000, end: 5000 }, u64::MAX..u64::MAX] {
            let decoded = loaded.decode_rows(matrix.clone(), 0, &[0, 3, u64::MAX], &mut [], Work::Pool);
            assert!(decoded.is_ok(), "backend {}, {matrix:?}: {decoded:?}", backend.name());
        }
    }
}

/// A backend that decodes a block for each row in it takes twenty times as long as it may here.
#[test]
fn short_rows_cost_no_block_each() {
    const ROWS: u64 = 2000;
    let words: Vec<u16> = (0..40_000u32).map(|i| (120 + u16::from(i % 300 == 0)) << 7 | (i % 128) as u16).collect();
    let coded = Coded::by_core(&words);
    let unit = coded.view().validate().expect("what we write is valid");
    let shortest = |work: &mut dyn FnMut()| {
        let time = |_| {
            let begin = Instant::now();
            work();
            begin.elapsed()
        };
        (0..3).map(time).min().expect("three runs")
    };
    for backend in backends() {
        let loaded = backend.load(unit.borrowed()).expect("a valid unit");
        let mut block = vec![bf16::NAN; 32_000];
        let whole = shortest(&mut || loaded.decode_range(0, &mut block, Work::ThisThread).expect("a block"));
        let rows: Vec<u64> = (0..ROWS).map(|i| i * 16).collect();
        let mut found = vec![bf16::NAN; rows.len()];
        let by_row =
            shortest(&mut || loaded.decode_rows(0..40_000, 1, &rows, &mut found, Work::ThisThread).expect("rows"));
        assert!(by_row < 100 * whole, "backend {}: {by_row:?}, a block takes {whole:?}", backend.name());
    }
}

/// There is no raw form to fall back on: even if coding saves nothing, a unit is six tensors with a
/// code for every exponent.
#[test]
fn all_65536_words_are_really_coded() {
    for name in ["every_word", "every_word_in_300k_gaussian", "random_words"] {
        let case = named(name);
        let coded = Coded::by_core(&case.weights);
        let unit = coded.view().validate().expect("what we write is valid");
        assert_eq!(unit.code().exponents().count(), 256, "{name}");
        assert_eq!(coded.sign_mantissa.len(), case.weights.len(), "{name}");
        for high in FIRST_POINTER..=255 {
            assert!(
                unit.code().lengths()[usize::from(high)] > 24,
                "{name}: exponent {high} would be taken for a pointer"
            );
        }
        let bits: u64 =
            case.weights.iter().map(|word| u64::from(unit.code().lengths()[usize::from(word >> 7 & 0xFF)])).sum();
        assert_eq!(coded.encoded_exponent.len() as u64, bits.div_ceil(8), "{name}");
    }
}

/// An encoder that saves tables rarely needs the longest codes, so one case must force them.
#[test]
fn codes_of_32_bits_are_among_the_cases() {
    let coded = Coded::by_core(&named("spike_and_flat_with_high_ladder").weights);
    let unit = coded.view().validate().expect("what we write is valid");
    assert_eq!(unit.code().longest(), 32);
}

#[test]
fn no_unit_takes_more_tables_than_there_are() {
    on_all_processors(all_cases(), |case| {
        let (optimum, coded) = (Optimum::of(&case.weights), Coded::by_core(&case.weights));
        if case.beyond_tables {
            assert!(optimum.tables > MAX_TABLES, "{}: the optimum takes {} tables", case.name, optimum.tables);
        }
        let tables = coded.luts.len() / 256 - 1;
        assert!((1..=MAX_TABLES).contains(&tables), "{}: {tables} tables", case.name);
    });
}

/// Counts stream and tables together: a longer stream may save a table.
#[test]
fn no_code_costs_more_than_huffmans_where_that_can_be_written() {
    let compared = AtomicUsize::new(0);
    on_all_processors(all_cases(), |case| {
        let (optimum, coded) = (Optimum::of(&case.weights), Coded::by_core(&case.weights));
        let huffman = optimum.bits.div_ceil(8) as usize + 256 * (optimum.tables + 1);
        let ours = coded.encoded_exponent.len() + coded.luts.len();
        // Codes of 1 bit may be out of bounds: a block of fewer than 32768 / 23550 bits per weight
        // does not launch.
        let launches = optimum.bits * PUBLISHED_MAX_BLOCK_WEIGHTS > BLOCK_BITS * case.weights.len() as u64;
        if launches && !optimum.high && optimum.longest <= MAX_CODE_BITS && optimum.tables <= MAX_TABLES {
            assert!(ours <= huffman, "{}: {ours} bytes of stream and tables, Huffman's take {huffman}", case.name);
            compared.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(compared.into_inner() > 100);
}

/// The published compressor leaves out the position of a last block in which no code starts, if the
/// stream ends on a byte.
#[test]
fn a_missing_last_position_is_accepted_where_the_published_tool_leaves_it_out() {
    let case = named("last_code_straddles_and_ends_on_a_byte");
    let mut coded = Coded::by_core(&case.weights);
    assert_eq!(coded.encoded_exponent.len(), 4 * BLOCK_BYTES + 1, "the last code runs one byte into the fifth block");
    let last = coded.output_positions.split_off(4 * 5);
    assert_eq!(
        (&coded.output_positions[4 * 4..], &last[..]),
        (&last[..], &(case.weights.len() as u32).to_le_bytes()[..])
    );
    every_decoder_returns(&case.name, &case.weights, &coded);
}

/// Codes of a tree, an end-of-stream symbol, stale entries: the units found in practice. The
/// published kernel itself does not decode all of them: full blocks do not launch, and past the
/// stream its registers may lead it to an entry without a length.
#[test]
fn whatever_the_published_compressor_can_write_is_read() {
    let longest = AtomicU8::new(0);
    on_all_processors(all_cases(), |case| {
        let Ok(coded) = published_writer::write(&case.weights) else { return };
        let lengths = coded.luts.rchunks(256).next().expect("a row of lengths");
        longest.fetch_max(*lengths.iter().max().expect("256 lengths"), Ordering::Relaxed);
        let name = format!("{}, published compressor", case.name);
        our_decoders_return(&name, &case.weights, &coded);
        match published_kernel::decode(&coded.raw(), 0) {
            Ok(weights) => assert_same_words(&name, &case.weights, &weights),
            Err(e) => assert!(e.contains("launch refused") || e.contains("for ever"), "{name}, published kernel: {e}"),
        }
    });
    assert_eq!(longest.into_inner(), 32, "a ladder of 31 bits and the end-of-stream symbol make one of 32");
}

/// After the last code the published compressor writes the bits of its end-of-stream code, and
/// their gap.
#[test]
fn whatever_stands_behind_the_last_code_is_ignored() {
    for (seed, name) in [(1, "gaussian_1000"), (2, "real_like"), (3, "last_code_straddles_by_1_bit")] {
        let case = named(name);
        let mut coded = Coded::by_core(&case.weights);
        let mut random = Random::new(seed);
        let unit = coded.view().validate().expect("what we write is valid");
        let lengths = case.weights.iter().map(|word| u64::from(unit.code().lengths()[usize::from(word >> 7 & 0xFF)]));
        let (mut end, mut last_start) = (0, 0);
        lengths.for_each(|length| (last_start, end) = (end, end + length));
        if end % 8 > 0 {
            *coded.encoded_exponent.last_mut().expect("a stream") ^= random.next() as u8 & (0xFF >> (end % 8));
        }
        let first_free_bit = (last_start / 64 + 1) * 5;
        for bit in first_free_bit..coded.gaps.len() as u64 * 8 {
            coded.gaps[(bit / 8) as usize] |= (random.next() as u8 & 1) << (7 - bit % 8);
        }
        every_decoder_returns(name, &case.weights, &coded);
    }
}

fn named(name: &str) -> Case {
    short_cases().iter().find(|case| case.name == name).expect("the case is in the list").clone()
}
