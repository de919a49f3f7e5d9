//! `Plan::published` gives the published compressor's bytes for any unit that it can write, and a
//! named fault for any that it cannot.
//!
//! The imitation in `support/published_writer.rs` shares nothing with the library, and is proved on
//! files of the published compressor.

mod support;

use df11_core::{Error, Work, bf16};
use df11_cpu::{Encoder, Level};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use support::draw::Bytes;
use support::library::{Coded, decode_with_all, published_encoders, to_bf16s};
use support::random::{Random, to_bf16};
use support::{adversarial, cases, published_kernel, published_writer, reference};

/// Enough for several blocks of most codes.
const MOST_WEIGHTS: usize = 30_000;

/// The outcome for a unit.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The same bytes as the imitation.
    Same,
    /// Bytes where the imitation has none: codes that are cut, or exponents from 240 on that still
    /// decode.
    Ours,
    /// No published code.
    Refused,
}

/// Writes a unit with every encoder, reads it with every decoder, and compares it with the
/// imitation.
fn outcome(weights: &[u16]) -> Result<Outcome, TestCaseError> {
    let mut all = published_encoders().into_iter().map(|(encoder, encode)| (encoder, encode(weights)));
    let (first, expected) = all.next().expect("an encoder");
    for (encoder, found) in all {
        prop_assert!(found == expected, "{} and {} differ", encoder, first);
    }
    let imitation = published_writer::write(weights);
    let coded = match (expected, &imitation) {
        (Ok(coded), _) => coded,
        (Err(fault), Ok(_)) => return Err(TestCaseError::fail(format!("{fault}, but the imitation writes it"))),
        (Err(_), Err(_)) => return Ok(Outcome::Refused),
    };
    let unit = coded.view().validate().map_err(|fault| TestCaseError::fail(fault.to_string()))?;
    for (decoder, found) in decode_with_all(&unit) {
        prop_assert_eq!(found.as_deref(), Ok(weights), "{}", decoder);
    }
    let found = reference::decode(&coded.raw());
    prop_assert_eq!(found.as_deref().map_err(String::as_str), Ok(weights));
    let Ok(imitation) = imitation else { return Ok(Outcome::Ours) };
    for ((tensor, expected), (_, found)) in imitation.tensors().into_iter().zip(coded.tensors()) {
        prop_assert!(expected == found, "{} differs", tensor);
    }
    Ok(Outcome::Same)
}

/// Exponents below 240 with counts from flat to steep.
fn counts() -> impl Strategy<Value = Vec<(u8, u64)>> {
    vec((0..240_u8, 1..3000_u64, 0..12_u32), 2..50)
        .prop_map(|list| list.into_iter().map(|(exponent, count, shift)| (exponent, (count >> shift) + 1)).collect())
}

proptest! {
    #[test]
    fn any_normal_weights_are_written_as_published(seed: u64, log in -30.0..2.0_f64, length in 2..MOST_WEIGHTS) {
        let mut random = Random::new(seed);
        let weights: Vec<u16> = (0..length).map(|_| to_bf16(log.exp2() * random.normal())).collect();
        outcome(&weights)?;
    }

    #[test]
    fn any_histogram_is_written_as_published(counts in counts(), seed: u64) {
        outcome(&cases::of_counts(&counts, seed))?;
    }

    #[test]
    fn any_adversary_is_written_as_published_or_refused(choices in vec(any::<u8>(), 0..200)) {
        outcome(&adversarial::weights(&mut Bytes::new(&choices), MOST_WEIGHTS))?;
    }
}

#[track_caller]
fn outcome_of(weights: &[u16]) -> Outcome {
    outcome(weights).expect("it is written as published")
}

#[test]
fn typical_weights_have_a_published_code() {
    let mut random = Random::new(5);
    let weights: Vec<u16> = (0..200_000).map(|_| to_bf16(0.02 * random.normal())).collect();
    assert_eq!(outcome_of(&weights), Outcome::Same);
}

/// The stream ends around the end of its first block, with a long code last: on a byte or not, in
/// its own block and chunk or not.
#[test]
fn the_end_of_a_stream_is_written_as_published_wherever_it_falls() {
    let (rarest, others) = (100 << 7, (1..9).map(|rank| (100 + rank, 1 << rank)).collect::<Vec<(u8, u64)>>());
    let tail = [cases::of_counts(&others, 1), vec![rarest]].concat();
    let weights = |common: usize| [vec![99 << 7; common], tail.clone()].concat();
    let bytes = |coded: &Coded| coded.encoded_exponent.len();
    let published = |common: usize| Coded::published_by_core(&weights(common)).expect("it has a published code");
    // The most frequent exponent has the code of 1 bit.
    let at_the_end = 32_000 + 32_768 - 8 * bytes(&published(32_000));
    let (mut fewer_positions, mut straddling) = (0, 0);
    for common in at_the_end - 20..at_the_end + 40 {
        assert_eq!(outcome_of(&weights(common)), Outcome::Same, "{common}");
        let coded = published(common);
        let blocks = bytes(&coded).div_ceil(4096);
        fewer_positions += usize::from(coded.output_positions.len() == 4 * blocks);
        straddling += usize::from(coded.output_positions.len() == 4 * (blocks + 1) && blocks == 2);
    }
    assert!(fewer_positions > 0 && straddling > 0, "{fewer_positions}, {straddling}");
}

#[test]
fn where_the_published_compressor_stops_its_code_is_refused_by_name() {
    let one_exponent = [0x3F80; 1000];
    assert_eq!(Coded::published_by_core(&one_exponent), Err(Error::EndTakesFirstEntry));
    assert_eq!(outcome_of(&one_exponent), Outcome::Refused);
    assert_eq!(Coded::published_by_core(&[]), Err(Error::NoWeights));
}

#[test]
fn a_high_exponent_that_the_published_kernel_would_take_for_a_pointer_is_refused() {
    let weights = cases::of_counts(&[(120, 400), (121, 300), (122, 200), (255, 100)], 1);
    let fault = Coded::published_by_core(&weights).expect_err("refused");
    assert!(matches!(fault, Error::HighExponentCodeTooShort { exponent: 255, .. }), "{fault}");
    assert_eq!(outcome_of(&weights), Outcome::Refused);
}

/// Each exponent occurs as often as the two before it together, plus `more`. So each code is one
/// bit longer, as long as equal counts are joined in order of exponent, or there are none.
fn ladder(exponents: impl IntoIterator<Item = u8>, more: u64) -> Vec<(u8, u64)> {
    let mut next = (1, 1);
    let mut step = |exponent| {
        let count = next.0;
        next = (next.1, next.0 + next.1 + more);
        (exponent, count)
    };
    exponents.into_iter().map(&mut step).collect()
}

#[test]
fn a_high_exponent_with_a_code_of_more_than_24_bits_is_kept_in_its_published_code() {
    let weights = cases::of_counts(&ladder([255, 254].into_iter().chain(60..86), 1), 3);
    let coded = Coded::published_by_core(&weights).expect("the fourth level holds high exponents");
    assert_eq!(outcome_of(&weights), Outcome::Ours);
    assert_eq!(published_kernel::decode(&coded.raw(), 0), Ok(weights));
}

#[test]
fn codes_of_more_than_32_bits_are_cut_and_decode() {
    let weights = cases::of_counts(&ladder(60..60 + 33, 0), 3);
    let fault = published_writer::write(&weights).expect_err("the imitation does not cut");
    assert!(fault.contains("32 bits"), "{fault}");
    assert_eq!(outcome_of(&weights), Outcome::Ours);
}

#[test]
fn more_tables_than_there_are_are_refused() {
    // A spike, and 200 exponents that share the rest: many second-level tables.
    let mut counts: Vec<(u8, u64)> = (0..200).map(|exponent| (exponent, 2 + u64::from(exponent) % 3)).collect();
    counts.push((220, 3_000_000));
    let weights = cases::of_counts(&counts, 9);
    let fault = Coded::published_by_core(&weights).expect_err("refused");
    assert!(matches!(fault, Error::TooManyTables { .. }), "{fault}");
    assert_eq!(outcome_of(&weights), Outcome::Refused);
}

#[test]
fn any_number_of_threads_writes_the_published_bytes() {
    let mut random = Random::new(7);
    let weights: Vec<u16> = (0..700_000).map(|_| to_bf16(0.02 * random.normal())).collect();
    let expected = published_writer::write(&weights).expect("the imitation writes it");
    let weights: Vec<bf16> = to_bf16s(&weights);
    for level in Level::available() {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let encoder = Encoder::new(level, Work::Pool);
            let parts = pool.install(|| {
                let plan = encoder.plan_published(&weights).expect("it has a published code");
                encoder.encode_to_parts(&weights, &plan).expect("a planned unit is encoded")
            });
            let same = parts.encoded_exponent == expected.encoded_exponent
                && parts.luts == expected.luts
                && parts.gaps == expected.gaps
                && parts.output_positions == expected.output_positions;
            assert!(same, "{level}, {threads} threads");
        }
    }
}
