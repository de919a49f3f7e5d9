//! Objects that survive an error work again: each call of their work is made to fail in turn, alone
//! and with all that follow, and then the same objects do all their work. The player refuses what
//! touches memory that a kernel or a copy still uses, so a slot that is taken for free is another
//! error than the one that was made.

use df11_core::bf16;
use df11_gpu::{Decoder, Driver, Error, LoadedUnit, Offload, PinnedUnit};
use df11_gpu_shim::Fake;

use crate::cases;
use crate::rig::{Memory, Rig, assert_same};
use crate::subject::Subject;
use crate::unit::Parts;

/// Units that go through the two slots in one round.
const UNITS: usize = 5;

/// Made once, before anything fails.
struct Objects<'a, D: Driver> {
    rig: Rig<D>,
    decoder: Decoder<D>,
    parts: &'a [Parts],
    loaded: LoadedUnit<'a, D>,
    offload: Offload<D>,
    pinned: Vec<PinnedUnit<D>>,
    outputs: Vec<Memory<D>>,
    status: Memory<D>,
    words: &'a [Vec<u16>],
}

pub fn objects_that_survive_an_error_work_again<S: Subject>(fake: &Fake, ordinal: usize) {
    let words: Vec<Vec<u16>> = (0..UNITS).map(|i| cases::gauss(2000 + 300 * i, 70 + i as u64)).collect();
    let parts: Vec<Parts> = words.iter().map(|words| Parts::new(words)).collect();
    let (decoder, rig) = (Decoder::open(ordinal).expect("a device"), Rig::<S>::open(ordinal));
    let pin = |parts: &Parts| PinnedUnit::new(&rig.device, &parts.unit()).expect("page-locked memory");
    let pinned: Vec<PinnedUnit<S>> = parts.iter().map(pin).collect();
    let largest = pinned.iter().map(|unit| unit.layout().bytes()).max().expect("several");
    let mut objects = Objects {
        loaded: decoder.load(parts[0].unit()).expect("an upload"),
        offload: Offload::new(&rig.kernels, largest).expect("two slots"),
        pinned,
        outputs: words.iter().map(|words| rig.memory(2 * words.len())).collect(),
        status: rig.memory(4),
        parts: &parts,
        words: &words,
        decoder,
        rig,
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
        self.outputs.iter().chain([&self.status]).for_each(|memory| memory.clear(&self.rig.stream));
    }

    /// What came of each step: a whole unit, a range, the units that go through the slots, and the
    /// stream. None waits for the one before, whatever came of it.
    fn work(&mut self) -> Vec<Result<(), Error>> {
        let words = &self.words[0];
        let mut found = vec![bf16::ZERO; words.len()];
        let whole = self.decoder.load(self.parts[0].unit()).and_then(|unit| unit.decode_range(0, &mut found));
        if whole.is_ok() {
            assert_same("a whole unit", words, &found);
        }
        let mut part = vec![bf16::ZERO; 1000];
        let range = self.loaded.decode_range(500, &mut part);
        if range.is_ok() {
            assert_same("a range", &words[500..1500], &part);
        }
        let mut outcomes = vec![whole, range];
        for (unit, output) in self.pinned.iter().zip(&self.outputs) {
            let (stream, out, status) = (self.rig.stream.raw(), output.address(), self.status.address());
            // SAFETY: all of it lives until the stream has been waited for, in `check`.
            outcomes.push(unsafe { self.offload.decode(stream, unit, out, status) });
        }
        outcomes.push(self.rig.stream.wait());
        outcomes
    }

    /// What is Ok is right; what is not is the error that was made, and no other.
    fn check<S: Subject>(&self, what: &str, outcomes: &[Result<(), Error>]) {
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert!(matches!(error, Error::Driver { error, .. } if error == S::MADE), "{what}: {error}");
        }
        for (i, words) in self.words.iter().enumerate() {
            if outcomes[2 + i].is_ok() {
                let found = self.outputs[i].words(words.len(), &self.rig.stream);
                assert_same(&format!("{what}: unit {i}"), words, &found);
            }
        }
        assert_same(&format!("{what}: status"), &[0, 0], &self.status.words(2, &self.rig.stream));
    }
}
