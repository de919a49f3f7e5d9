//! What any device must do, played or not.

use std::sync::Arc;

use df11_core::bf16;
use df11_hip::{Decoder, Device, DeviceMemory, Error, Kernels, Offload, PinnedUnit, Rows, Stream};
use df11_kernels::{DeviceUnit, Job, LAUNCH_JOBS, fault};

use crate::cases::{self, Case};
use crate::lies::{self, Truth};
use crate::random::Random;
use crate::unit::Parts;

/// Units that lie, for a device.
const LYING_UNITS: u64 = 120;

pub fn all(ordinal: usize, cases: &[Case]) {
    every_case_survives(ordinal, cases);
    the_fullest_blocks_launch_and_survive(ordinal);
    ranges_and_faults(ordinal);
    any_window_lands_anywhere(ordinal);
    units_that_lie_are_judged_as_core_judges(ordinal);
    a_stage_of_another_size_is_an_error(ordinal);
    arguments_at_the_ends_of_their_types_are_errors(ordinal);
    what_is_copied_is_written_to_the_last_byte(ordinal);
    a_batch_and_rows_on_the_callers_stream(ordinal);
    units_stream_through_two_slots(ordinal);
}

fn weights(words: &[u16]) -> Vec<bf16> {
    words.iter().map(|&word| bf16::from_bits(word)).collect()
}

#[track_caller]
pub fn assert_same(what: &str, expected: &[u16], found: &[bf16]) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let at = (0..found.len()).find(|&at| expected[at] != found[at].to_bits());
    assert_eq!(at, None, "{what}: first other weight");
}

pub fn every_case_survives(ordinal: usize, cases: &[Case]) {
    let decoder = Decoder::open(ordinal).expect("a device");
    for case in cases {
        let parts = Parts::new(&case.weights);
        let mut found = weights(&vec![0xA5A5; case.weights.len()]);
        decoder.decode(&parts.unit(), &mut found).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_same(&case.name, &case.weights, &found);
    }
}

/// 32,768 weights a block, which the published launcher has no shared memory for.
fn the_fullest_blocks_launch_and_survive(ordinal: usize) {
    let decoder = Decoder::open(ordinal).expect("a device");
    let words: Vec<u16> = (0..70_000u32).map(|i| (120 + (i.count_ones() % 2) as u16) << 7 | (i % 128) as u16).collect();
    let mut found = vec![bf16::ZERO; words.len()];
    decoder.decode(&Parts::of_one_bit_codes(&words, [120, 121]).unit(), &mut found).expect("the unit");
    assert_same("codes of 1 bit", &words, &found);
}

fn ranges_and_faults(ordinal: usize) {
    let decoder = Decoder::open(ordinal).expect("a device");
    let words = cases::gauss(50_000, 90);
    let parts = Parts::new(&words);
    let unit = parts.unit();
    for (first, count) in [(0, 1), (49_999, 1), (12_345, 20_000), (7, 0)] {
        let mut found = vec![bf16::ZERO; count];
        decoder.decode_range(&unit, first as u64, &mut found).expect("a range of the unit");
        assert_same("range", &words[first..][..count], &found);
    }
    let beyond = decoder.decode_range(&unit, 50_000, &mut [bf16::ZERO]).unwrap_err();
    assert!(matches!(beyond, Error::Unit(df11_core::Error::RangePastEnd { .. })), "{beyond}");

    let mut damaged = parts.clone();
    damaged.encoded_exponent[1000..1100].fill(0xFF);
    let error = decoder.decode(&damaged.unit(), &mut vec![bf16::ZERO; words.len()]).unwrap_err();
    let plainly = df11_core::decode(&damaged.unit(), &mut vec![bf16::ZERO; words.len()]).unwrap_err();
    assert_eq!(error, Error::Unit(plainly));
}

/// What a caller does who keeps units and weights on the device.
pub struct OnDevice {
    pinned: PinnedUnit,
    memory: DeviceMemory,
}

impl OnDevice {
    pub fn new(device: &Arc<Device>, words: &[u16]) -> Result<Self, Error> {
        let parts = Parts::new(words);
        let stream = Stream::new(device)?;
        let pinned = PinnedUnit::new(device, &parts.unit())?;
        let memory = DeviceMemory::new(device, pinned.layout().bytes())?;
        // SAFETY: the memory is ours and as large; all of it lives until the stream is waited for.
        unsafe { pinned.copy(memory.address(), stream.raw())? };
        stream.wait()?;
        Ok(Self { pinned, memory })
    }

    pub fn unit(&self) -> DeviceUnit {
        self.pinned.layout().at(self.memory.address())
    }

    pub fn stage_bytes(&self) -> u32 {
        self.pinned.layout().stage_bytes()
    }
}

pub fn read(device: &Device, memory: &DeviceMemory, words: usize, stream: &Stream) -> Vec<bf16> {
    stream.wait().expect("the work is done");
    let mut bytes = vec![0u8; 2 * words];
    // SAFETY: so many bytes are there, and nothing runs.
    unsafe { device.bind().expect("a device").memcpy_dtoh_async(&mut bytes, memory.address(), stream.raw()) }
        .expect("a copy");
    stream.wait().expect("the copy is done");
    bytes.chunks_exact(2).map(|pair| bf16::from_bits(u16::from_le_bytes([pair[0], pair[1]]))).collect()
}

pub fn clear(device: &Device, memory: &DeviceMemory, stream: &Stream) {
    let hip = device.bind().expect("a device");
    // SAFETY: the memory is ours.
    unsafe { hip.memset_d8_async(memory.address(), 0, memory.bytes(), stream.raw()) }.expect("a clear");
}

fn a_batch_and_rows_on_the_callers_stream(ordinal: usize) {
    let device = Device::open(ordinal).expect("a device");
    let hip = device.bind().expect("it can be bound");
    let kernels = Kernels::load(&device).expect("the kernels load");
    let sets = [cases::gauss(30_000, 91), cases::real_like(40_000, 92), vec![0x3C12]];
    let units: Vec<OnDevice> = sets.iter().map(|words| OnDevice::new(&device, words).expect("an upload")).collect();
    let stream = Stream::new(&device).expect("a stream");
    let status = DeviceMemory::new(&device, 4 * sets.len()).expect("memory");
    clear(&device, &status, &stream);
    let outputs: Vec<DeviceMemory> =
        sets.iter().map(|words| DeviceMemory::new(&device, 2 * words.len()).expect("memory")).collect();
    let at = |i: usize| units[i].unit();
    let jobs: Vec<Job> =
        (0..sets.len()).map(|i| Job::all(&at(i), outputs[i].address(), status.address() + 4 * i as u64)).collect();
    let stage = units.iter().map(|unit| unit.pinned.layout().stage_bytes()).max().expect("three");
    // SAFETY: all that the jobs name is on the device and lives to the end of this function, where nothing runs.
    unsafe { kernels.decode(stream.raw(), &jobs, stage) }.expect("a launch");
    for (words, output) in sets.iter().zip(&outputs) {
        assert_same("batch", words, &read(&device, output, words.len(), &stream));
    }
    let too_many = vec![jobs[0]; df11_kernels::LAUNCH_JOBS + 1];
    // SAFETY: refused before anything is launched.
    let refused = unsafe { kernels.decode(stream.raw(), &too_many, stage) };
    assert!(matches!(refused, Err(Error::Jobs(_))), "{refused:?}");

    let numbers = DeviceMemory::new(&device, 12).expect("memory");
    let rows = [29u32, 0, 300];
    // SAFETY: the memory is ours and as large.
    unsafe { hip.memcpy_htod_async(numbers.address(), &rows.map(u32::to_ne_bytes).concat(), stream.raw()) }
        .expect("a copy");
    let gathered = DeviceMemory::new(&device, 3 * 2000).expect("memory");
    let job = Job::all(&at(0), gathered.address(), status.address());
    let asked = Rows { numbers: numbers.address(), count: 3, weights: 1000 };
    // SAFETY: as for the batch.
    unsafe { kernels.gather(stream.raw(), &job, asked, stage) }.expect("a launch");
    let found = read(&device, &gathered, 2000, &stream);
    assert_same("first row", &sets[0][29_000..], &found[..1000]);
    assert_same("second row", &sets[0][..1000], &found[1000..]);
    let mut word = [0u8; 4];
    // SAFETY: four bytes are there.
    unsafe { hip.memcpy_dtoh_async(&mut word, status.address(), stream.raw()) }.expect("a copy");
    stream.wait().expect("the copy is done");
    assert_eq!(u32::from_le_bytes(word), fault::ROW);
}

/// Outputs at every place within a 128-byte line, windows of every length around a block's borders: as many jobs as a launch takes.
fn any_window_lands_anywhere(ordinal: usize) {
    let device = Device::open(ordinal).expect("a device");
    let kernels = Kernels::load(&device).expect("the kernels load");
    let words = cases::real_like(60_000, 80);
    let parts = Parts::new(&words);
    let unit = parts.unit();
    let on_device = OnDevice::new(&device, &words).expect("an upload");
    let border = unit.block(1).weights.start;
    let ends = [0, 1, 7, 8, 9, 127, 128, border - 1, border, border + 1, unit.block(2).weights.end, 59_999, 60_000];
    let windows: Vec<_> = ends
        .iter()
        .flat_map(|&first| ends.iter().map(move |&end| first..end))
        .filter(|window| !window.is_empty())
        .collect();
    let stream = Stream::new(&device).expect("a stream");
    for (turn, windows) in windows.chunks(LAUNCH_JOBS).enumerate() {
        let status = DeviceMemory::new(&device, 4 * windows.len()).expect("memory");
        clear(&device, &status, &stream);
        let place = |i: usize| (7 * (i + turn)) % 64;
        let outputs: Vec<DeviceMemory> = windows
            .iter()
            .enumerate()
            .map(|(i, window)| DeviceMemory::new(&device, 2 * (place(i) + window.clone().count())).expect("memory"))
            .collect();
        outputs.iter().for_each(|output| clear(&device, output, &stream));
        let jobs: Vec<Job> = windows
            .iter()
            .enumerate()
            .map(|(i, window)| {
                let blocks = unit.blocks_of(window.start, window.clone().count()).expect("a window of the unit");
                let out = outputs[i].address() + 2 * place(i) as u64;
                Job::window(&on_device.unit(), window.clone(), blocks, out, status.address() + 4 * i as u64)
            })
            .collect();
        // SAFETY: all that the jobs name is on the device and lives to the end of this turn, where nothing runs.
        unsafe { kernels.decode(stream.raw(), &jobs, on_device.stage_bytes()) }.expect("a launch");
        for (i, window) in windows.iter().enumerate() {
            let found = read(&device, &outputs[i], place(i) + window.clone().count(), &stream);
            let what = format!("{window:?} at place {}", place(i));
            assert_same(&what, &words[window.start as usize..window.end as usize], &found[place(i)..]);
        }
        assert!(read(&device, &status, 2 * windows.len(), &stream).iter().all(|half| half.to_bits() == 0), "a status");
    }
}

/// Whatever the structure of a unit says, the device accepts what core accepts, with the same weights; what it refuses is core's error. (That no other memory is
/// touched is proven where memory is guarded, by `df11-gpu-shim`.)
fn units_that_lie_are_judged_as_core_judges(ordinal: usize) {
    let decoder = Decoder::open(ordinal).expect("a device");
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
            match decoder.decode_range(&unit, first, &mut found) {
                Ok(()) => truth.hold(&what, Some(&found)),
                Err(Error::Unit(error)) => assert_eq!(Err(error), truth.plain, "{what}"),
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }
    assert!(valid > LYING_UNITS / 4, "{valid} of {LYING_UNITS} valid");
}

/// A stage that is too small is the kernel's to report, one that no device has the driver's to refuse.
fn a_stage_of_another_size_is_an_error(ordinal: usize) {
    let device = Device::open(ordinal).expect("a device");
    let kernels = Kernels::load(&device).expect("the kernels load");
    let words = cases::gauss(5000, 86);
    let (unit, stream) = (OnDevice::new(&device, &words).expect("an upload"), Stream::new(&device).expect("a stream"));
    let [status, output] = [4, 2 * words.len()].map(|bytes| DeviceMemory::new(&device, bytes).expect("memory"));
    let job = Job::all(&unit.unit(), output.address(), status.address());
    // SAFETY: all of it lives until the stream is waited for, in `read`.
    let decode = |stage_bytes| unsafe { kernels.decode(stream.raw(), &[job], stage_bytes) };
    for (stage_bytes, expected) in
        [(unit.stage_bytes(), 0), (unit.stage_bytes() - 16, fault::POSITIONS), (0, fault::POSITIONS)]
    {
        clear(&device, &status, &stream);
        decode(stage_bytes).expect("a launch");
        let found = read(&device, &status, 2, &stream);
        let found = u32::from(found[0].to_bits());
        assert!(
            found & fault::POSITIONS == expected && (found == 0) == (expected == 0),
            "{stage_bytes} bytes: {found}"
        );
    }
    for stage_bytes in [u32::MAX - 10_496, u32::MAX] {
        assert!(matches!(decode(stage_bytes), Err(Error::Driver { .. })), "{stage_bytes} bytes");
    }
    stream.wait().expect("nothing was launched");
}

fn arguments_at_the_ends_of_their_types_are_errors(ordinal: usize) {
    let decoder = Decoder::open(ordinal).expect("a device");
    let device = decoder.kernels().device();
    for ordinal in [i32::MAX as usize, usize::MAX] {
        assert!(matches!(Device::open(ordinal), Err(Error::NoDevice { .. })));
    }
    for bytes in [isize::MAX as usize, usize::MAX] {
        assert!(matches!(DeviceMemory::new(device, bytes), Err(Error::Driver { .. })));
        assert!(matches!(Offload::new(decoder.kernels(), bytes), Err(Error::Driver { .. })));
    }
    let parts = Parts::new(&cases::gauss(1000, 87));
    let unit = parts.unit();
    let loaded = decoder.load(&unit).expect("an upload");
    for first in [1000, u64::from(u32::MAX), u64::MAX] {
        for decoded in
            [decoder.decode_range(&unit, first, &mut [bf16::ZERO]), loaded.decode_range(first, &mut [bf16::ZERO])]
        {
            assert!(matches!(decoded, Err(Error::Unit(df11_core::Error::RangePastEnd { .. }))), "{first}: {decoded:?}");
        }
    }
    assert!(matches!(decoder.decode(&unit, &mut []), Err(Error::Unit(df11_core::Error::BufferSize { .. }))));
    // Nothing is launched for nothing.
    let nothing = Rows { numbers: u64::MAX, count: 0, weights: u32::MAX };
    let job = Job::all(&DeviceUnit::new(&unit, 0, 0, 0, 0, 0), 0, 0);
    // SAFETY: nothing is launched.
    let gathered = unsafe { decoder.kernels().gather(std::ptr::null_mut(), &job, nothing, u32::MAX) };
    assert_eq!(gathered, Ok(()));
}

/// Page-locked memory is all written: between the arrays of a unit lie zeros.
fn what_is_copied_is_written_to_the_last_byte(ordinal: usize) {
    let device = Device::open(ordinal).expect("a device");
    let words = cases::gauss(5000, 85);
    let (on_device, stream) =
        (OnDevice::new(&device, &words).expect("an upload"), Stream::new(&device).expect("a stream"));
    let layout = on_device.pinned.layout();
    let mut expected = vec![0; layout.bytes()];
    layout.write(&Parts::new(&words).unit(), &mut expected);
    let found = read(&device, &on_device.memory, layout.bytes() / 2, &stream);
    assert!(found.iter().flat_map(|word| word.to_bits().to_le_bytes()).eq(expected));
}

fn units_stream_through_two_slots(ordinal: usize) {
    let device = Device::open(ordinal).expect("a device");
    let kernels = Arc::new(Kernels::load(&device).expect("the kernels load"));
    let sets: Vec<Vec<u16>> = (0..5).map(|i| cases::gauss(20_000 + 1000 * i, 93 + i as u64)).collect();
    let pinned: Vec<PinnedUnit> = sets
        .iter()
        .map(|words| PinnedUnit::new(&device, &Parts::new(words).unit()).expect("page-locked memory"))
        .collect();
    let largest = pinned.iter().map(|unit| unit.layout().bytes()).max().expect("five");
    let stream = Stream::new(&device).expect("a stream");
    let status = DeviceMemory::new(&device, 4).expect("memory");
    let outputs: Vec<DeviceMemory> =
        sets.iter().map(|words| DeviceMemory::new(&device, 2 * words.len()).expect("memory")).collect();
    let mut offload = Offload::new(&kernels, largest).expect("two slots");
    for (unit, output) in pinned.iter().zip(&outputs) {
        // SAFETY: all of it lives until the stream is waited for, in `read`.
        unsafe { offload.decode(stream.raw(), unit, output.address(), status.address()) }.expect("a launch");
    }
    for (words, output) in sets.iter().zip(&outputs) {
        assert_same("offload", words, &read(&device, output, words.len(), &stream));
    }
    let mut small = Offload::new(&kernels, 1000).expect("two slots");
    // SAFETY: refused before anything is launched.
    let refused = unsafe { small.decode(stream.raw(), &pinned[0], outputs[0].address(), status.address()) };
    assert!(matches!(refused, Err(Error::Unit(df11_core::Error::BufferSize { .. }))), "{refused:?}");
}

pub fn kernels_compiled_at_run_time(ordinal: usize) {
    let device = Device::open(ordinal).expect("a device");
    match Kernels::compile(&device) {
        Ok(kernels) => {
            let words = cases::real_like(30_000, 89);
            let unit = OnDevice::new(&device, &words).expect("an upload");
            let stream = Stream::new(&device).expect("a stream");
            let [status, output] = [4, 2 * words.len()].map(|bytes| DeviceMemory::new(&device, bytes).expect("memory"));
            clear(&device, &status, &stream);
            let job = Job::all(&unit.unit(), output.address(), status.address());
            // SAFETY: all of it lives until the stream is waited for, in `read`.
            unsafe { kernels.decode(stream.raw(), &[job], unit.stage_bytes()) }.expect("a launch");
            assert_same("compiled at run time", &words, &read(&device, &output, words.len(), &stream));
            assert_same("status", &[0, 0], &read(&device, &status, 2, &stream));
        }
        Err(error @ Error::CompilerNotFound { .. }) => println!("skipped: kernels compiled at run time ({error})"),
        Err(error) => panic!("{error}"),
    }
}
