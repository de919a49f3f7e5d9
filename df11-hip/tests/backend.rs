//! The backend end to end: on a GPU where `DF11_REQUIRE` names `hip`, else on a runtime's library whose devices, of both wavefront sizes, are played on the processor.
//! There every call is made to fail in turn.
//!
//! One test, since the library has one state.

#[path = "../../tests/support/cases.rs"]
#[allow(dead_code)]
mod cases;
#[path = "../../tests/support/random.rs"]
#[allow(dead_code)]
mod random;
#[path = "../../df11-kernels/shim/tests/unit/mod.rs"]
mod unit;

use std::ffi::CString;
use std::sync::Arc;

use df11_core::bf16;
use df11_hip::{Decoder, Device, DeviceMemory, Error, Kernels, Offload, PinnedUnit, Rows, Stream};
use df11_kernels::{Job, fault};
use libloading::Library;
use unit::Parts;

/// The played runtime, and what it lets a test do.
struct Fake(Library);

impl Fake {
    /// Loads it under the name by which the binding finds it then.
    fn load() -> Option<Self> {
        let path = df11_gpu_shim::FAKE_HIP?;
        // SAFETY: our own library, built for this.
        Some(Self(unsafe { Library::new(path) }.expect("the library that the build script made")))
    }

    /// Makes the `nth` call from now of a function fail; 0 for none.
    fn fail(&self, name: &str, nth: i32) {
        let name = CString::new(name).expect("a name");
        // SAFETY: the function is there, with this signature, and copies the name.
        unsafe {
            self.0.get::<unsafe extern "C" fn(*const std::ffi::c_char, i32, i32)>("df11_fake_fail").expect("ours")(
                name.as_ptr(),
                nth,
                2,
            )
        }
    }

    /// How many devices there are.
    fn devices(&self, count: i32) {
        // SAFETY: as above.
        unsafe { self.0.get::<unsafe extern "C" fn(i32)>("df11_fake_devices").expect("ours")(count) }
    }

    /// Makes a device another one.
    fn device(&self, device: i32, target: &str, wavefront: u32) {
        let target = CString::new(target).expect("a name");
        // SAFETY: as above; the function copies the name.
        unsafe {
            self.0.get::<unsafe extern "C" fn(i32, *const std::ffi::c_char, u32)>("df11_fake_device").expect("ours")(
                device,
                target.as_ptr(),
                wavefront,
            )
        }
    }

    /// Whether the call that was to fail was made.
    fn failed(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.0.get::<unsafe extern "C" fn() -> bool>("df11_fake_failed").expect("ours")() }
    }

    /// What was taken and not given back.
    fn live(&self) -> i32 {
        // SAFETY: as above.
        unsafe { self.0.get::<unsafe extern "C" fn() -> i32>("df11_fake_live").expect("ours")() }
    }
}

/// Of the played machine: RDNA, CDNA, RDNA, CDNA, and one that the kernels do not come compiled for.
const TARGETS: [(&str, u32); 5] =
    [("gfx1030", 32), ("gfx90a:sramecc+:xnack-", 64), ("gfx1100", 32), ("gfx942:sramecc+:xnack-", 64), ("gfx1036", 32)];

#[test]
fn the_backend_end_to_end() {
    let required = std::env::var("DF11_REQUIRE").is_ok_and(|names| names.split(',').any(|name| name == "hip"));
    if required {
        every_case_survives(0);
        on_the_device(0);
        return kernels_compiled_at_run_time(0);
    }
    let Some(fake) = Fake::load() else {
        println!("skipped: hip on the processor (no C++ compiler, or not Linux)");
        return;
    };
    devices_that_will_not_do(&fake);
    for ordinal in 0..TARGETS.len() {
        every_case_survives(ordinal);
        on_the_device(ordinal);
        kernels_compiled_at_run_time(ordinal);
    }
    devices_side_by_side();
    assert_eq!(fake.live(), 0, "all was given back");
    every_failing_call_is_an_error_and_gives_everything_back(&fake);
    every_failing_return_loses_but_one_thing(&fake);
    every_failing_call_of_the_compiler_is_an_error(&fake);
}

fn devices_that_will_not_do(fake: &Fake) {
    let device = Device::open(0).expect("a device");
    assert!(device.name().contains("played"), "{}: found another library; unset ROCM_PATH", device.name());
    for (ordinal, (target, wavefront)) in TARGETS.into_iter().enumerate() {
        let device = Device::open(ordinal).expect("a device");
        assert_eq!((device.target(), device.wavefront()), (target, wavefront));
        assert!(device.name().contains(&ordinal.to_string()), "{}", device.name());
    }
    assert_eq!(Device::open(5).unwrap_err(), Error::NoDevice { ordinal: 5, found: 5 });
    for (target, wavefront) in [("gfx1030", 16), ("sm_90", 32), ("", 64)] {
        fake.device(0, target, wavefront);
        let error = Device::open(0).unwrap_err();
        assert!(matches!(error, Error::DeviceUnknown { .. }), "{error}");
        assert!(error.to_string().contains(&wavefront.to_string()), "{error}");
    }
    // What comes compiled for wavefronts of 32 is not loaded where they are of 64; no such instruction set is known to the compiler.
    fake.device(0, "gfx1030", 64);
    Kernels::load(&Device::open(0).expect("a device")).expect("compiled for 64");
    fake.device(0, "gfx9999", 64);
    let error = Kernels::load(&Device::open(0).expect("a device")).unwrap_err();
    assert_eq!(error, Error::Compiler { log: "HIPRTC_ERROR_COMPILATION: no such instruction set".into() });
    fake.device(0, TARGETS[0].0, TARGETS[0].1);
    fake.devices(0);
    assert_eq!(Device::open(0).unwrap_err(), Error::Driver { call: "hipInit", error: "hipErrorNoDevice".into() });
    fake.devices(5);
    assert_eq!(fake.live(), 0);
}

fn on_the_device(ordinal: usize) {
    ranges_and_faults(ordinal);
    a_batch_and_rows_on_the_callers_stream(ordinal);
    units_stream_through_two_slots(ordinal);
}

/// Several devices on one thread, and on threads of their own: each call goes to the device of what it is made on.
fn devices_side_by_side() {
    let words = cases::gauss(20_000, 98);
    let parts = Parts::new(&words);
    let decoders: Vec<Decoder> = (0..4).map(|ordinal| Decoder::open(ordinal).expect("a device")).collect();
    let decode = |decoder: &Decoder| {
        let mut found = vec![bf16::ZERO; words.len()];
        decoder.decode(&parts.unit(), &mut found).expect("the unit");
        assert_same(decoder.kernels().device().name(), &words, &found);
    };
    decoders.iter().chain(&decoders).for_each(decode);
    std::thread::scope(|scope| {
        for decoder in &decoders {
            scope.spawn(|| decode(decoder));
        }
    });
}

fn weights(words: &[u16]) -> Vec<bf16> {
    words.iter().map(|&word| bf16::from_bits(word)).collect()
}

#[track_caller]
fn assert_same(what: &str, expected: &[u16], found: &[bf16]) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let at = (0..found.len()).find(|&at| expected[at] != found[at].to_bits());
    assert_eq!(at, None, "{what}: first other weight");
}

fn every_case_survives(ordinal: usize) {
    let decoder = Decoder::open(ordinal).expect("a device");
    // The borders of codes of 2 to 7 bits are the kernel's business, and proven there.
    for case in cases::short().iter().filter(|case| !case.name.starts_with("codes_of_")) {
        let parts = Parts::new(&case.weights);
        let mut found = weights(&vec![0xA5A5; case.weights.len()]);
        decoder.decode(&parts.unit(), &mut found).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_same(&case.name, &case.weights, &found);
    }
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
struct OnDevice {
    stream: Stream,
    pinned: PinnedUnit,
    memory: DeviceMemory,
}

impl OnDevice {
    fn new(device: &Arc<Device>, words: &[u16]) -> Result<Self, Error> {
        let parts = Parts::new(words);
        let stream = Stream::new(device)?;
        let pinned = PinnedUnit::new(device, &parts.unit())?;
        let memory = DeviceMemory::new(device, pinned.layout().bytes())?;
        // SAFETY: the memory is ours and as large; all of it lives until the stream is waited for.
        unsafe { pinned.copy(memory.address(), stream.raw())? };
        Ok(Self { stream, pinned, memory })
    }
}

fn read(device: &Device, memory: &DeviceMemory, words: usize, stream: &Stream) -> Vec<bf16> {
    stream.wait().expect("the work is done");
    let mut bytes = vec![0u8; 2 * words];
    // SAFETY: so many bytes are there, and nothing runs.
    unsafe { device.bind().expect("a device").memcpy_dtoh_async(&mut bytes, memory.address(), stream.raw()) }
        .expect("a copy");
    stream.wait().expect("the copy is done");
    bytes.chunks_exact(2).map(|pair| bf16::from_bits(u16::from_le_bytes([pair[0], pair[1]]))).collect()
}

fn a_batch_and_rows_on_the_callers_stream(ordinal: usize) {
    let device = Device::open(ordinal).expect("a device");
    let hip = device.bind().expect("it can be bound");
    let kernels = Kernels::load(&device).expect("the kernels load");
    let sets = [cases::gauss(30_000, 91), cases::real_like(40_000, 92), vec![0x3C12]];
    let units: Vec<OnDevice> = sets.iter().map(|words| OnDevice::new(&device, words).expect("an upload")).collect();
    let stream = Stream::new(&device).expect("a stream");
    for unit in &units {
        unit.stream.wait().expect("the copies are done");
    }
    let status = DeviceMemory::new(&device, 4 * sets.len()).expect("memory");
    // SAFETY: the memory is ours.
    unsafe { hip.memset_d8_async(status.address(), 0, status.bytes(), stream.raw()) }.expect("a clear");
    let outputs: Vec<DeviceMemory> =
        sets.iter().map(|words| DeviceMemory::new(&device, 2 * words.len()).expect("memory")).collect();
    let at = |i: usize| units[i].pinned.layout().at(units[i].memory.address());
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

fn kernels_compiled_at_run_time(ordinal: usize) {
    let device = Device::open(ordinal).expect("a device");
    match Kernels::compile(&device) {
        Ok(_) => {}
        Err(error @ Error::CompilerNotFound { .. }) => println!("skipped: kernels compiled at run time ({error})"),
        Err(error) => panic!("{error}"),
    }
}

/// Everything that the backend calls but the compiler, in one small round.
fn round(words: &[u16]) -> Result<(), Error> {
    let parts = Parts::new(words);
    let mut found = vec![bf16::ZERO; words.len()];
    let decoder = Decoder::open(1)?;
    decoder.decode(&parts.unit(), &mut found)?;
    assert_same("round", words, &found);
    let kernels = decoder.kernels();
    let device = kernels.device();
    let (pinned, stream) = (PinnedUnit::new(device, &parts.unit())?, Stream::new(device)?);
    let (output, status) = (DeviceMemory::new(device, 2 * words.len())?, DeviceMemory::new(device, 4)?);
    let mut offload = Offload::new(kernels, pinned.layout().bytes())?;
    // SAFETY: all of it lives until the stream is waited for.
    let launched = unsafe { offload.decode(stream.raw(), &pinned, output.address(), status.address()) };
    stream.wait().and(launched)
}

/// Makes the first, second, ... call of `name` fail, until it is called no more; gives how often it was, and what each failure came to and lost.
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

fn every_failing_call_is_an_error_and_gives_everything_back(fake: &Fake) {
    const CALLS: [&str; 20] = [
        "hipInit",
        "hipGetDeviceCount",
        "hipDeviceGet",
        "hipDeviceGetName",
        "hipDeviceGetAttribute",
        "hipGetDevicePropertiesR0600",
        "hipModuleLoadData",
        "hipModuleGetFunction",
        "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor",
        "hipMalloc",
        "hipHostMalloc",
        "hipMemcpyHtoDAsync",
        "hipMemcpyDtoHAsync",
        "hipMemsetD8Async",
        "hipStreamCreateWithFlags",
        "hipEventCreateWithFlags",
        "hipStreamSynchronize",
        "hipStreamWaitEvent",
        "hipEventRecord",
        "hipModuleLaunchKernel",
    ];
    let words = cases::gauss(3000, 99);
    for name in CALLS {
        for (number, (outcome, lost)) in failures(fake, name, || round(&words)).into_iter().enumerate() {
            let expected = Error::Driver { call: name, error: "hipErrorOutOfMemory".into() };
            // Offload waits for its copies when it is dropped, where nobody can be told.
            let silent = name == "hipStreamSynchronize" && outcome.is_ok();
            assert!(outcome == Err(expected) || silent, "{name}, call {number}: {outcome:?}");
            assert_eq!(lost, 0, "{name}, call {number}");
        }
    }
}

/// What is not given back because its return fails, or the call before it, is lost; nobody can be told, and all else is given back.
fn every_failing_return_loses_but_one_thing(fake: &Fake) {
    let words = cases::gauss(3000, 99);
    for name in ["hipFree", "hipHostFree", "hipStreamDestroy", "hipEventDestroy", "hipModuleUnload"] {
        for (outcome, lost) in failures(fake, name, || round(&words)) {
            assert_eq!((outcome, lost), (Ok(()), 1), "{name}");
        }
    }
    for (outcome, lost) in failures(fake, "hipSetDevice", || round(&words)) {
        match outcome {
            Ok(()) => assert!(lost <= 1, "{lost} lost"),
            Err(error) => {
                assert_eq!(
                    (error, lost),
                    (Error::Driver { call: "hipSetDevice", error: "hipErrorOutOfMemory".into() }, 0)
                )
            }
        }
    }
}

fn every_failing_call_of_the_compiler_is_an_error(fake: &Fake) {
    let compile = || Kernels::load(&Device::open(4)?).map(drop);
    for name in ["hiprtcCreateProgram", "hiprtcCompileProgram", "hiprtcGetCodeSize", "hiprtcGetCode"] {
        for (outcome, lost) in failures(fake, name, compile) {
            assert!(matches!(outcome, Err(Error::Compiler { .. })), "{name}: {outcome:?}");
            assert_eq!(lost, 0, "{name}");
        }
    }
    fake.device(4, "gfx9999", 32);
    for name in ["hiprtcGetProgramLogSize", "hiprtcGetProgramLog"] {
        let before = fake.live();
        fake.fail(name, 1);
        assert_eq!(compile(), Err(Error::Compiler { log: "another error of hiprtc".into() }), "{name}");
        assert_eq!(fake.live(), before, "{name}");
    }
    fake.fail("", 0);
}
