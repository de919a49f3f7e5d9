//! Any weights come back: units that nobody thought of, each reduced to its smallest version if it
//! fails.
//!
//! `PROPTEST_CASES=10000 cargo test --test properties` tries more than the usual 256 cases per
//! property.

mod support;

use df11_core::{Error, Work, bf16};
use df11_cpu::{Decoder, Encoder, Level, decode_batch};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use support::agreement::{Verdict, verdict};
use support::any_unit::{self, AnyUnit};
use support::draw::{Bytes, Draw};
use support::library::{Coded, backends, by_backend, decode_with_all, encoders, range_by_backend, to_bf16s, to_words};
use support::{adversarial, cases, lies, published_kernel, published_writer, reference};

/// Enough for several blocks of most codes.
const MOST_WEIGHTS: usize = 30_000;
/// The number of weights of a unit that several threads share.
const SHARED_WEIGHTS: usize = 400_000;

/// Decodes with every decoder there is.
fn comes_back(weights: &[u16], coded: &Coded) -> Result<(), TestCaseError> {
    let unit = coded.view().validate().map_err(failed)?;
    for (decoder, found) in decode_with_all(&unit) {
        prop_assert_eq!(found.as_deref(), Ok(weights), "{}", decoder);
    }
    let found = reference::decode(&coded.raw());
    prop_assert_eq!(found.as_deref().map_err(String::as_str), Ok(weights));
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// Exponents with counts that are powers of two: steep and flat, few and many, low and high.
fn histogram() -> impl Strategy<Value = Vec<(u8, u64)>> {
    vec((any::<u8>(), 0..11_u32), 1..60).prop_map(|list| list.into_iter().map(|(e, log)| (e, 1 << log)).collect())
}

/// Choices for a generator. Fewer and smaller ones make a simpler unit.
fn choices() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

fn split_positions(cuts: &[usize]) -> Vec<u8> {
    cuts.iter().flat_map(|&cut| (cut as i64).to_le_bytes()).collect()
}

/// The bytes and weights that a pool of `threads` threads makes, unit by unit and in a batch.
fn with_threads(threads: usize, level: Level, weights: &[bf16]) -> (Coded, Vec<bf16>, Vec<bf16>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| {
        let encoder = Encoder::new(level, Work::Pool);
        let plan = encoder.plan(weights).expect("a unit of a test can be planned");
        let parts = encoder.encode_to_parts(weights, &plan).expect("a planned unit is encoded");
        let unit = parts.view(&[]).validate().expect("what we write is valid");
        let [mut alone, mut one, mut other] = [0, 1, 2].map(|_| vec![bf16::NAN; weights.len()]);
        Decoder::new(unit.borrowed(), level).decode(&mut alone, Work::Pool).expect("what we write is decoded");
        let mut batch = [
            (Decoder::new(unit.borrowed(), level), &mut one[..]),
            (Decoder::new(unit.borrowed(), level), &mut other[..]),
        ];
        decode_batch(&mut batch, Work::Pool).expect("what we write is decoded");
        assert!(to_words(&one) == to_words(&other), "two units of a batch differ");
        let view = parts.view(&[]);
        let coded = Coded {
            encoded_exponent: view.encoded_exponent.to_vec(),
            sign_mantissa: view.sign_mantissa.to_vec(),
            luts: view.luts.to_vec(),
            gaps: view.gaps.to_vec(),
            output_positions: view.output_positions.to_vec(),
            split_positions: Vec::new(),
        };
        (coded, alone, one)
    })
}

proptest! {
    #[test]
    fn any_words_come_back(weights in vec(any::<u16>(), 1..3000)) {
        comes_back(&weights, &Coded::by_core(&weights))?;
    }

    #[test]
    fn any_histogram_comes_back_also_from_the_published_kernel(counts in histogram(), seed: u64) {
        let weights = cases::of_counts(&counts, seed);
        let coded = Coded::by_core(&weights);
        comes_back(&weights, &coded)?;
        prop_assert_eq!(published_kernel::decode(&coded.raw(), seed), Ok(weights));
    }

    #[test]
    fn any_unit_of_the_published_compressor_is_read(counts in histogram(), seed: u64) {
        let low: Vec<_> = counts.into_iter().filter(|&(exponent, _)| exponent < 240).collect();
        let weights = cases::of_counts(&low, seed);
        if let Ok(coded) = published_writer::write(&weights) {
            comes_back(&weights, &coded)?;
        }
    }

    #[test]
    fn any_unit_that_the_format_allows_is_read_alike_by_all(choices in choices()) {
        let AnyUnit { weights, coded, .. } = any_unit::write(&mut Bytes::new(&choices), MOST_WEIGHTS);
        prop_assert_eq!(verdict("any unit", &coded), Verdict::Decoded(weights));
    }

    #[test]
    fn any_unit_that_lies_is_taken_alike_by_all(choices in choices()) {
        let lying = lies::write(&mut Bytes::new(&choices), MOST_WEIGHTS);
        verdict(&lying.lies.join("; "), &lying.coded);
    }

    #[test]
    fn any_adversary_is_written_alike_by_every_encoder_and_read_by_every_decoder(choices in choices()) {
        let weights = adversarial::weights(&mut Bytes::new(&choices), MOST_WEIGHTS);
        let expected = Coded::by_core(&weights);
        for (encoder, encode) in encoders() {
            let coded = encode(&weights);
            prop_assert!(coded == expected, "{} writes other bytes", encoder);
        }
        comes_back(&weights, &expected)?;
    }

    #[test]
    fn any_matrix_comes_back_alone(choices in choices()) {
        let mut draw = Bytes::new(&choices);
        let cuts = adversarial::cuts(&mut draw, MOST_WEIGHTS);
        let weights = adversarial::weights(&mut draw, MOST_WEIGHTS);
        let cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(weights.len())).collect();
        let mut coded = Coded::by_core(&weights);
        coded.split_positions = split_positions(&cuts);
        let unit = coded.view().validate().map_err(failed)?;
        let matrices: Vec<_> = unit.matrices().map(|range| range.start as usize..range.end as usize).collect();
        prop_assert_eq!(&matrices, &reference::matrices(&coded.raw()).map_err(failed)?);
        prop_assert_eq!(matrices.len(), cuts.len() + 1);
        for (backend, range) in backends().iter().flat_map(|backend| matrices.iter().map(move |range| (backend, range))) {
            let mut part = vec![bf16::NAN; range.len()];
            range_by_backend(&**backend, &unit, range.start as u64, &mut part).map_err(failed)?;
            prop_assert!(to_words(&part) == weights[range.clone()], "{}, {:?}", backend.name(), range);
        }
    }

    #[test]
    fn any_range_equals_that_part_of_the_whole(choices in choices()) {
        let mut draw = Bytes::new(&choices);
        let (weights, coded) = if draw.chance(50) {
            let weights = adversarial::weights(&mut draw, MOST_WEIGHTS);
            let coded = Coded::by_core(&weights);
            (weights, coded)
        } else {
            let any = any_unit::write(&mut draw, MOST_WEIGHTS);
            (any.weights, any.coded)
        };
        let unit = coded.view().validate().map_err(failed)?;
        for _ in 0..20 {
            let first = draw.below(weights.len() as u64 + 1) as usize;
            let count = draw.below((weights.len() - first) as u64 + 1) as usize;
            for backend in backends() {
                let mut part = vec![bf16::NAN; count];
                range_by_backend(&*backend, &unit, first as u64, &mut part).map_err(failed)?;
                prop_assert!(to_words(&part) == weights[first..first + count], "{} {}+{}", backend.name(), first, count);
            }
        }
    }

    #[test]
    fn any_rows_are_gathered_in_the_order_asked_for(choices in choices()) {
        let mut draw = Bytes::new(&choices);
        let weights = adversarial::weights(&mut draw, MOST_WEIGHTS);
        let columns = 1 + draw.below(weights.len().min(700) as u64) as usize;
        let start = draw.below((weights.len() % columns) as u64 + 1) as usize;
        let end = start + (weights.len() - start) / columns * columns;
        let mut coded = Coded::by_core(&weights);
        coded.split_positions = split_positions(&[start, end]);
        let unit = coded.view().validate().map_err(failed)?;
        let matrix = unit.matrices().nth(1).expect("three matrices");
        let table = to_bf16s(&weights[start..end]);
        let rows: Vec<u64> = (0..draw.below(40)).map(|_| draw.below((table.len() / columns) as u64)).collect();
        let expected: Vec<bf16> =
            rows.iter().flat_map(|&row| &table[row as usize * columns..][..columns]).copied().collect();
        for level in Level::available() {
            let mut found = vec![bf16::NAN; rows.len() * columns];
            Decoder::new(unit.borrowed(), level).decode_rows(matrix.clone(), columns, &rows, &mut found, Work::Pool).map_err(failed)?;
            prop_assert!(to_words(&found) == to_words(&expected), "{}", level);
            let past = [(table.len() / columns) as u64];
            let refused = Decoder::new(unit.borrowed(), level).decode_rows(matrix.clone(), columns, &past, &mut vec![bf16::NAN; columns], Work::Pool);
            prop_assert!(refused.is_err(), "{}: a row behind the last", level);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 16, ..ProptestConfig::default() })]

    #[test]
    fn any_number_of_threads_gives_the_same(choices in choices(), length in 1..SHARED_WEIGHTS) {
        let some = adversarial::weights(&mut Bytes::new(&choices), SHARED_WEIGHTS);
        let weights: Vec<bf16> = to_bf16s(&some).into_iter().cycle().take(length).collect();
        let expected = Coded::by_core(&to_words(&weights));
        let unit = expected.view().validate().map_err(failed)?;
        let plain = by_backend(&df11_core::Plain, &unit).map_err(failed)?;
        prop_assert!(plain == to_words(&weights));
        for level in Level::available() {
            for threads in [1, 2, 3, 8] {
                let (coded, alone, in_batch) = with_threads(threads, level, &weights);
                prop_assert!(coded == expected, "{} on {} threads writes other bytes", level, threads);
                prop_assert!(to_words(&alone) == plain, "{} on {} threads", level, threads);
                prop_assert!(to_words(&in_batch) == plain, "{} on {} threads, in a batch", level, threads);
            }
        }
    }

    /// A mistake of the caller, not of a file: it is refused, or the plan holds for these weights
    /// too.
    #[test]
    fn a_plan_of_other_weights_never_panics(choices in choices(), others in choices()) {
        let mut weights = to_bf16s(&adversarial::weights(&mut Bytes::new(&choices), MOST_WEIGHTS));
        let mut planned = to_bf16s(&adversarial::weights(&mut Bytes::new(&others), MOST_WEIGHTS));
        weights.truncate(planned.len());
        planned.truncate(weights.len());
        for level in Level::available() {
            let encoder = Encoder::new(level, Work::Pool);
            let plan = encoder.plan(&planned).map_err(failed)?;
            let parts = match encoder.encode_to_parts(&weights, &plan) {
                Err(Error::WeightsNotPlanned) => continue,
                parts => parts.map_err(failed)?,
            };
            let unit = parts.view(&[]).validate().map_err(failed)?;
            let mut found = vec![bf16::NAN; weights.len()];
            Decoder::new(unit.borrowed(), level).decode(&mut found, Work::Pool).map_err(failed)?;
            prop_assert!(to_words(&found) == to_words(&weights), "{}", level);
        }
    }
}
