//! What only a played device can be made to do: fail at every call, not be there, be several.

use std::ffi::CString;
use std::sync::Arc;

use df11_core::bf16;
use df11_cuda::cudarc::driver::result;
use df11_cuda::cudarc::driver::sys::{CUresult, CUstreamCaptureMode_enum as CaptureMode};
use df11_cuda::{Decoder, Device, DeviceMemory, Error, Kernels, Offload, PinnedUnit, Stream};
use libloading::Library;

use crate::cases;
use crate::device::{self, assert_same};
use crate::survivors;
use crate::unit::Parts;

/// A played library, and what it lets a test do.
pub struct Fake(Library);

impl Fake {
    /// Loads it under the name by which the binding finds it then.
    fn load(path: Option<&str>) -> Option<Self> {
        let path = path?;
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

    fn device(&self, devices: i32, major: i32, minor: i32) {
        // SAFETY: as above.
        unsafe {
            self.0.get::<unsafe extern "C" fn(i32, i32, i32)>("df11_fake_device").expect("ours")(devices, major, minor)
        }
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

    /// Whether the call that was to fail was made.
    pub fn failed(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.0.get::<unsafe extern "C" fn() -> bool>("df11_fake_failed").expect("ours")() }
    }

    /// What was taken and not given back.
    pub fn live(&self) -> i32 {
        // SAFETY: as above.
        unsafe { self.0.get::<unsafe extern "C" fn() -> i32>("df11_fake_live").expect("ours")() }
    }
}

pub fn all() {
    no_driver_is_an_error();
    let Some(fake) = Fake::load(df11_gpu_shim::FAKE_CUDA) else {
        println!("skipped: cuda on the processor (no C++ compiler, or not Linux)");
        return;
    };
    devices_that_will_not_do(&fake);
    // The borders of codes of 2 to 7 bits are the kernel's business, and proven there.
    let cases: Vec<_> = cases::short().into_iter().filter(|case| !case.name.starts_with("codes_of_")).collect();
    device::all(0, &cases);
    devices_side_by_side(&fake);
    what_cannot_be_captured_breaks_the_capture();
    the_next_copy_runs_beside_a_decoding(&fake);
    device::kernels_compiled_at_run_time(0);
    assert_eq!(fake.live(), 0, "all was given back");
    every_failing_call_of_the_compiler_is_an_error(&fake);
    every_failing_call_is_an_error_and_gives_everything_back(&fake);
    every_failing_return_loses_but_one_thing(&fake);
    survivors::objects_that_survive_an_error_work_again(&fake, 0);
}

fn no_driver_is_an_error() {
    if let Err(error) = Device::open(0) {
        let message = error.to_string();
        assert!(
            matches!(error, Error::DriverNotFound { .. } | Error::NoDevice { .. } | Error::Driver { .. }),
            "{message}"
        );
    }
}

fn devices_that_will_not_do(fake: &Fake) {
    assert_eq!(Device::open(1).unwrap_err(), Error::NoDevice { ordinal: 1, found: 1 });
    fake.device(1, 7, 0);
    assert!(Device::open(0).unwrap_err().to_string().contains("7.0"));
    fake.device(0, 8, 0);
    assert!(matches!(Device::open(0).unwrap_err(), Error::Driver { call: "cuInit", .. }));
    fake.device(1, 8, 0);
    assert_eq!(fake.live(), 0);
}

/// Several devices on one thread, and on threads of their own: each call goes to the device of what it is made on. Memory and handles of one are unknown to the others.
fn devices_side_by_side(fake: &Fake) {
    fake.device(4, 8, 0);
    assert_eq!(Device::count(), Ok(4));
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
    drop(decoders);
    fake.device(1, 8, 0);
}

/// The first copy is waited for, each of the others runs beside the decoding before it. A copy into a slot that is still read would be refused.
fn the_next_copy_runs_beside_a_decoding(fake: &Fake) {
    const UNITS: usize = 6;
    let device = Device::open(0).expect("a device");
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

/// So it would be noticed if a launch allocated or waited.
fn what_cannot_be_captured_breaks_the_capture() {
    let device = Device::open(0).expect("a device");
    let stream = Stream::new(&device).expect("a stream");
    let memory = DeviceMemory::new(&device, 4).expect("memory");
    type Work<'a> = &'a dyn Fn() -> Result<(), Error>;
    let uncapturable: [(&str, Work); 3] = [
        ("cuMemAlloc", &|| DeviceMemory::new(&device, 4).map(drop)),
        ("cuModuleLoadData", &|| Kernels::load(&device).map(drop)),
        ("cuStreamSynchronize", &|| stream.wait()),
    ];
    for (name, work) in uncapturable {
        // SAFETY: the stream lives.
        unsafe { result::stream::begin_capture(stream.raw(), CaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL) }
            .expect("a capture begins");
        assert!(matches!(work(), Err(Error::Driver { call, .. }) if call == name), "{name}");
        // SAFETY: as above.
        let ended = unsafe { result::stream::end_capture(stream.raw()) }.map_err(|error| error.0);
        assert_eq!(ended.map(|_| ()), Err(CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED), "{name}");
    }
    drop(memory);
}

/// Everything that the backend calls, in one small round.
fn round(words: &[u16]) -> Result<(), Error> {
    let parts = Parts::new(words);
    let mut found = vec![bf16::ZERO; words.len()];
    let decoder = Decoder::open(0)?;
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
        "cuInit",
        "cuDeviceGetCount",
        "cuDeviceGet",
        "cuDeviceGetName",
        "cuDeviceGetAttribute",
        "cuDevicePrimaryCtxRetain",
        "cuModuleLoadData",
        "cuModuleGetFunction",
        "cuOccupancyMaxActiveBlocksPerMultiprocessor",
        "cuMemAlloc",
        "cuMemHostAlloc",
        "cuMemcpyHtoDAsync",
        "cuMemcpyDtoH",
        "cuMemsetD8Async",
        "cuStreamCreate",
        "cuEventCreate",
        "cuStreamSynchronize",
        "cuStreamWaitEvent",
        "cuEventRecord",
        "cuLaunchKernel",
    ];
    let words = cases::gauss(3000, 99);
    for name in CALLS {
        for (number, (outcome, lost)) in failures(fake, name, || round(&words)).into_iter().enumerate() {
            let expected = Error::Driver { call: name, error: "CUDA_ERROR_OUT_OF_MEMORY".into() };
            // Offload waits for its copies when it is dropped, where nobody can be told.
            let silent = name == "cuStreamSynchronize" && outcome.is_ok();
            assert!(outcome == Err(expected) || silent, "{name}, call {number}: {outcome:?}");
            assert_eq!(lost, 0, "{name}, call {number}");
        }
    }
}

/// What is not given back because its return fails, or the call before it, is lost; nobody can be told, and all else is given back.
fn every_failing_return_loses_but_one_thing(fake: &Fake) {
    let words = cases::gauss(3000, 99);
    let returns = [
        "cuMemFree",
        "cuMemFreeHost",
        "cuStreamDestroy",
        "cuEventDestroy",
        "cuCtxSynchronize",
        "cuModuleUnload",
        "cuDevicePrimaryCtxRelease",
    ];
    for name in returns {
        for (outcome, lost) in failures(fake, name, || round(&words)) {
            assert_eq!((outcome, lost), (Ok(()), 1), "{name}");
        }
    }
    for (outcome, lost) in failures(fake, "cuCtxSetCurrent", || round(&words)) {
        match outcome {
            Ok(()) => assert!(lost <= 1, "{lost} lost"),
            Err(error) => {
                assert_eq!(
                    (error, lost),
                    (Error::Driver { call: "cuCtxSetCurrent", error: "CUDA_ERROR_OUT_OF_MEMORY".into() }, 0)
                )
            }
        }
    }
}

/// With a compiler that is played too, unless there is one.
fn every_failing_call_of_the_compiler_is_an_error(fake: &Fake) {
    let compile = || Kernels::compile(&Device::open(0)?).map(drop);
    if !matches!(compile(), Err(Error::CompilerNotFound { .. })) {
        return println!("skipped: a played NVRTC (there is another)");
    }
    let Some(nvrtc) = Fake::load(df11_gpu_shim::FAKE_NVRTC) else { return };
    compile().expect("the library of CUDA 13 is found by its name");
    for name in ["nvrtcCreateProgram", "nvrtcCompileProgram", "nvrtcGetCUBINSize", "nvrtcGetCUBIN"] {
        nvrtc.fail(name, 1);
        let outcome = compile();
        assert!(matches!(outcome, Err(Error::Compiler { .. })), "{name}: {outcome:?}");
        assert_eq!((nvrtc.live(), fake.live()), (0, 0), "{name}");
    }
    nvrtc.fail("", 0);
    fake.device(1, 12, 3);
    assert_eq!(compile(), Err(Error::Compiler { log: "NVRTC_ERROR_COMPILATION: no such instruction set".into() }));
    for name in ["nvrtcGetProgramLogSize", "nvrtcGetProgramLog"] {
        nvrtc.fail(name, 1);
        assert_eq!(compile(), Err(Error::Compiler { log: "another error of NVRTC".into() }), "{name}");
        assert_eq!((nvrtc.live(), fake.live()), (0, 0), "{name}");
    }
    nvrtc.fail("", 0);
    fake.device(1, 8, 0);
}
