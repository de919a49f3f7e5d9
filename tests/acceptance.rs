//! Tests one sentence of FORMAT.md: decoding a whole unit, or a range of one, every backend accepts
//! exactly what the plain decoder accepts, and gives the same weights; but a backend that does not
//! look at gaps within a block accepts a wrong one.
//!
//! Units whose structure lies go through every decoder, and through products and the flat form of
//! every level.
//! `DF11_LYING_UNITS=20000 cargo test --test acceptance -- --nocapture` tries more than the usual
//! 1,500, and prints the counts that tests/README.md records.
//! `ci/full.sh acceptance acceptance_asan` does that too, and also runs beside guard pages and
//! under AddressSanitizer.

mod support;

use df11_core::product::Output;
use df11_core::{Backend, BackendError, Linear, Loaded, Plain, Rows, Shape, Work, bf16};
use df11_cpu::Level;
use std::collections::BTreeMap;
use std::sync::Mutex;

use support::agreement::{Verdict, verdict};
use support::lies::{self, Lying};
use support::on_all_processors;
use support::random::Random;

#[derive(Default)]
struct Counts {
    units: u64,
    not_valid: u64,
    not_decoded: u64,
    gaps_lie: u64,
    decoded: u64,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        self.units += 1;
        match verdict {
            Verdict::NotValid => self.not_valid += 1,
            Verdict::NotDecoded => self.not_decoded += 1,
            Verdict::GapsLie(_) => self.gaps_lie += 1,
            Verdict::Decoded(_) => self.decoded += 1,
        }
    }

    fn print(&self, name: &str) {
        let Counts { units, not_valid, not_decoded, gaps_lie, decoded } = self;
        println!("{name:<48}{units:>8}{not_valid:>11}{not_decoded:>13}{gaps_lie:>10}{decoded:>9}");
    }
}

#[test]
fn every_decoder_accepts_what_the_plain_one_accepts() {
    let units = lies::units(1500);
    let seeds: Vec<u64> = (0..units).collect();
    let counts = Mutex::new(BTreeMap::<_, Counts>::new());
    on_all_processors(&seeds, |&seed| {
        let Lying { coded, lies } = lies::numbered(seed);
        let verdict = verdict(&format!("unit {seed} ({})", lies.join("; ")), &coded);
        let name = if lies.len() == 1 { lies[0] } else { "several lies" };
        let mut counts = counts.lock().expect("no thread panicked");
        counts.entry(name).or_default().add(&verdict);
        counts.entry("together").or_default().add(&verdict);
    });
    let counts = counts.into_inner().expect("no thread panicked");
    println!("{:<48}{:>8}{:>11}{:>13}{:>10}{:>9}", "lie", "units", "not valid", "not decoded", "gaps lie", "decoded");
    counts.iter().for_each(|(name, counts)| counts.print(name));
    // No kind of unit is so rare that the promise would be empty.
    let all = &counts["together"];
    for (what, found, percent) in [
        ("valid", all.units - all.not_valid, 50),
        ("refused by decoders", all.not_decoded, 20),
        ("accepted by all", all.decoded, 10),
        ("accepted but for gaps within blocks", all.gaps_lie, 1),
    ] {
        assert!(100 * found >= percent * units, "{found} of {units} units are {what}, fewer than {percent} %");
    }
}

#[test]
fn positions_that_lie_are_refused() {
    assert_eq!(verdict("positions that lie", &lies::positions_that_lie()), Verdict::NotValid);
}

/// Of a unit that lies, a level refuses a product exactly where it refuses to decode the same rows,
/// and the flat form where it refuses to decode all. What the plain decoder accepts, it accepts.
/// What it does not refuse is right.
#[test]
fn every_level_multiplies_and_flattens_what_it_decodes() {
    let seeds: Vec<u64> = (0..lies::units(600)).collect();
    let counts = Mutex::new([0_u64; 2]);
    on_all_processors(&seeds, |&seed| {
        let coded = lies::numbered(seed).coded;
        let Ok(unit) = coded.view().validate() else { return };
        let plain = Plain.load(unit.borrowed()).expect("plain loads every unit");
        let (mut random, all) = (Random::new(seed), unit.weights());
        for _ in 0..4 {
            let first = random.below(all);
            let columns = 1 + random.below((all - first).min(3000));
            let shape = Shape::new(1 + random.below((all - first) / columns), columns).expect("a shape");
            let (rows, vectors) = (Rows { first, shape }, 1 + random.below(2) as usize);
            let of_plain = decoded(&*plain, &rows).ok();
            for level in Level::available() {
                let loaded = level.load(unit.borrowed()).expect("a level loads every unit");
                let of_level = decoded(&*loaded, &rows);
                let what = format!("unit {seed}, {level}, {rows:?}, {vectors} vectors");
                assert!(of_plain.is_none() || of_level.as_ref().ok() == of_plain.as_ref(), "{what}");
                let refused = of_level.is_err();
                let expected = of_level.map(|words| {
                    let words = Plain.load_bf16(words.into()).expect("whole words");
                    multiply(&*words, Rows { first: 0, shape }, vectors, Work::ThisThread).expect("a product")
                });
                for work in [Work::Pool, Work::ThisThread] {
                    let found = multiply(&*loaded, rows, vectors, work);
                    assert!(found.ok() == expected.as_ref().ok().cloned(), "{what}, {work:?}");
                }
                counts.lock().expect("no thread panicked")[usize::from(refused)] += 1;
            }
        }
        for level in Level::available() {
            let loaded = level.load(unit.borrowed()).expect("a level loads every unit");
            let columns = 64.min(all);
            let (matrix, rest) = (Shape::new(all / columns, columns), Shape::new(1, all % columns));
            let shapes: Vec<Shape> = [matrix, rest].into_iter().flatten().collect();
            let whole = Rows { first: 0, shape: Shape::new(1, all).expect("a shape") };
            let flat = loaded.flatten(&shapes, Work::Pool).and_then(|flat| decoded(&*flat.loaded, &whole));
            assert!(flat.ok() == decoded(&*loaded, &whole).ok(), "unit {seed}, {level}, flat");
        }
    });
    let [accepted, refused] = counts.into_inner().expect("no thread panicked");
    println!("{accepted} products of units that lie are right, {refused} refused");
    assert!(10 * accepted.min(refused) >= accepted + refused, "{accepted} are right, {refused} refused");
}

/// The words of some rows, little-endian.
fn decoded(loaded: &dyn Loaded, rows: &Rows) -> Result<Vec<u8>, BackendError> {
    let mut weights = vec![bf16::NAN; rows.shape.weights() as usize];
    loaded.decode_range(rows.first, &mut weights, Work::Pool)?;
    Ok(weights.iter().flat_map(|weight| weight.to_le_bytes()).collect())
}

/// The bits of a product with vectors of ones and minus ones.
fn multiply(loaded: &dyn Loaded, rows: Rows, vectors: usize, work: Work) -> Result<Vec<u32>, BackendError> {
    let columns = rows.shape.columns();
    let x: Vec<bf16> = (0..vectors * columns as usize).map(|at| [bf16::ONE, bf16::NEG_ONE][at % 3 % 2]).collect();
    let mut y = vec![f32::NAN; vectors * rows.shape.rows() as usize];
    let mut scratch = vec![f32::NAN; loaded.scratch(columns, vectors, work)];
    loaded.product(&x, &mut [Linear { rows, bias: None, y: Output::F32(&mut y) }], &mut scratch, work)?;
    Ok(y.iter().map(|y| y.to_bits()).collect())
}
