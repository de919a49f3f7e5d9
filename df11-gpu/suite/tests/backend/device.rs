//! What any device must do, played or not.

use std::ops::Range;
use std::time::Instant;

use df11_core::{Backend, BackendError, Work, bf16};
use df11_gpu::{DEFAULT_STREAM, Device, DeviceMemory, Error, Kernels, Offload, PER_THREAD_STREAM};
use df11_gpu::{Driver, Rows};
use df11_kernels::{DeviceUnit, Job, LAUNCH_JOBS, fault};

use crate::cases::{self, Case};
use crate::graph::capture;
use crate::lies::{self, Truth};
use crate::products;
use crate::random::Random;
use crate::rig::{Memory, OnDevice, Rig, assert_same};
use crate::subject::Subject;
use crate::unit::Parts;

/// Units that lie, for a device.
const LYING_UNITS: u64 = 120;

pub fn all<S: Subject>(ordinal: usize, cases: &[Case]) {
    let rig = Rig::<S>::open(ordinal);
    every_case_survives(&rig, cases);
    the_fullest_blocks_launch_and_survive(&rig);
    ranges_and_faults(&rig);
    rows_of_any_matrix_come_back(&rig);
    rows_cost_the_blocks_that_they_are_in(&rig);
    units_that_lie_are_judged_as_core_judges(&rig);
    arguments_at_the_ends_of_their_types_are_errors(&rig);
    products::check_all(&rig.decoder);
    kernels_compiled_at_run_time(&rig);
    S::on_any_device(ordinal);
    any_window_lands_anywhere(&rig);
    a_stage_of_another_size_is_an_error(&rig);
    what_is_copied_is_written_to_the_last_byte(&rig);
    a_batch_and_rows_on_the_callers_stream(&rig);
    streams_that_nobody_made_will_do(&rig);
    launches_are_captured_and_replayed(&rig);
    units_stream_through_two_slots(&rig);
}

pub fn every_case_survives<D: Driver>(rig: &Rig<D>, cases: &[Case]) {
    for case in cases {
        let mut found = vec![bf16::from_bits(0xA5A5); case.weights.len()];
        let decoded = rig.decode(Parts::new(&case.weights).unit(), 0, &mut found);
        decoded.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_same(&case.name, &case.weights, &found);
    }
}

/// 32,768 weights a block, which the published launcher has no shared memory for.
fn the_fullest_blocks_launch_and_survive<D: Driver>(rig: &Rig<D>) {
    let words: Vec<u16> = (0..70_000u32).map(|i| (120 + (i.count_ones() % 2) as u16) << 7 | (i % 128) as u16).collect();
    let mut found = vec![bf16::ZERO; words.len()];
    rig.decode(Parts::of_one_bit_codes(&words, [120, 121]).unit(), 0, &mut found).expect("the unit");
    assert_same("codes of 1 bit", &words, &found);
}

fn ranges_and_faults<D: Driver>(rig: &Rig<D>) {
    let words = cases::gauss(50_000, 90);
    let parts = Parts::new(&words);
    let loaded = rig.decoder.load(parts.unit()).expect("an upload");
    for (first, count) in [(0, 1), (49_999, 1), (12_345, 20_000), (7, 0)] {
        let mut found = vec![bf16::ZERO; count];
        loaded.decode_range(first as u64, &mut found).expect("a range of the unit");
        assert_same("range", &words[first..][..count], &found);
    }
    for first in [50_000, u64::from(u32::MAX), u64::MAX] {
        let beyond = loaded.decode_range(first, &mut [bf16::ZERO]).unwrap_err();
        assert!(matches!(beyond, Error::Unit(df11_core::Error::RangePastEnd { .. })), "{first}: {beyond}");
    }

    let mut damaged = parts.clone();
    damaged.encoded_exponent[1000..1100].fill(0xFF);
    let error = rig.decode(damaged.unit(), 0, &mut vec![bf16::ZERO; words.len()]).unwrap_err();
    let plainly = df11_core::decode(&damaged.unit(), &mut vec![bf16::ZERO; words.len()]).unwrap_err();
    assert_eq!(error, Error::Unit(plainly));
}

/// By the contract of backends: rows in any order, of a matrix that begins anywhere, where rows of
/// the kernel begin or not.
fn rows_of_any_matrix_come_back<D: Driver>(rig: &Rig<D>) {
    let words = cases::real_like(40_000, 88);
    let parts = Parts::new(&words);
    let backend: Box<dyn Backend> = Box::new(rig.decoder.clone());
    let loaded = backend.load(parts.unit()).expect("an upload");
    assert_eq!((backend.name(), loaded.weights()), (D::BACKEND, 40_000));
    for (start, columns, rows) in [
        (0, 4000, vec![9, 0, 9]),
        (96, 64, vec![5, 622, 0]),
        (7, 9990, vec![3, 0]),
        (7, 30, vec![1000, 3]),
        (3, 5, vec![]),
        (13, 1, (0..500).chain(39_000..39_987).rev().collect()),
    ] {
        let mut found = vec![bf16::ZERO; rows.len() * columns];
        loaded.decode_rows(start..40_000, columns, &rows, &mut found, Work::Pool).expect("rows of the matrix");
        for (&row, found) in rows.iter().zip(found.chunks(columns)) {
            assert_same("a row", &words[start as usize + row as usize * columns..][..columns], found);
        }
    }
    for (matrix, columns, rows, output) in [
        (0..40_000, 4000, vec![10], 4000),
        (0..80_000, 4000, vec![10], 4000),
        (u64::MAX - 9..u64::MAX, 3, vec![1], 3),
        (0..40_000, 10, vec![1], 9),
    ] {
        let refused = loaded.decode_rows(matrix, columns, &rows, &mut vec![bf16::ZERO; output], Work::ThisThread);
        let wrong = |error: &df11_core::Error| {
            matches!(error, df11_core::Error::RangePastEnd { .. } | df11_core::Error::BufferSize { .. })
        };
        assert!(matches!(&refused, Err(BackendError::Unit(error)) if wrong(error)), "{rows:?}: {refused:?}");
    }
    for matrix in [0..40_000, 50_000..60_000, Range { start: 9, end: 0 }, u64::MAX..u64::MAX] {
        loaded.decode_rows(matrix, 0, &[1, u64::MAX], &mut [], Work::Pool).expect("nothing");
    }
    let mut damaged = parts.clone();
    damaged.encoded_exponent[100..200].fill(0xFF);
    let mut row = vec![bf16::ZERO; 2000];
    let refused =
        backend.load(damaged.unit()).expect("an upload").decode_rows(0..40_000, 2000, &[0], &mut row, Work::Pool);
    let plainly = df11_core::decode_range(&damaged.unit(), 0, &mut row).unwrap_err();
    assert!(matches!(&refused, Err(BackendError::Unit(error)) if *error == plainly), "{refused:?}");
}

/// A kernel that decodes a block for each weight of a row, or a block for each row in it, takes ten
/// times as long and more.
fn rows_cost_the_blocks_that_they_are_in<D: Driver>(rig: &Rig<D>) {
    let parts = Parts::new(&cases::gauss(50_000, 81));
    let loaded = rig.decoder.load(parts.unit()).expect("an upload");
    let time = |start, columns: usize, rows: &[u64]| {
        let mut found = vec![bf16::ZERO; rows.len() * columns];
        let once = |_| {
            let begin = Instant::now();
            loaded.decode_rows(start..50_000, columns, rows, &mut found).expect("rows of the matrix");
            begin.elapsed()
        };
        (0..3).map(once).min().expect("three times")
    };
    let row = time(0, 1000, &[0]);
    let (odd, many) = (time(7, 1000, &[0]), time(7, 10, &(0..200).collect::<Vec<_>>()));
    assert!(odd < 10 * row && many < 10 * row, "a row takes {row:?}; from an odd place {odd:?}; 200 rows {many:?}");
}

fn a_batch_and_rows_on_the_callers_stream<D: Driver>(rig: &Rig<D>) {
    let units = [cases::gauss(30_000, 91), cases::real_like(40_000, 92), vec![0x3C12]];
    let units = units.map(|words| OnDevice::new(rig, words));
    let jobs = units.each_ref().map(OnDevice::job);
    let stage = units.iter().map(OnDevice::stage_bytes).max().expect("three");
    // SAFETY: all that the jobs name is on the device, which is waited for before it is freed.
    unsafe { rig.kernels.decode(rig.stream.raw(), &jobs, stage) }.expect("a launch");
    units.iter().for_each(|unit| unit.assert_decoded("batch"));
    // SAFETY: refused before anything is launched.
    let refused = unsafe { rig.kernels.decode(rig.stream.raw(), &[jobs[0]; LAUNCH_JOBS + 1], stage) };
    assert!(matches!(refused, Err(Error::Jobs(_))), "{refused:?}");

    let (unit, numbers, gathered) = (&units[0], rig.memory(12), rig.memory(3 * 2000));
    let job = Job::window(&unit.unit(), 7..30_000, 0..1, gathered.address(), unit.status.address());
    let asked = Rows { numbers: numbers.address(), count: 3, weights: 1000 };
    // SAFETY: as for the batch.
    unsafe {
        numbers.write(bytemuck::bytes_of(&[28u32, 0, 29]), rig.stream.raw()).expect("a copy");
        rig.kernels.gather(rig.stream.raw(), &job, asked, stage).expect("a launch");
    }
    let found = gathered.words(2000, &rig.stream);
    assert_same("first row", &unit.words[28_007..29_007], &found[..1000]);
    assert_same("second row", &unit.words[7..1007], &found[1000..]);
    assert_eq!(unit.faults(), fault::ROW, "the third row is not in the matrix");
}

/// The default stream of the device and the thread's own do all that one of ours does.
fn streams_that_nobody_made_will_do<D: Driver>(rig: &Rig<D>) {
    let [whole, slots] = [84, 85].map(|seed| OnDevice::new(rig, cases::gauss(9000, seed)));
    let mut offload = Offload::new(&rig.kernels, slots.pinned.layout().bytes()).expect("two slots");
    for stream in [DEFAULT_STREAM, PER_THREAD_STREAM] {
        [&whole, &slots].into_iter().for_each(OnDevice::clear);
        whole.decode(stream, whole.stage_bytes()).expect("a launch");
        whole.gather(stream).expect("a launch");
        for _ in 0..3 {
            slots.offload(&mut offload, stream).expect("a launch");
        }
        whole.assert_decoded("decoded");
        whole.assert_gathered("gathered");
        slots.assert_decoded("offloaded");
    }
}

fn units_stream_through_two_slots<D: Driver>(rig: &Rig<D>) {
    let unit = |i: usize| OnDevice::new(rig, cases::gauss(20_000 + 1000 * i, 93 + i as u64));
    let units: Vec<OnDevice<D>> = (0..5).map(unit).collect();
    let largest = units.iter().map(|unit| unit.pinned.layout().bytes()).max().expect("five");
    let mut offload = Offload::new(&rig.kernels, largest).expect("two slots");
    for unit in &units {
        unit.offload(&mut offload, rig.stream.raw()).expect("a launch");
    }
    units.iter().for_each(|unit| unit.assert_decoded("offload"));
    let mut small = Offload::new(&rig.kernels, 1000).expect("two slots");
    let refused = units[0].offload(&mut small, rig.stream.raw());
    assert!(matches!(refused, Err(Error::Unit(df11_core::Error::BufferSize { .. }))), "{refused:?}");
}

/// Outputs at every place within a 128-byte line, windows of every length around a block's borders:
/// as many jobs as a launch takes.
fn any_window_lands_anywhere<D: Driver>(rig: &Rig<D>) {
    let words = cases::real_like(60_000, 80);
    let parts = Parts::new(&words);
    let unit = parts.unit();
    let on_device = OnDevice::new(rig, words.clone());
    let border = unit.block(1).weights.start;
    let ends = [0, 1, 7, 8, 9, 127, 128, border - 1, border, border + 1, unit.block(2).weights.end, 59_999, 60_000];
    let windows: Vec<_> = ends
        .iter()
        .flat_map(|&first| ends.iter().map(move |&end| first..end))
        .filter(|window| !window.is_empty())
        .collect();
    for (turn, windows) in windows.chunks(LAUNCH_JOBS).enumerate() {
        let status = rig.memory(4 * windows.len());
        let place = |i: usize| (7 * (i + turn)) % 64;
        let output = |(i, window): (usize, &Range<u64>)| rig.memory(2 * (place(i) + window.clone().count()));
        let outputs: Vec<Memory<D>> = windows.iter().enumerate().map(output).collect();
        let job = |(i, window): (usize, &Range<u64>)| {
            let blocks = unit.blocks_of(window.start, window.clone().count()).expect("a window of the unit");
            let (out, status) = (outputs[i].address() + 2 * place(i) as u64, status.address() + 4 * i as u64);
            Job::window(&on_device.unit(), window.clone(), blocks, out, status)
        };
        let jobs: Vec<Job> = windows.iter().enumerate().map(job).collect();
        // SAFETY: all that the jobs name is on the device and lives to the end of this turn, where
        // nothing runs.
        unsafe { rig.kernels.decode(rig.stream.raw(), &jobs, on_device.stage_bytes()) }.expect("a launch");
        for (i, window) in windows.iter().enumerate() {
            let found = outputs[i].words(place(i) + window.clone().count(), &rig.stream);
            let what = format!("{window:?} at place {}", place(i));
            assert_same(&what, &words[window.start as usize..window.end as usize], &found[place(i)..]);
        }
        let statuses = status.words(2 * windows.len(), &rig.stream);
        assert!(statuses.iter().all(|half| half.to_bits() == 0), "a status");
    }
}

/// Whatever the structure of a unit says, the device accepts what core accepts, with the same
/// weights; what it refuses is core's error. (That no other memory is touched is proven where
/// memory is guarded, by `df11-gpu-shim`.)
fn units_that_lie_are_judged_as_core_judges<D: Driver>(rig: &Rig<D>) {
    let mut valid = 0;
    for number in 0..LYING_UNITS {
        let mut random = Random::new(0xDE71CE + number);
        let lying = lies::unit(&mut random);
        let Ok(unit) = lying.parts.view().validate() else { continue };
        valid += 1;
        let all = unit.weights();
        let first = random.below(all);
        for (first, count) in [(0, all), (first, 1 + random.below(all - first))] {
            let what = format!("unit {number}, {:?}, {first}..{}", lying.damages, first + count);
            let truth = Truth::of(&what, &unit, &lying.parts, first, count as usize);
            let mut found = vec![bf16::NAN; count as usize];
            match rig.decode(lying.parts.unit(), first, &mut found) {
                Ok(()) => truth.hold(&what, Some(&found)),
                Err(Error::Unit(error)) => assert_eq!(Err(error), truth.plain, "{what}"),
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }
    assert!(valid > LYING_UNITS / 4, "{valid} of {LYING_UNITS} valid");
}

/// A stage that is too small is the kernel's to report, one that no device has the driver's to
/// refuse.
fn a_stage_of_another_size_is_an_error<D: Driver>(rig: &Rig<D>) {
    let unit = OnDevice::new(rig, cases::gauss(5000, 86));
    let decode = |stage_bytes| unit.decode(rig.stream.raw(), stage_bytes);
    let stage = unit.stage_bytes();
    for (stage_bytes, expected) in [(stage, 0), (stage - 16, fault::POSITIONS), (0, fault::POSITIONS)] {
        unit.clear();
        decode(stage_bytes).expect("a launch");
        let found = unit.faults();
        let right = found & fault::POSITIONS == expected && (found == 0) == (expected == 0);
        assert!(right, "{stage_bytes} bytes: {found}");
    }
    for stage_bytes in [u32::MAX - 10_496, u32::MAX] {
        assert!(matches!(decode(stage_bytes), Err(Error::Driver { .. })), "{stage_bytes} bytes");
    }
    rig.stream.wait().expect("nothing was launched");
}

fn arguments_at_the_ends_of_their_types_are_errors<D: Driver>(rig: &Rig<D>) {
    for ordinal in [i32::MAX as usize, usize::MAX] {
        assert!(matches!(Device::<D>::open(ordinal), Err(Error::NoDevice { .. })));
    }
    for bytes in [isize::MAX as usize, usize::MAX] {
        assert!(matches!(DeviceMemory::new(&rig.device, bytes), Err(Error::Driver { .. })));
        assert!(matches!(Offload::new(&rig.kernels, bytes), Err(Error::Driver { .. })));
    }
    let parts = Parts::new(&cases::gauss(1000, 87));
    // Nothing is launched for nothing.
    let nothing = Rows { numbers: u64::MAX, count: 0, weights: u32::MAX };
    let job = Job::all(&DeviceUnit::new(&parts.unit(), 0, 0, 0, 0, 0), 0, 0);
    // SAFETY: nothing is launched.
    let gathered = unsafe { rig.kernels.gather(DEFAULT_STREAM, &job, nothing, u32::MAX) };
    assert_eq!(gathered, Ok(()));
}

/// Page-locked memory is all written: between the arrays of a unit lie zeros.
fn what_is_copied_is_written_to_the_last_byte<D: Driver>(rig: &Rig<D>) {
    let on_device = OnDevice::new(rig, cases::gauss(5000, 85));
    let layout = on_device.pinned.layout();
    let mut expected = vec![0; layout.bytes()];
    layout.write(&Parts::new(&on_device.words).unit(), &mut expected);
    let found = on_device.memory.words(layout.bytes() / 2, &rig.stream);
    assert!(found.iter().flat_map(|word| word.to_bits().to_le_bytes()).eq(expected));
}

/// In a graph nothing may be allocated or waited for, and the weights come at the graph's launch,
/// as often as it is launched. The kernels' first launches are captured: what they ask of the
/// driver once can be asked in a capture.
fn launches_are_captured_and_replayed<S: Subject>(rig: &Rig<S>) {
    let fresh = Rig::of(Kernels::load(&rig.device).expect("the kernels load"));
    let (unit, stream) = (OnDevice::new(&fresh, cases::gauss(30_000, 95)), fresh.stream.raw());
    let launch_all = || {
        unit.decode(stream, unit.stage_bytes()).expect("a launch");
        unit.gather(stream).expect("a launch");
    };
    let ended = capture(&rig.device, stream, &launch_all, &|replay| {
        assert!(unit.is_clear(), "nothing has run yet");
        for _ in 0..2 {
            unit.clear();
            replay();
            unit.assert_decoded("captured");
            unit.assert_gathered("captured rows");
        }
    });
    assert_eq!(ended, 0, "what was launched can be captured");
}

fn kernels_compiled_at_run_time<D: Driver>(rig: &Rig<D>) {
    let kernels = match Kernels::compile(&rig.device) {
        Err(error @ Error::CompilerNotFound { .. }) => {
            return println!("skipped: kernels compiled at run time ({error})");
        }
        kernels => kernels.expect("our source"),
    };
    let rig = Rig::of(kernels);
    let unit = OnDevice::new(&rig, cases::real_like(30_000, 89));
    unit.decode(rig.stream.raw(), unit.stage_bytes()).expect("a launch");
    unit.assert_decoded("compiled at run time");
}
