//! What only a played device can be made to do: fail at every call, be several, count its calls.

use df11_core::product::{Bias, Output};
use df11_core::{BackendError, Linear, Loaded, Rows as MatrixRows, Shape, Work, bf16};
use df11_gpu::{Decoder, Device, DeviceMemory, Driver, Error, Kernels, Library, Offload, PinnedUnit, Rows, Stream};
use df11_gpu_shim::Fake;
use df11_kernels::Job;

use crate::graph::{capture, with_current};
use crate::rig::{OnDevice, Rig, assert_same};
use crate::subject::Subject;
use crate::unit::Parts;
use crate::{cases, device, survivors};

/// The number of the error that ends a capture which was broken, CUDA's and HIP's.
const CAPTURE_INVALIDATED: i32 = 901;

pub fn all<S: Subject>() {
    S::before_it_is_played();
    let Some(fake) = Fake::load(S::FAKE) else {
        return println!("skipped: {} on the processor (no C++ compiler, or not Linux)", S::BACKEND);
    };
    libraries_that_will_not_do_are_named::<S>();
    S::on_played_devices(&fake);
    // The borders of codes of 2 to 7 bits are the kernel's business, and proven there.
    let cases: Vec<_> = cases::short().into_iter().filter(|case| !case.name.starts_with("codes_of_")).collect();
    S::KINDS.iter().for_each(|&kind| device::all::<S>(kind, &cases));
    devices_side_by_side::<S>();
    what_cannot_be_captured_breaks_the_capture::<S>();
    occupancy_is_asked_once::<S>(&fake);
    what_is_current_stays_current::<S>();
    the_next_copy_runs_beside_a_decoding::<S>(&fake);
    assert_eq!(fake.live(), 0, "all was given back");
    every_failing_call_of_the_compiler_is_an_error::<S>(&fake);
    every_failing_call_is_an_error_and_gives_everything_back::<S>(&fake);
    every_failing_return_loses_but_one_thing::<S>(&fake);
    what_cannot_be_waited_for_is_not_freed::<S>(&fake);
    S::KINDS.iter().take(2).for_each(|&kind| survivors::objects_that_survive_an_error_work_again::<S>(&fake, kind));
}

fn libraries_that_will_not_do_are_named<D: Driver>() {
    // SAFETY: there is none of the first names, and the last has no function of the driver.
    let find = |names| unsafe { Library::<D>::find(names) }.map(drop).unwrap_err();
    let names = ["libdf11-is-not-there.so", "libdf11-is-not-there.so.5"];
    assert_eq!(find(&names), Error::DriverNotFound { words: D::WORDS, looked_for: D::listed(&names) });
    assert!(names.iter().all(|name| find(&names).to_string().contains(name)));
    let (words, library) = (D::WORDS, "libc.so.6".to_owned());
    assert_eq!(find(&["libc.so.6"]), Error::DriverTooOld { words, library, function: D::NAMES.init });
}

/// Several devices on one thread, and on threads of their own: each call goes to the device of what
/// it is made on. Memory and handles of one are unknown to the others.
fn devices_side_by_side<D: Driver>() {
    let devices = Device::<D>::count().expect("a driver");
    assert!(devices > 3);
    let words = cases::gauss(20_000, 98);
    let parts = Parts::new(&words);
    let decoders: Vec<Decoder<D>> = (0..devices).map(|ordinal| Decoder::open(ordinal).expect("a device")).collect();
    let decode_on = |decoder: &Decoder<D>| {
        let mut found = vec![bf16::ZERO; words.len()];
        decoder.load(parts.unit()).and_then(|unit| unit.decode_range(0, &mut found)).expect("the unit");
        assert_same(decoder.kernels().device().name(), &words, &found);
    };
    decoders.iter().chain(&decoders).for_each(decode_on);
    std::thread::scope(|scope| {
        for decoder in &decoders {
            scope.spawn(|| decode_on(decoder));
        }
    });
}

/// The first copy is waited for, each of the others runs beside the decoding before it. A copy into
/// a slot that is still read would be refused.
fn the_next_copy_runs_beside_a_decoding<D: Driver>(fake: &Fake) {
    const UNITS: usize = 6;
    let rig = Rig::<D>::open(1);
    let unit = OnDevice::new(&rig, cases::gauss(5000, 97));
    let mut offload = Offload::new(&rig.kernels, unit.pinned.layout().bytes()).expect("two slots");
    let stream = rig.stream.raw();
    let begin = fake.time(stream.addr());
    for _ in 0..UNITS {
        unit.offload(&mut offload, stream).expect("a launch");
    }
    assert_eq!(fake.time(stream.addr()) - begin, 1.0 + 3.0 * UNITS as f64);
    rig.stream.wait().expect("the work is done");
}

/// So it would be noticed if a launch allocated or waited.
fn what_cannot_be_captured_breaks_the_capture<S: Subject>() {
    let rig = Rig::<S>::open(0);
    type Work<'a> = &'a dyn Fn() -> Result<(), Error>;
    let uncapturable: [(&str, Work); 3] = [
        (S::NAMES.allocate, &|| DeviceMemory::new(&rig.device, 4).map(drop)),
        (S::NAMES.module_load, &|| Kernels::load(&rig.device).map(drop)),
        (S::NAMES.stream_synchronize, &|| rig.stream.wait()),
    ];
    for (name, work) in uncapturable {
        let refused = || assert!(matches!(work(), Err(Error::Driver { call, .. }) if name.starts_with(call)), "{name}");
        assert_eq!(capture(&rig.device, rig.stream.raw(), &refused, &|_| ()), CAPTURE_INVALIDATED, "{name}");
    }
}

/// Once for each kernel and size of the stage, and again if it was not said.
fn occupancy_is_asked_once<D: Driver>(fake: &Fake) {
    let rig = Rig::<D>::open(0);
    let (unit, stream) = (OnDevice::new(&rig, cases::gauss(5000, 83)), rig.stream.raw());
    let stage = unit.stage_bytes();
    let launches: [&dyn Fn() -> Result<(), Error>; 3] =
        [&|| unit.decode(stream, stage), &|| unit.decode(stream, stage + 16), &|| unit.gather(stream)];
    for launch in launches {
        fake.fail_from(D::NAMES.occupancy, 1);
        assert!(launch().is_err(), "it is asked");
        fake.fail_from(D::NAMES.occupancy, 2);
        for launched in [launch(), launch()] {
            launched.expect("it is asked once");
        }
        assert!(!fake.failed(), "it is asked once more");
    }
    fake.fail("", 0);
}

/// A call, after which the thread has current what it had before, whatever came of it.
fn kept<D: Driver, T>(keeps: bool, work: impl FnOnce() -> T) -> T {
    let current = || Library::<D>::get().and_then(D::current).expect("it can be asked");
    let before = keeps.then(current);
    let done = work();
    assert!(before.is_none_or(|before| current() == before), "another device is current after a call");
    done
}

/// Everything that the backend calls, in one small round on the device of this number.
fn round<D: Driver>(words: &[u16], ordinal: usize, keeps: bool) -> Result<(), Error> {
    let (parts, mut found) = (Parts::new(words), vec![bf16::ZERO; words.len()]);
    let decoder = kept::<D, _>(keeps, || Decoder::<D>::open(ordinal))?;
    let (kernels, device) = (decoder.kernels(), decoder.kernels().device());
    let loaded = kept::<D, _>(keeps, || decoder.load(parts.unit()))?;
    kept::<D, _>(keeps, || loaded.decode_range(0, &mut found))?;
    assert_same("round", words, &found);
    kept::<D, _>(keeps, || loaded.decode_rows(0..3000, 30, &[1], &mut found[..30]))?;
    products::<D>(&loaded, words.len(), keeps)?;
    let pinned = kept::<D, _>(keeps, || PinnedUnit::new(device, &parts.unit()))?;
    let stream = kept::<D, _>(keeps, || Stream::new(device))?;
    let memory = |bytes| kept::<D, _>(keeps, || DeviceMemory::new(device, bytes));
    let (output, status, numbers) = (memory(2 * words.len())?, memory(4)?, memory(4)?);
    let mut offload = kept::<D, _>(keeps, || Offload::new(kernels, pinned.layout().bytes()))?;
    let (raw, out, status) = (stream.raw(), output.address(), status.address());
    let (job, row) =
        (Job::all(&loaded.on_device(), out, status), Rows { numbers: numbers.address(), count: 1, weights: 9 });
    // SAFETY: all of it lives until the stream is waited for.
    let launched = unsafe {
        kept::<D, _>(keeps, || numbers.clear(raw))
            .and_then(|()| kept::<D, _>(keeps, || numbers.write(&[0; 4], raw)))
            .and_then(|()| kept::<D, _>(keeps, || kernels.gather(raw, &job, row, loaded.stage_bytes())))
            .and_then(|()| kept::<D, _>(keeps, || offload.decode(raw, &pinned, out, status)))
    };
    let waited = kept::<D, _>(keeps, || stream.wait()).and_then(|()| kept::<D, _>(keeps, || device.synchronize()));
    kept::<D, _>(keeps, || drop((offload, pinned, output, stream)));
    kept::<D, _>(keeps, || drop((loaded, numbers, decoder)));
    waited.and(launched)
}

/// A product from a unit, and from the flat form of its one matrix.
fn products<D: Driver>(loaded: &dyn Loaded, weights: usize, keeps: bool) -> Result<(), Error> {
    const ROWS: usize = 10;
    let shape = Shape::new(ROWS as u64, (weights / ROWS) as u64).expect("a shape");
    let x = vec![bf16::ONE; weights / ROWS];
    let mut y = [[0.0; ROWS]; 2];
    let flat = kept::<D, _>(keeps, || loaded.flatten(&[shape], Work::Pool)).map_err(ours)?;
    for (from, y) in [loaded, &*flat.loaded].into_iter().zip(&mut y) {
        let rows = MatrixRows { first: 0, shape };
        let mut linear = [Linear { rows, bias: Some(Bias::F32(&[1.0; ROWS])), y: Output::F32(y) }];
        kept::<D, _>(keeps, || from.product(&x, &mut linear, &mut [], Work::Pool)).map_err(ours)?;
    }
    assert_eq!(y[0].map(f32::to_bits), y[1].map(f32::to_bits));
    kept::<D, _>(keeps, || drop(flat));
    Ok(())
}

/// The error of the backend that the contract wraps.
fn ours(error: BackendError) -> Error {
    match error {
        BackendError::Device { error, .. } => *error.downcast().expect("an error of this backend"),
        error => panic!("{error}"),
    }
}

/// With nothing current, as the thread begins; with another device; with the very one.
fn what_is_current_stays_current<D: Driver>() {
    let words = cases::gauss(3000, 82);
    round::<D>(&words, 0, true).expect("a round");
    for ordinal in [0, 1] {
        let other = Device::<D>::open(ordinal).expect("a device");
        with_current(&other, || round::<D>(&words, 0, true)).expect("a round");
        let refused = with_current(&other, || kept::<D, _>(true, || Device::<D>::open(99))).unwrap_err();
        assert!(matches!(refused, Error::NoDevice { .. }), "{refused}");
    }
}

/// Makes the first, second, ... call of `name` fail, until it is called no more; gives how often it
/// was, and what each failure came to and lost.
fn failures(fake: &Fake, name: &str, round: impl Fn() -> Result<(), Error>) -> Vec<(Result<(), Error>, i32)> {
    let mut all = Vec::new();
    loop {
        let before = fake.live();
        fake.fail(name, all.len() as i32 + 1);
        let outcome = round();
        let reached = fake.failed();
        fake.fail("", 0);
        if !reached {
            outcome.expect("nothing failed");
            assert!(!all.is_empty(), "{name} is never called");
            return all;
        }
        all.push((outcome, fake.live() - before));
    }
}

/// Of all vendors, those that give something back.
fn gives_back<S: Subject>() -> Vec<&'static str> {
    let names = S::NAMES;
    let of_all = [
        names.free,
        names.free_pinned,
        names.stream_destroy,
        names.event_destroy,
        names.synchronize,
        names.module_unload,
    ];
    of_all.into_iter().chain(S::OWN[1].iter().copied()).collect()
}

fn every_failing_call_is_an_error_and_gives_everything_back<S: Subject>(fake: &Fake) {
    let (words, listed, back) = (cases::gauss(3000, 99), format!("{:?}", S::NAMES), gives_back::<S>());
    // Each field's value, in quotes.
    let names = listed.split('"').skip(1).step_by(2).chain(S::OWN[0].iter().copied());
    let names: Vec<&str> = names.filter(|name| !back.contains(name)).collect();
    assert!(names.len() > 19, "{names:?}");
    for name in names {
        for (number, (outcome, lost)) in failures(fake, name, || round::<S>(&words, 1, true)).into_iter().enumerate() {
            let made = |call: &str| name.trim_end_matches("_v2") == call;
            let expected = matches!(&outcome, Err(Error::Driver { call, error }) if made(call) && error == S::MADE);
            // Offload waits for its copies when it is dropped, where nobody can be told.
            let silent = name == S::NAMES.stream_synchronize && outcome.is_ok();
            assert!(expected || silent, "{name}, call {number}: {outcome:?}");
            assert_eq!(lost, 0, "{name}, call {number}");
        }
    }
}

/// What is not given back because its return fails, or the call before it, is lost; nobody can be
/// told, and all else is given back.
fn every_failing_return_loses_but_one_thing<S: Subject>(fake: &Fake) {
    let words = cases::gauss(3000, 99);
    for name in gives_back::<S>() {
        for (outcome, lost) in failures(fake, name, || round::<S>(&words, 1, true)) {
            let told = name == S::NAMES.synchronize && outcome.is_err() && lost == 0;
            assert!(told || (outcome.is_ok() && lost == 1), "{name}: {outcome:?}, {lost} lost");
        }
    }
    for name in S::CURRENT {
        for (outcome, lost) in failures(fake, name, || round::<S>(&words, 1, false)) {
            match outcome {
                Ok(()) => assert!(lost <= 1, "{name}: {lost} lost"),
                Err(error) => {
                    assert_eq!((error, lost), (Error::Driver { call: name, error: S::MADE.into() }, 0))
                }
            }
        }
    }
}

/// If neither the stream nor the device can be waited for, its work may go on: what that uses is
/// left where it is.
fn what_cannot_be_waited_for_is_not_freed<S: Subject>(fake: &Fake) {
    let (words, before) = (cases::gauss(3000, 99), fake.live());
    for nth in 1.. {
        fake.fail_from("*Synchronize", nth);
        let outcome = round::<S>(&words, 1, true);
        let reached = fake.failed();
        fake.fail("", 0);
        assert_eq!(fake.hasty(), 0, "wait {nth} and all that follow: {outcome:?}");
        if !reached {
            assert!(nth > 5 && fake.live() > before, "{nth} waits");
            return outcome.expect("nothing failed");
        }
    }
}

fn every_failing_call_of_the_compiler_is_an_error<S: Subject>(fake: &Fake) {
    let compile = || Kernels::<S>::compile(&Device::open(0)?).map(drop);
    let Some(compiler) = S::compiler(&compile) else { return };
    for &name in S::COMPILER[0] {
        compiler.fail(name, 1);
        let outcome = compile();
        assert!(matches!(outcome, Err(Error::Compiler { .. })), "{name}: {outcome:?}");
        assert_eq!((compiler.live(), fake.live()), (0, 0), "{name}");
    }
    compiler.fail("", 0);
    S::without_code(fake, true);
    for &name in S::COMPILER[1] {
        compiler.fail(name, 1);
        let outcome = compile();
        assert!(matches!(outcome, Err(Error::Compiler { log }) if log.starts_with("another error of")), "{name}");
        assert_eq!((compiler.live(), fake.live()), (0, 0), "{name}");
    }
    compiler.fail("", 0);
    S::without_code(fake, false);
}
