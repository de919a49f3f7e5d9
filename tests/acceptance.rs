//! Tests one sentence of FORMAT.md: decoding a whole unit, or a range of one, every backend accepts
//! exactly what the plain decoder accepts, and gives the same weights; but a backend that does not
//! look at gaps within a block accepts a wrong one.
//!
//! Units whose structure lies go through every decoder.
//! `DF11_LYING_UNITS=20000 cargo test --test acceptance -- --nocapture` tries more than the usual
//! 1,500, and prints the counts that tests/README.md records.
//! `ci/full.sh acceptance acceptance_asan` does that too, and also runs beside guard pages and
//! under AddressSanitizer.

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;

use support::agreement::{Verdict, verdict};
use support::lies::{self, Lying};
use support::on_all_processors;

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
