//! Objects that survive an error work again: each call of their work is made to fail in turn, alone and with all that follow, and then the same objects do all their
//! work. The player refuses what touches memory that a kernel or a copy still uses, so a slot that is taken for free is another error than the one that was made.

use df11_core::{Unit, bf16};
use df11_cuda::{Decoder, DeviceMemory, Error, LoadedUnit, Offload, PinnedUnit, Stream};

use crate::cases;
use crate::device::{assert_same, clear, read};
use crate::played::Fake;
use crate::unit::Parts;

/// Units that go through the two slots in one round.
const UNITS: usize = 5;
/// The error that is made.
const MADE: &str = "CUDA_ERROR_OUT_OF_MEMORY";

/// Made once, before anything fails.
struct Objects<'a> {
    decoder: &'a Decoder,
    unit: &'a Unit<'a>,
    loaded: LoadedUnit<'a, 'a>,
    offload: Offload,
    pinned: Vec<PinnedUnit>,
    outputs: Vec<DeviceMemory>,
    status: DeviceMemory,
    stream: Stream,
    words: Vec<Vec<u16>>,
}

pub fn objects_that_survive_an_error_work_again(fake: &Fake, ordinal: usize) {
    let words: Vec<Vec<u16>> = (0..UNITS).map(|i| cases::gauss(2000 + 300 * i, 70 + i as u64)).collect();
    let parts: Vec<Parts> = words.iter().map(|words| Parts::new(words)).collect();
    let unit = parts[0].unit();
    let decoder = Decoder::open(ordinal).expect("a device");
    let device = decoder.kernels().device();
    let pinned: Vec<PinnedUnit> =
        parts.iter().map(|parts| PinnedUnit::new(device, &parts.unit()).expect("page-locked memory")).collect();
    let largest = pinned.iter().map(|unit| unit.layout().bytes()).max().expect("several");
    let memory = |bytes| DeviceMemory::new(device, bytes).expect("memory");
    let mut objects = Objects {
        decoder: &decoder,
        unit: &unit,
        loaded: decoder.load(&unit).expect("an upload"),
        offload: Offload::new(decoder.kernels(), largest).expect("two slots"),
        pinned,
        outputs: words.iter().map(|words| memory(2 * words.len())).collect(),
        status: memory(4),
        stream: Stream::new(device).expect("a stream"),
        words,
    };
    for lasting in [false, true] {
        let mut nth = 1;
        loop {
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
            objects.check(&what, &outcomes);
            // A call that gives something back tells nobody that it failed, and what it was to give back is lost.
            assert!(lasting || fake.live() - before <= 1, "{what}");

            objects.clear();
            let again = objects.work();
            assert!(again.iter().all(Result::is_ok), "{what}, again: {again:?}");
            objects.check(&what, &again);
            if !reached {
                break;
            }
            nth += 1;
        }
        assert!(nth > 60, "{nth} calls: the work has shrunk");
    }
}

impl Objects<'_> {
    /// So that weights of an earlier round are not taken for new ones.
    fn clear(&self) {
        self.outputs.iter().chain([&self.status]).for_each(|memory| clear(memory, &self.stream));
    }

    /// What came of each step: a whole unit, a range, the units that go through the slots, and the stream. None waits for the one before, whatever came of it.
    fn work(&mut self) -> Vec<Result<(), Error>> {
        let words = &self.words[0];
        let mut found = vec![bf16::ZERO; words.len()];
        let whole = self.decoder.decode(self.unit, &mut found);
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
            // SAFETY: all of it lives until the stream has been waited for, in `check`.
            outcomes
                .push(unsafe { self.offload.decode(self.stream.raw(), unit, output.address(), self.status.address()) });
        }
        outcomes.push(self.stream.wait());
        outcomes
    }

    /// What is Ok is right; what is not is the error that was made, and no other.
    fn check(&self, what: &str, outcomes: &[Result<(), Error>]) {
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert!(matches!(error, Error::Driver { error, .. } if error == MADE), "{what}: {error}");
        }
        for (i, words) in self.words.iter().enumerate() {
            if outcomes[2 + i].is_ok() {
                let found = read(&self.outputs[i], words.len(), &self.stream);
                assert_same(&format!("{what}: unit {i}"), words, &found);
            }
        }
        assert_same(&format!("{what}: status"), &[0, 0], &read(&self.status, 2, &self.stream));
    }
}
