//! Where the published kernel fails, its emulation fails and says how. What we write avoids each of
//! these cases.

mod support;

use support::library::Coded;
use support::{cases, published_kernel, published_writer};

#[test]
fn a_block_of_more_than_23550_weights_is_not_launched() {
    let weights = cases::zero_heavy(60_000, 5, 1);
    let published = published_writer::write(&weights).expect("the published compressor can");
    let error = published_kernel::decode(&published.raw(), 0).expect_err("the block is too full");
    assert!(error.contains("shared memory"), "{error}");
    assert_eq!(published_kernel::decode(&Coded::by_core(&weights).raw(), 0), Ok(weights));
}

#[test]
fn an_entry_of_length_0_behind_the_stream_makes_phase_1_run_for_ever() {
    let weights = cases::of_counts(&[(121, 1000)], 1);
    let mut coded = Coded::by_core(&weights);
    for seed in 0..20 {
        assert_eq!(published_kernel::decode(&coded.raw(), seed).as_ref(), Ok(&weights));
    }
    // The only code is the bit 0: no code reaches the second half of the table, but registers may.
    coded.luts[128..256].fill(7);
    let errors: Vec<String> = (0..20).filter_map(|seed| published_kernel::decode(&coded.raw(), seed).err()).collect();
    assert!(!errors.is_empty() && errors.iter().all(|error| error.contains("for ever")), "{errors:?}");
}

#[test]
fn a_high_exponent_on_the_first_level_is_taken_for_a_pointer() {
    let weights = cases::of_counts(&[(120, 10), (121, 10)], 2);
    let mut coded = Coded::by_core(&weights);
    assert_eq!(coded.luts.len(), 512);
    coded.luts.iter_mut().filter(|entry| **entry == 121).for_each(|entry| *entry = 241);
    let length = std::mem::take(&mut coded.luts[256 + 121]);
    coded.luts[256 + 241] = length;
    assert!(published_kernel::decode(&coded.raw(), 0).is_err());
    assert!(coded.view().validate().is_err());
}

#[test]
fn a_table_that_is_not_there_is_not_read() {
    let mut coded = Coded::by_core(&cases::of_counts(&[(120, 10), (121, 10)], 3));
    coded.luts[..256].fill(240);
    let error = published_kernel::decode(&coded.raw(), 0).expect_err("table 16 does not exist");
    assert!(error.contains("table byte"), "{error}");
}
