//! Every public function of df11-core and df11-cpu, with any arguments: it gives the documented
//! result or error, and does not panic.
//!
//! ```text
//! api/coding.rs   lengths -> Code, Lookup; counts -> Histogram, Plan; others' weights -> encode
//! api/flat.rs     weights -> flat matrices; shapes, sections, products
//! api/owned.rs    weights -> units that own their arrays; tiles, rows, matrices
//! api/units.rs    units, sound or damaged -> Unit, decoders
//! ```
//!
//! The builds of the fuzzer and of the tests check arithmetic, so a number that would wrap in a
//! release build panics here. `tests/public_functions.rs` looks for the name of each function in
//! these files.

mod coding;
mod flat;
mod owned;
mod units;

use crate::support::draw::{Bytes, Draw};
use df11_core::{Error, bf16, bf16_word};
use df11_cpu::{Level, LevelError, buffer};
use std::str::FromStr;

/// Numbers where arithmetic once went wrong, and the edges of integer types.
const EDGES: [u64; 12] = [
    0,
    1 << 8,
    1 << 15,
    1 << 16,
    (1 << 31) - 4096,
    1 << 32,
    (1 << 55) - 1,
    u64::MAX / 8,
    u64::MAX / 5,
    isize::MAX as u64,
    1 << 63,
    u64::MAX,
];
/// Most bytes of a buffer that is asked for, except for buffers that cannot exist.
const MOST_BYTES: u64 = 1 << 18;

pub fn api(data: &[u8]) {
    let mut draw = Bytes::new(data);
    match draw.below(20) {
        0 => words(&mut draw),
        1 => levels(&mut draw),
        2 => buffers(&mut draw),
        3..=4 => coding::codes(&mut draw),
        5..=7 => coding::plans(&mut draw),
        8..=10 => coding::encoders(&mut draw),
        11 => owned::owned(&mut draw),
        12..=15 => flat::flat(&mut draw),
        _ => units::units(&mut draw),
    }
}

/// Any number. Small ones and those near an edge come more often than others.
fn any_number(draw: &mut Bytes) -> u64 {
    match draw.below(4) {
        0 => draw.below(600),
        1 | 2 => EDGES[draw.below(EDGES.len() as u64) as usize].wrapping_add(draw.below(5)).wrapping_sub(2),
        _ => draw.below(u64::MAX) >> draw.below(64),
    }
}

/// As `any_number`, as far as this machine can address.
fn any_size(draw: &mut Bytes) -> usize {
    any_number(draw) as usize
}

fn any_level(draw: &mut Bytes) -> Level {
    let levels: Vec<Level> = Level::available().collect();
    levels[draw.below(levels.len() as u64) as usize]
}

fn words(draw: &mut Bytes) {
    let weight = bf16::from_bits(draw.below(1 << 16) as u16);
    let (exponent, rest) = (bf16_word::exponent(weight), bf16_word::sign_mantissa(weight));
    assert_eq!(bf16_word::merge(exponent, rest).to_bits(), weight.to_bits());
}

fn levels(draw: &mut Bytes) {
    let best = Level::best();
    assert_eq!(Level::available().next(), Some(best));
    assert!(Level::available().any(|level| level == Level::portable()));
    for listing in Level::list() {
        assert_eq!(Level::named(listing.name).is_ok(), listing.level.is_ok());
        assert!(listing.level.is_err() || listing.level.is_ok_and(|level| level.name() == listing.name));
    }
    assert_eq!(format!("{best:>9}").trim_start(), best.name());
    let name = String::from_utf8_lossy(draw.rest());
    match Level::from_str(&name) {
        Ok(level) => assert_eq!(level.name(), name),
        Err(LevelError::Unavailable { name: of_list, .. }) => assert_eq!(of_list, name),
        Err(error) => assert!(error.to_string().contains("portable") && Level::named(&name) == Err(error)),
    }
}

fn buffers(draw: &mut Bytes) {
    let len = any_size(draw);
    check_buffer(1, len, |len| buffer::<u8>(len).map(|zeros| zeros == vec![0; len]));
    check_buffer(4, len, |len| buffer::<u32>(len).map(|zeros| zeros == vec![0; len]));
    check_buffer(512, len, |len| buffer::<[u64; 64]>(len).map(|zeros| zeros == vec![[0; 64]; len]));
}

/// Checks that a buffer is zeros, or that the one error comes if it cannot exist. The system
/// decides about the sizes between.
fn check_buffer(element: u64, len: usize, is_zeros: impl Fn(usize) -> Result<bool, Error>) {
    let bytes = u128::from(element) * len as u128;
    if bytes <= u128::from(MOST_BYTES) {
        assert_eq!(is_zeros(len), Ok(true));
    } else if bytes > isize::MAX as u128 {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        assert_eq!(is_zeros(len), Err(Error::OutOfMemory { bytes }));
    }
}
