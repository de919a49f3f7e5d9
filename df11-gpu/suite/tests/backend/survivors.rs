//! Objects that survive an error work again: each call of their work is made to fail in turn, alone
//! and with all that follow, and then the same objects do all their work. The player refuses what
//! touches memory that a kernel or a copy still uses, so a slot that is taken for free is another
//! error than the one that was made.

use df11_core::bf16;
use df11_gpu::{Driver, Error, LoadedUnit, Offload};
use df11_gpu_shim::Fake;

use crate::cases;
use crate::rig::{OnDevice, Rig, assert_same};
use crate::subject::Subject;
use crate::unit::Parts;

/// Units that go through the two slots in one round.
const UNITS: usize = 5;

/// Made once, before anything fails.
struct Objects<'a, D: Driver> {
    rig: &'a Rig<D>,
    parts: &'a Parts,
    loaded: LoadedUnit<'a, D>,
    offload: Offload<D>,
    units: Vec<OnDevice<'a, D>>,
}

pub fn objects_that_survive_an_error_work_again<S: Subject>(fake: &Fake, ordinal: usize) {
    let rig = Rig::<S>::open(ordinal);
    let unit = |i: usize| OnDevice::new(&rig, cases::gauss(2000 + 300 * i, 70 + i as u64));
    let units: Vec<OnDevice<S>> = (0..UNITS).map(unit).collect();
    let parts = Parts::new(&units[0].words);
    let largest = units.iter().map(|unit| unit.pinned.layout().bytes()).max().expect("several");
    let mut objects = Objects {
        loaded: rig.decoder.load(parts.unit()).expect("an upload"),
        offload: Offload::new(&rig.kernels, largest).expect("two slots"),
        parts: &parts,
        units,
        rig: &rig,
    };
    for lasting in [false, true] {
        for nth in 1.. {
            let what = format!("call {nth}{}", if lasting { " and all that follow" } else { "" });
            objects.clear();
            let before = fake.live();
            if lasting {
                fake.fail_from("*", nth);
            } else {
                fake.fail("*", nth);
            }
            let outcomes = objects.work();
            let reached = fake.failed();
            fake.fail("", 0);
            objects.check::<S>(&what, &outcomes);
            // A call that gives something back tells nobody that it failed, and what it was to give
            // back is lost.
            assert!(lasting || fake.live() - before <= 1, "{what}");

            objects.clear();
            let again = objects.work();
            assert!(again.iter().all(Result::is_ok), "{what}, again: {again:?}");
            objects.check::<S>(&what, &again);
            if !reached {
                assert!(nth > 60, "{nth} calls: the work has shrunk");
                break;
            }
        }
    }
}

impl<D: Driver> Objects<'_, D> {
    /// So that weights of an earlier round are not taken for new ones.
    fn clear(&self) {
        self.units.iter().for_each(OnDevice::clear);
    }

    /// What came of each step: a whole unit, a range, the units that go through the slots, and the
    /// stream. None waits for the one before, whatever came of it.
    fn work(&mut self) -> Vec<Result<(), Error>> {
        let words = &self.units[0].words;
        let mut found = vec![bf16::ZERO; words.len()];
        let whole = self.rig.decode(self.parts.unit(), 0, &mut found);
        if whole.is_ok() {
            assert_same("a whole unit", words, &found);
        }
        let mut part = vec![bf16::ZERO; 1000];
        let range = self.loaded.decode_range(500, &mut part);
        if range.is_ok() {
            assert_same("a range", &words[500..1500], &part);
        }
        let stream = &self.rig.stream;
        let offloaded = self.units.iter().map(|unit| unit.offload(&mut self.offload, stream.raw()));
        [whole, range].into_iter().chain(offloaded).chain(std::iter::once_with(|| stream.wait())).collect()
    }

    /// What is Ok is right; what is not is the error that was made, and no other.
    fn check<S: Subject>(&self, what: &str, outcomes: &[Result<(), Error>]) {
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert!(matches!(error, Error::Driver { error, .. } if error == S::MADE), "{what}: {error}");
        }
        for (unit, outcome) in self.units.iter().zip(&outcomes[2..]) {
            if outcome.is_ok() {
                unit.assert_decoded(what);
            }
            assert_eq!(unit.faults(), 0, "{what}: status");
        }
    }
}
