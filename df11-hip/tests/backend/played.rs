//! What only a played device can be made to do: fail at every call, not be there, be of another kind.

use std::ffi::CString;
use std::sync::Arc;

use df11_core::bf16;
use df11_hip::{Decoder, Device, DeviceMemory, Error, Kernels, Offload, PinnedUnit, Stream};
use df11_kernels::Job;
use libloading::Library;

use crate::cases;
use crate::device::{self, OnDevice, assert_same, read};
use crate::survivors;
use crate::unit::Parts;

/// The played runtime, and what it lets a test do.
pub struct Fake(Library);

impl Fake {
    /// Loads it under the name by which the binding finds it then.
    fn load() -> Option<Self> {
        let path = df11_gpu_shim::FAKE_HIP?;
        // SAFETY: our own library, built for this.
        Some(Self(unsafe { Library::new(path) }.expect("the library that the build script made")))
    }

    /// Makes the `nth` call from now of a function fail, of any for "*"; 0 for none.
    pub fn fail(&self, name: &str, nth: i32) {
        self.make("df11_fake_fail", name, nth);
    }

    /// And all that follow.
    pub fn fail_from(&self, name: &str, nth: i32) {
        self.make("df11_fake_fail_from", name, nth);
    }

    fn make(&self, what: &str, name: &str, nth: i32) {
        let name = CString::new(name).expect("a name");
        // SAFETY: both functions are there, with this signature, and copy the name.
        unsafe {
            self.0.get::<unsafe extern "C" fn(*const std::ffi::c_char, i32, i32)>(what).expect("ours")(
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
    pub fn failed(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.0.get::<unsafe extern "C" fn() -> bool>("df11_fake_failed").expect("ours")() }
    }

    /// Until when a stream is busy, in the time that is played: a copy takes 1, a launch 3.
    fn time(&self, stream: &Stream) -> f64 {
        // SAFETY: as above.
        unsafe {
            self.0.get::<unsafe extern "C" fn(*const std::ffi::c_void) -> f64>("df11_fake_time").expect("ours")(
                stream.raw().cast(),
            )
        }
    }

    /// What was taken and not given back.
    pub fn live(&self) -> i32 {
        // SAFETY: as above.
        unsafe { self.0.get::<unsafe extern "C" fn() -> i32>("df11_fake_live").expect("ours")() }
    }
}

/// Of the played machine: RDNA, CDNA, RDNA, CDNA, and one that the kernels do not come compiled for.
const TARGETS: [(&str, u32); 5] =
    [("gfx1030", 32), ("gfx90a:sramecc+:xnack-", 64), ("gfx1100", 32), ("gfx942:sramecc+:xnack-", 64), ("gfx1036", 32)];

pub fn all() {
    let Some(fake) = Fake::load() else {
        println!("skipped: hip on the processor (no C++ compiler, or not Linux)");
        return;
    };
    devices_that_will_not_do(&fake);
    // The borders of codes of 2 to 7 bits are the kernel's business, and proven there.
    let cases: Vec<_> = cases::short().into_iter().filter(|case| !case.name.starts_with("codes_of_")).collect();
    for ordinal in 0..TARGETS.len() {
        device::all(ordinal, &cases);
        device::kernels_compiled_at_run_time(ordinal);
    }
    devices_side_by_side();
    (0..2).for_each(|ordinal| launches_are_captured_and_replayed(&fake, ordinal));
    the_next_copy_runs_beside_a_decoding(&fake);
    assert_eq!(fake.live(), 0, "all was given back");
    every_failing_call_is_an_error_and_gives_everything_back(&fake);
    every_failing_return_loses_but_one_thing(&fake);
    every_failing_call_of_the_compiler_is_an_error(&fake);
    (0..2).for_each(|ordinal| survivors::objects_that_survive_an_error_work_again(&fake, ordinal));
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

/// The first copy is waited for, each of the others runs beside the decoding before it. A copy into a slot that is still read would be refused.
fn the_next_copy_runs_beside_a_decoding(fake: &Fake) {
    const UNITS: usize = 6;
    let device = Device::open(1).expect("a device");
    let kernels = Arc::new(Kernels::load(&device).expect("the kernels load"));
    let words = cases::gauss(5000, 97);
    let pinned = PinnedUnit::new(&device, &Parts::new(&words).unit()).expect("page-locked memory");
    let stream = Stream::new(&device).expect("a stream");
    let [status, output] = [4, 2 * words.len()].map(|bytes| DeviceMemory::new(&device, bytes).expect("memory"));
    let mut offload = Offload::new(&kernels, pinned.layout().bytes()).expect("two slots");
    let begin = fake.time(&stream);
    for _ in 0..UNITS {
        // SAFETY: all of it lives until the stream is waited for.
        unsafe { offload.decode(stream.raw(), &pinned, output.address(), status.address()) }.expect("a launch");
    }
    assert_eq!(fake.time(&stream) - begin, 1.0 + 3.0 * UNITS as f64);
    stream.wait().expect("the work is done");
}

/// In a graph nothing may be allocated or waited for, and the weights come at the graph's launch, as often as it is launched. The functions of graphs are the caller's own.
fn launches_are_captured_and_replayed(fake: &Fake, ordinal: usize) {
    type Handle = *mut std::ffi::c_void;
    let call = |name: &str, first: Handle, second: Handle| {
        // SAFETY: each of them takes a handle and at most one more, or the place of one, behind which 0 is what the third parameter means if there is one.
        let code = unsafe {
            fake.0.get::<unsafe extern "C" fn(Handle, Handle, u64) -> i32>(name).expect("it is played")(
                first, second, 0,
            )
        };
        assert_eq!(code, 0, "{name}");
    };
    let device = Device::open(ordinal).expect("a device");
    let kernels = Kernels::load(&device).expect("the kernels load");
    let words = cases::gauss(30_000, 95);
    let unit = OnDevice::new(&device, &words).expect("an upload");
    let stream = Stream::new(&device).expect("a stream");
    let (status, output) =
        (DeviceMemory::new(&device, 4).expect("memory"), DeviceMemory::new(&device, 2 * words.len()).expect("memory"));
    let clear = |memory: &DeviceMemory| {
        // SAFETY: the memory is ours.
        unsafe { device.bind().expect("a device").memset_d8_async(memory.address(), 0, memory.bytes(), stream.raw()) }
            .expect("a clear");
    };
    clear(&status);
    clear(&output);
    let whole = Job::all(&unit.unit(), output.address(), status.address());
    let null = std::ptr::null_mut();
    let (mut graph, mut executable): (Handle, Handle) = (null, null);
    call("hipStreamBeginCapture", stream.raw(), null);
    // SAFETY: all that is named lives to the end of this function; the graph is launched only here.
    unsafe { kernels.decode(stream.raw(), &[whole], unit.stage_bytes()) }.expect("a launch");
    call("hipStreamEndCapture", stream.raw(), (&raw mut graph).cast());
    assert_same("nothing has run yet", &vec![0; words.len()], &read(&device, &output, words.len(), &stream));
    call("hipGraphInstantiateWithFlags", (&raw mut executable).cast(), graph);
    for _ in 0..2 {
        clear(&output);
        call("hipGraphLaunch", executable, stream.raw());
        assert_same("captured", &words, &read(&device, &output, words.len(), &stream));
    }
    call("hipGraphExecDestroy", executable, null);
    call("hipGraphDestroy", graph, null);
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
        "hipMemcpyDtoH",
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
    for name in
        ["hipFree", "hipHostFree", "hipStreamDestroy", "hipEventDestroy", "hipDeviceSynchronize", "hipModuleUnload"]
    {
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
