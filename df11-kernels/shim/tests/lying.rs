//! Units whose structure lies. The kernels accept what the plain decoder accepts, give the same
//! weights, and touch no other memory.
#![cfg(not(df11_no_machine))]

#[path = "../../../tests/support/cases.rs"]
#[allow(dead_code)]
mod cases;
mod lies;
#[path = "../../../tests/support/random.rs"]
#[allow(dead_code)]
mod random;
mod unit;

use df11_core::limits::{BLOCK_BYTES, BLOCK_CHUNKS, PUBLISHED_MAX_BLOCK_WEIGHTS};
use df11_core::{Error, Unit, bf16};
use df11_gpu_shim::{Order, Outcome, Uploaded, Vendor, decode, gather, plain};
use lies::{Lying, Truth, judge};
use random::Random;
use unit::Parts;

/// Warps of NVIDIA and RDNA, and of CDNA; then AMD's header for both.
const FORMS: [(Vendor, u32); 4] = [(Vendor::Host, 32), (Vendor::Host, 64), (Vendor::Hip, 32), (Vendor::Hip, 64)];

/// The number of units made; `DF11_LYING_UNITS` sets another.
fn units() -> u64 {
    std::env::var("DF11_LYING_UNITS").ok().map_or(250, |number| number.parse().expect("a number"))
}

/// What happened to the units.
#[derive(Debug, Default)]
struct Tally {
    not_valid: u64,
    refused: u64,
    accepted: u64,
    licensed: u64,
    after_validation: u64,
    accepted_after_validation: u64,
}

#[test]
fn the_kernels_accept_what_the_plain_decoder_accepts() {
    let mut tally = Tally::default();
    for number in 0..units() {
        let mut random = Random::new(0x11E5 + number);
        let lying = lies::unit(&mut random);
        let (vendor, warp) = FORMS[number as usize % FORMS.len()];
        let order = Order { vendor, warp, seed: number, count: false };
        let what = format!("unit {number}, {:?}, {vendor:?} {warp}", lying.damages);
        match lying.parts.view().validate() {
            Ok(unit) => valid(&what, &unit, &lying, order, &mut random, &mut tally),
            Err(_) => tally.not_valid += 1,
        }
        after_validation(&what, &lying, order, &mut tally);
    }
    println!("{} units: {tally:?}", units());
    let Tally { not_valid, refused, accepted, licensed, accepted_after_validation, .. } = tally;
    for seen in [not_valid, refused, accepted, licensed, accepted_after_validation] {
        assert!(seen > 0, "the generator has become blind: {tally:?}");
    }
}

/// The unit has one exponent, whose code is all zeros, so a lane of ones begins no code. What
/// follows such a lane must not make up for its missing weights, and such lanes must not fill up a
/// block.
#[test]
fn a_lane_without_a_code_is_found() {
    const LANE_BYTES: usize = 16;
    const LANES: usize = BLOCK_BYTES / LANE_BYTES;
    let sound = Parts::new(&vec![120 << 7; 3 * LANES * 64 + 1000]);
    let lane_weights = 8 * LANE_BYTES / usize::from(sound.unit().code().lengths()[120]);
    assert_eq!(lane_weights, 64);
    let mut lying = Vec::new();
    for lane in [0, 1, 100, LANES - 1, LANES, LANES + 3] {
        let mut parts = sound.clone();
        parts.encoded_exponent[lane * LANE_BYTES..][..LANE_BYTES].fill(0xFF);
        // ... and after the last code, as many codes as are missing.
        parts.encoded_exponent.extend([0; 2 * LANE_BYTES]);
        lying.push((format!("lane {lane}"), parts));
    }
    for lanes in [1, 100] {
        let mut parts = sound.clone();
        let held = (LANES - lanes) * lane_weights;
        parts.encoded_exponent[(LANES - lanes) * LANE_BYTES..LANES * LANE_BYTES].fill(0xFF);
        parts.output_positions[4..8].copy_from_slice(&(held as u32).to_le_bytes());
        let lost = LANES * lane_weights - held;
        parts.sign_mantissa.truncate(sound.sign_mantissa.len() - lost);
        for position in parts.output_positions[8..].chunks_exact_mut(4) {
            let sound = u32::from_le_bytes([position[0], position[1], position[2], position[3]]);
            position.copy_from_slice(&(sound - lost as u32).to_le_bytes());
        }
        // These are the last lanes of a block. Its positions show the loss, so the unit does not
        // reach the kernel.
        let refused = parts.view().validate().expect_err("fewer weights than fill the block");
        assert!(matches!(refused, Error::BlockHoldsTooFewWeights { block: 0, .. }), "{lanes}: {refused}");
    }
    for (what, parts) in lying {
        assert!(every_form_holds(&what, &parts, 0, parts.sign_mantissa.len()).licensed.is_none(), "{what}");
    }
}

/// Codes have 2 bits. A gap that lies whole codes further must not make the lane before it count
/// those codes: it would not write the ones past its end.
#[test]
fn a_lane_counts_no_codes_behind_its_end() {
    let mut parts = Parts::new(&vec![120 << 7; 2 * BLOCK_BYTES * 4 + 70]);
    lies::set_gap(&mut parts.gaps, 2 * BLOCK_CHUNKS + 2, 30);
    parts.encoded_exponent.extend([0; 40]);
    let truth = every_form_holds("the last block's second lane", &parts, 0, parts.sign_mantissa.len());
    assert!(truth.plain.is_err() && truth.licensed.is_some(), "a wrong gap inside a block");
}

/// The same at the border of blocks, where the gap says which weights belong to which block.
#[test]
fn a_block_does_not_count_codes_of_the_next_one() {
    let mut parts = Parts::new(&vec![120 << 7; 3 * BLOCK_BYTES * 4]);
    (BLOCK_CHUNKS..3 * BLOCK_CHUNKS).for_each(|chunk| lies::set_gap(&mut parts.gaps, chunk, 2));
    let second = BLOCK_BYTES as u64 * 4;
    let truth = every_form_holds("every block but the first begins at its second code", &parts, second, 100);
    assert!(truth.licensed.is_none());
}

/// Checks the kernel against what the plain decoder says of a range.
fn every_form_holds(what: &str, parts: &Parts, first: u64, count: usize) -> Truth {
    let unit = parts.unit();
    let truth = Truth::of(what, &unit, parts, first, count);
    let uploaded = Uploaded::new(&unit, 16);
    let blocks = unit.blocks_of(first, count).expect("a range of the unit");
    for (vendor, warp) in FORMS {
        let order = Order { vendor, warp, seed: 1, count: false };
        let outcome =
            decode(&[(&uploaded, first..first + count as u64, blocks.clone())], 2, 16, order).expect("it runs");
        truth.hold(&format!("{what}, {vendor:?} {warp}"), accepted(&outcome));
    }
    truth
}

/// The weights, if the status of the job is 0.
fn accepted(outcome: &Outcome) -> Option<&[bf16]> {
    (outcome.status == [0]).then(|| outcome.weights[0].as_slice())
}

/// Checks the whole unit, a range, a row, and the plain kernel.
fn valid(what: &str, unit: &Unit<'_>, lying: &Lying, order: Order, random: &mut Random, tally: &mut Tally) {
    let weights = unit.weights();
    let align = [16, 2, 1][random.below(3) as usize];
    let uploaded = Uploaded::new(unit, align);
    let truth = Truth::of(what, unit, &lying.parts, 0, weights as usize);
    let run = |first: u64, end: u64, blocks| {
        let window = (&uploaded, first..end, blocks);
        decode(&[window], 2, align.max(2), order).unwrap_or_else(|fault| panic!("{what}: {}", fault.0))
    };
    let whole = run(0, weights, unit.block_of(0)..unit.blocks());
    truth.hold(what, accepted(&whole));
    match (&truth.plain, accepted(&whole)) {
        (Ok(_), _) => tally.accepted += 1,
        (Err(_), Some(_)) => tally.licensed += 1,
        (Err(_), None) => tally.refused += 1,
    }

    let first = random.below(weights);
    let count = 1 + random.below((weights - first).min(2000));
    let what_range = format!("{what}, {first}..{}", first + count);
    let blocks = unit.blocks_of(first, count as usize).expect("a range of the unit");
    let truth_of_range = Truth::of(&what_range, unit, &lying.parts, first, count as usize);
    truth_of_range.hold(&what_range, accepted(&run(first, first + count, blocks)));

    let row = 1 + random.below(weights.min(500));
    let number = random.below(weights / row);
    let start = random.below(weights - (number + 1) * row + 1);
    let what_row = format!("{what}, row {number} of {row} from {start} on");
    let gathered = gather(&uploaded, start..weights, &[number as u32], row as u32, 2, order)
        .unwrap_or_else(|fault| panic!("{what_row}: {}", fault.0));
    Truth::of(&what_row, unit, &lying.parts, start + number * row, row as usize).hold(&what_row, accepted(&gathered));

    // The plain kernel is a reference, not a check: it has no status. It gives what the plain
    // decoder accepts. For other units it touches no other memory.
    if u64::from(df11_kernels::fullest_block(unit)) > PUBLISHED_MAX_BLOCK_WEIGHTS {
        return;
    }
    let outcome = plain(&Uploaded::new(unit, 4), order).unwrap_or_else(|fault| panic!("{what}, plain: {}", fault.0));
    if truth.plain.is_ok() {
        truth.hold(&format!("{what}, plain"), Some(&outcome.weights[0]));
    }
}

/// Overwrites the arrays of the sound unit in device memory. They need not be valid, and memory is
/// safe all the same.
fn after_validation(what: &str, lying: &Lying, order: Order, tally: &mut Tally) {
    let (sound, parts) = (&lying.sound, &lying.parts);
    let arrays = [&parts.encoded_exponent, &parts.sign_mantissa, &parts.gaps, &parts.output_positions];
    let unit = sound.unit();
    let mut uploaded = Uploaded::new(&unit, 1);
    if (0..4).any(|number| uploaded.array(number).len() != arrays[number].len()) {
        return;
    }
    (0..4).for_each(|number| uploaded.array(number).copy_from_slice(arrays[number]));
    let window = (&uploaded, 0..unit.weights(), 0..unit.blocks());
    let outcome = decode(&[window], 2, 2, order).unwrap_or_else(|fault| panic!("{what}: {}", fault.0));
    tally.after_validation += 1;
    if let Some(found) = accepted(&outcome) {
        tally.accepted_after_validation += 1;
        let expected = judge(unit.lookup(), &lies::as_known(parts), 0..unit.blocks());
        let found: Vec<u16> = found.iter().map(|weight| weight.to_bits()).collect();
        assert!(expected.as_ref() == Some(&found), "{what}: accepted after validation, and other weights");
    }
}
