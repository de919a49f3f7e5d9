//! Arguments that no caller should give lead to the documented result or error. `ci/check.sh` runs
//! these tests twice, with arithmetic that checks and with arithmetic that wraps.

mod arrays;

use arrays::{Arrays, weights};
use df11_core::limits::BLOCK_BITS;
use df11_core::{
    Block, Code, Error, Histogram, PartSizes, PartsMut, Plan, bf16, check_index, decode, encode, entropy,
    fullest_block, two_phase, write_luts,
};

/// Indices that overflow when multiplied by the bits or chunks of a block. The last of 2^55 blocks
/// is among them.
const HUGE: [usize; 8] = [
    usize::MAX,
    usize::MAX - 1,
    usize::MAX / 5,
    usize::MAX / 8,
    usize::MAX / 512,
    usize::MAX / 512 + 1,
    usize::MAX / 32_768,
    1 << 31,
];

fn of_exponent(exponent: u16) -> bf16 {
    bf16::from_bits(exponent << 7)
}

#[test]
fn chunks_and_blocks_after_the_last_are_empty() {
    let arrays = Arrays::of(&weights());
    let unit = arrays.view().validate().unwrap();
    let end = Block { first_bit: 3 * BLOCK_BITS, weights: 30_000..30_000 };
    for index in HUGE.into_iter().chain(3..6) {
        assert_eq!(unit.block(index), end, "{index}");
    }
    for index in HUGE.into_iter().chain(3 * 512..3 * 512 + 9) {
        assert_eq!(unit.gap(index), 0, "{index}");
    }
}

#[test]
fn work_on_a_block_that_is_not_there_is_refused() {
    let arrays = Arrays::of(&weights());
    let unit = arrays.view().validate().unwrap();
    for block in HUGE.into_iter().chain(3..6) {
        let refused = Err(Error::NoSuchBlock { block, blocks: 3 });
        for count in [0, 1, 30_000] {
            assert_eq!(check_index(&unit, block, &weights()[..count]), refused);
            assert_eq!(two_phase::decode_block(&unit, block, &mut vec![bf16::ZERO; count]), refused);
        }
    }
}

#[test]
fn weights_that_are_not_there_are_in_no_block() {
    let arrays = Arrays::of(&weights());
    let unit = arrays.view().validate().unwrap();
    assert_eq!((unit.block_of(29_999), unit.block_of(30_000), unit.block_of(u64::MAX)), (2, 3, 3));
    for (first, count) in
        [(0, usize::MAX), (1, usize::MAX), (u64::MAX, 1), (u64::MAX, 0), (u64::MAX, usize::MAX), (30_001, 0)]
    {
        let refused = Error::RangePastEnd { first, count: count as u64, weights: 30_000 };
        assert_eq!(unit.blocks_of(first, count), Err(refused));
    }
}

#[test]
fn output_positions_that_leave_out_the_last_block_say_the_same_of_weights_past_the_end() {
    // A code of 25 bits begins 24 bits before the block ends. It reaches into a block in which no
    // code starts.
    let mut weights = vec![of_exponent(100); 32_768 - 24];
    weights.push(of_exponent(250));
    let plan = Plan::from_histogram(&Histogram::of(&weights), |_| true).unwrap();
    let mut arrays = Arrays::by(&weights, &plan);
    assert_eq!((arrays.encoded_exponent.len(), arrays.output_positions.len()), (4097, 12));
    for _ in 0..2 {
        let unit = arrays.view().validate().unwrap();
        assert_eq!((unit.block_of(weights.len() as u64 - 1), unit.block_of(weights.len() as u64)), (0, 2));
        let end = weights.len() as u64;
        assert_eq!((unit.block(1).weights, unit.block(2).weights), (end..end, end..end));
        arrays.output_positions.truncate(8);
    }
}

#[test]
fn sizes_are_summed_without_wrapping() {
    let sizes = |size: usize| PartSizes {
        encoded_exponent: size,
        sign_mantissa: size,
        luts: size,
        gaps: size,
        output_positions: size,
    };
    assert_eq!(sizes(7).total(), 35);
    assert_eq!(sizes(usize::MAX).total(), (usize::MAX as u64).saturating_mul(5));
    assert_eq!(PartSizes { luts: usize::MAX, ..sizes(0) }.total(), usize::MAX as u64);
}

#[test]
fn tables_of_another_size_are_refused() {
    let plan = Plan::new(&weights()).unwrap();
    let expected = plan.sizes().luts;
    for found in [0, 1, 255, 256, expected - 1, expected + 1, 19 * 256] {
        let refused = Err(Error::BufferSize { buffer: "luts", found, expected });
        assert_eq!(write_luts(&plan, &mut vec![0; found]), refused);
    }
    assert_eq!(write_luts(&plan, &mut vec![0; expected]), Ok(()));
}

#[test]
fn weights_other_than_those_planned_are_refused_or_come_back() {
    let planned = weights();
    let plan = Plan::new(&planned).unwrap();
    let mut arrays = Arrays::of(&planned);
    let mut written = |weights: &[bf16]| {
        let parts = PartsMut {
            encoded_exponent: &mut arrays.encoded_exponent,
            sign_mantissa: &mut arrays.sign_mantissa,
            luts: &mut arrays.luts,
            gaps: &mut arrays.gaps,
            output_positions: &mut arrays.output_positions,
        };
        encode(weights, &plan, parts)?;
        let mut restored = vec![bf16::ZERO; weights.len()];
        decode(&arrays.view().validate().unwrap(), &mut restored).unwrap();
        assert!(restored == weights);
        Ok(())
    };
    let mut others = planned.clone();
    others.reverse();
    assert_eq!(written(&others), Ok(()), "in another order");
    others[5] = of_exponent(3);
    assert_eq!(written(&others), Err(Error::WeightsNotPlanned), "an exponent without a code");
    for exponent in plan.code().exponents() {
        let alike = vec![of_exponent(exponent.into()); 30_000];
        assert_eq!(written(&alike), Err(Error::WeightsNotPlanned), "codes of other lengths");
    }
    assert_eq!(written(&planned), Ok(()));
}

#[test]
fn weights_without_a_code_are_refused_though_the_stream_has_the_planned_length() {
    // codes of 1, 2, 3 and 3 bits
    let planned = [100, 100, 100, 100, 101, 101, 102, 103].map(of_exponent);
    let plan = Plan::new(&planned).unwrap();
    let mut arrays = Arrays::by(&planned, &plan);
    let mut others = planned;
    (others[4], others[0], others[1]) = (of_exponent(7), planned[5], planned[5]);
    assert_eq!([100, 101, 7].map(|exponent: usize| plan.code().lengths()[exponent]), [1, 2, 0]);
    let parts = PartsMut {
        encoded_exponent: &mut arrays.encoded_exponent,
        sign_mantissa: &mut arrays.sign_mantissa,
        luts: &mut arrays.luts,
        gaps: &mut arrays.gaps,
        output_positions: &mut arrays.output_positions,
    };
    assert_eq!(encode(&others, &plan, parts), Err(Error::WeightsNotPlanned));
}

#[test]
fn the_last_of_weights_that_nobody_counted_is_refused() {
    let mut counts = [0; 256];
    (counts[100], counts[101]) = (5, 9);
    let plan = |last: u16| Plan::published_from_histogram(&Histogram::from_counts(counts), of_exponent(last));
    assert_eq!(plan(102).unwrap_err(), Error::WeightsNotPlanned);
    assert_ne!(plan(101).err(), Some(Error::WeightsNotPlanned));
}

#[test]
fn counts_that_no_unit_has_are_refused() {
    for (count, exponents) in [(u64::MAX, 1), (u64::MAX, 256), (u64::MAX / 8, 9), (1 << 60, 256), (1 << 32, 1)] {
        let mut counts = [0; 256];
        counts[..exponents].fill(count);
        let histogram = Histogram::from_counts(counts);
        let refused = Error::TooManyWeights { found: count.saturating_mul(exponents as u64) };
        assert_eq!(Plan::from_histogram(&histogram, |_| true).unwrap_err(), refused);
        assert_eq!(Plan::published_from_histogram(&histogram, of_exponent(0)).unwrap_err(), refused);
        assert!((histogram.entropy() - f64::from(exponents as u32).log2()).abs() < 1e-12);
        assert_eq!(entropy(&counts), histogram.entropy());
    }
    // 2^32 - 1 weights are not too many, but as many codes of 8 bits are
    let mut counts = [1 << 24; 256];
    counts[0] -= 1;
    let refused = Plan::from_histogram(&Histogram::from_counts(counts), |_| true).unwrap_err();
    assert!(matches!(refused, Error::StreamTooLong { .. }), "{refused}");
}

#[test]
fn weights_without_a_code_fill_no_block() {
    let mut lengths = [0; 256];
    lengths[1] = 1;
    let code = Code::canonical(&lengths).unwrap();
    let weights = [vec![of_exponent(2); 50_000], vec![of_exponent(1); 7], vec![of_exponent(2); 9]].concat();
    assert_eq!(fullest_block(&code, &weights), 7);
}
