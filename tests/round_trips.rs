//! Whatever the weights, they come back: units that nobody thought of, and their smallest version when one fails.

mod support;

use df11_core::bf16;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use support::library::{Coded, backends, decode_with_all, to_words};
use support::{cases, published_kernel, published_writer, reference};

/// Through every decoder there is.
fn comes_back(weights: &[u16], coded: &Coded) -> Result<(), TestCaseError> {
    let unit = coded.view().validate().map_err(|e| TestCaseError::fail(e.to_string()))?;
    for (decoder, found) in decode_with_all(&unit) {
        prop_assert_eq!(found.as_deref(), Ok(weights), "{}", decoder);
    }
    let found = reference::decode(&coded.raw());
    prop_assert_eq!(found.as_deref().map_err(String::as_str), Ok(weights));
    Ok(())
}

/// Exponents with counts that are powers of two: steep and flat, few and many, low and high.
fn histogram() -> impl Strategy<Value = Vec<(u8, u64)>> {
    vec((any::<u8>(), 0..11_u32), 1..60).prop_map(|list| list.into_iter().map(|(e, log)| (e, 1 << log)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

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
    fn any_matrix_comes_back_alone(counts in histogram(), seed: u64, cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let weights = cases::of_counts(&counts, seed);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(weights.len() + 1)).collect();
        cuts.sort_unstable();
        let mut coded = Coded::by_core(&weights);
        coded.split_positions = cuts.iter().flat_map(|&cut| (cut as i64).to_le_bytes()).collect();
        let unit = coded.view().validate().map_err(|e| TestCaseError::fail(e.to_string()))?;
        let matrices: Vec<_> = unit.matrices().map(|range| range.start as usize..range.end as usize).collect();
        prop_assert_eq!(&matrices, &reference::matrices(&coded.raw()).map_err(TestCaseError::fail)?);
        for (backend, range) in backends().iter().flat_map(|backend| matrices.iter().map(move |range| (backend, range))) {
            let mut part = vec![bf16::NAN; range.len()];
            backend.decode_range(&unit, range.start as u64, &mut part).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(&to_words(&part), &weights[range.clone()], "{}, {:?}", backend.name(), range);
        }
    }
}
