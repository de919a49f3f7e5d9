//! Arguments that no caller should pass give the documented result or error, at every level.

use df11_core::{Error, Work, bf16, bf16_word, decode};
use df11_cpu::{Decoder, Encoder, Level, LevelError, Parts, Plan};

/// Weights that one thread encodes at a time.
const SHARD: usize = 1 << 18;

fn of_exponent(exponent: u8) -> bf16 {
    bf16_word::merge(exponent, 0x55)
}

/// Exponents 113 to 120, each half as frequent as the next.
fn weights(count: usize) -> Vec<bf16> {
    let rank = |index: usize| (index as u32 + 1).wrapping_mul(2_654_435_761).leading_zeros().min(7) as u8;
    (0..count).map(|index| of_exponent(120 - rank(index))).collect()
}

/// Encodes, and checks that what is written decodes to the same weights.
fn encode(encoder: Encoder, weights: &[bf16], plan: &Plan) -> Result<(), Error> {
    let parts = encoder.encode_to_parts(weights, plan)?;
    let mut restored = vec![bf16::NAN; weights.len()];
    decode(&parts.view(&[]).validate()?, &mut restored)?;
    assert!(restored == weights, "{} weights", weights.len());
    Ok(())
}

/// Calls `check` with the plans of every level, and with a name for messages.
fn with_every_plan(planned: &[bf16], check: impl Fn(Encoder, &Plan, &str)) {
    for level in Level::available() {
        let encoder = Encoder::new(level, Work::Pool);
        for plan in [encoder.plan(planned), encoder.plan_published(planned)].iter().flatten() {
            check(encoder, plan, &format!("{level}, {}", planned.len()));
        }
    }
}

#[test]
fn one_weight_other_than_planned_is_refused_unless_its_code_is_as_long() {
    for count in [1, 2, 63, 1000, 2 * SHARD + 70] {
        let planned = weights(count);
        with_every_plan(&planned, |encoder, plan, name| {
            assert_eq!(encode(encoder, &planned, plan), Ok(()), "{name}");
            let length = |exponent: u8| plan.code().lengths()[usize::from(exponent)];
            for at in [0, count / 3, count.saturating_sub(2), count - 1] {
                for exponent in [0, 113, 114, 120] {
                    let mut others = planned.clone();
                    let own = bf16_word::exponent(std::mem::replace(&mut others[at], of_exponent(exponent)));
                    let expected = if length(exponent) == length(own) { Ok(()) } else { Err(Error::WeightsNotPlanned) };
                    assert_eq!(encode(encoder, &others, plan), expected, "{name}: {own} at {at} as {exponent}");
                }
            }
        });
    }
}

#[test]
fn weights_without_a_code_are_refused_though_the_stream_has_the_planned_length() {
    let planned = weights(5000);
    let places = |exponent, count| -> Vec<usize> {
        (100..5000).filter(|&at| bf16_word::exponent(planned[at]) == exponent).take(count).collect()
    };
    let (two_bits, one_bit) = (places(119, 1), places(120, 2));
    let mut others = planned.clone();
    one_bit.iter().for_each(|&at| others[at] = of_exponent(119));
    for level in Level::available() {
        let encoder = Encoder::new(level, Work::Pool);
        let plan = encoder.plan(&planned).unwrap();
        // Some are among the exponents that levels keep in tables, some far from them.
        for stray in [112, 121, 0, 255] {
            assert_eq!([120, 119, stray].map(|exponent: usize| plan.code().lengths()[exponent]), [1, 2, 0]);
            others[two_bits[0]] = of_exponent(stray as u8);
            assert_eq!(encode(encoder, &others, &plan), Err(Error::WeightsNotPlanned), "{level}, {stray}");
        }
    }
}

#[test]
fn weights_in_another_order_come_back_or_are_refused() {
    for count in [3, 1000, 2 * SHARD + 70] {
        let planned = weights(count);
        let mut others = planned.clone();
        others.sort_unstable_by_key(|weight| weight.to_bits());
        with_every_plan(&planned, |encoder, plan, name| {
            // A single shard has the planned length in any order.
            let expected = if count <= SHARD { Ok(()) } else { Err(Error::WeightsNotPlanned) };
            assert_eq!(encode(encoder, &others, plan), expected, "{name}");
        });
    }
}

/// The published compressor writes no output position for a block in which no code starts.
#[test]
fn a_code_that_starts_where_none_was_planned_to_is_refused() {
    // Exponents 100 to 108, of which 100 is rarest and last. Before them comes exponent 120, whose
    // code has 1 bit, as often as it takes to fill one block and one byte.
    let of_counts = |ones: usize| -> Vec<bf16> {
        let rarer = (100..=108).rev().flat_map(|exponent| vec![of_exponent(exponent); 1 << (exponent - 100)]);
        std::iter::repeat_n(of_exponent(120), ones).chain(rarer).collect()
    };
    let fills = |weights: &Vec<bf16>| {
        let plan = df11_core::Plan::published(weights).unwrap();
        plan.sizes().encoded_exponent == 4097 && plan.ending().is_none()
    };
    let planned = (25_000..33_000).rev().map(of_counts).find(fills).expect("some number of weights fills it");
    let plan = df11_core::Plan::published(&planned).unwrap();
    assert_eq!((plan.code().lengths()[100] > 8, plan.sizes().output_positions), (true, 8));
    let mut others = planned.clone();
    others.reverse();
    let mut parts = Parts::of(&plan.sizes()).unwrap();
    assert_eq!(df11_core::encode(&planned, &plan, parts.as_mut()), Ok(()));
    assert_eq!(df11_core::encode(&others, &plan, parts.as_mut()), Err(Error::WeightsNotPlanned));
    for level in Level::available() {
        let encoder = Encoder::new(level, Work::Pool);
        let plan = encoder.plan_published(&planned).unwrap();
        assert_eq!(encode(encoder, &planned, &plan), Ok(()), "{level}");
        assert_eq!(encode(encoder, &others, &plan), Err(Error::WeightsNotPlanned), "{level}");
    }
}

#[test]
fn rows_of_a_matrix_that_is_not_in_the_unit_are_refused() {
    let (count, columns) = (5000, 10);
    let weights = weights(count);
    let plan = df11_core::Plan::new(&weights).unwrap();
    let mut parts = Parts::of(&plan.sizes()).unwrap();
    df11_core::encode(&weights, &plan, parts.as_mut()).unwrap();
    let unit = parts.view(&[]).validate().unwrap();
    for level in Level::available() {
        let decoder = Decoder::new(unit.borrowed(), level);
        let mut rows = vec![bf16::NAN; 2 * columns];
        for (start, end) in
            [(4990, 6000), (5000, u64::MAX), (u64::MAX - 5, u64::MAX), (3000, 1000), (u64::MAX, 0), (0, 10)]
        {
            let refused = decoder.decode_rows(start..end, columns, &[0, 1], &mut rows, Work::Pool).unwrap_err();
            assert!(matches!(refused, Error::RangePastEnd { .. }), "{level}, {start}..{end}: {refused}");
            assert_eq!(decoder.decode_rows(start..end, 0, &[0, u64::MAX], &mut [], Work::Pool), Ok(()));
            assert_eq!(decoder.decode_rows(start..end, usize::MAX, &[], &mut [], Work::Pool), Ok(()));
        }
        for row in [500, u64::MAX, u64::MAX / columns as u64, u64::MAX / columns as u64 + 1] {
            let refused = decoder.decode_rows(0..5000, columns, &[0, row], &mut rows, Work::Pool).unwrap_err();
            assert!(matches!(refused, Error::RangePastEnd { .. }), "{level}, {row}: {refused}");
        }
        for columns in [usize::MAX, usize::MAX / 2 + 1] {
            let refused = Err(Error::BufferSize { buffer: "weights", found: rows.len(), expected: usize::MAX });
            assert_eq!(decoder.decode_rows(0..5000, columns, &[0, 1], &mut rows, Work::Pool), refused);
        }
    }
}

#[test]
fn a_name_of_any_characters_is_shown_escaped() {
    for name in ["", "AVX2", "portable ", "\u{1b}]52;c;\u{7}", "a\nnote: b"] {
        let refused = Level::named(name).unwrap_err();
        assert_eq!(refused, LevelError::Unknown { name: name.to_owned() });
        assert!(!refused.to_string().contains(char::is_control), "{refused}");
    }
}
