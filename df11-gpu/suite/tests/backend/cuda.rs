//! What is NVIDIA's alone.

use df11_cuda::cudarc::driver::CudaContext;
use df11_cuda::{Cuda, Device, Error, device_of};
use df11_gpu::{Driver, Library};
use df11_gpu_shim::{FAKE_CUDA, FAKE_NVRTC, Fake};

use crate::on_your_stream;
use crate::subject::Subject;

/// Devices of the played machine.
const DEVICES: i32 = 4;

impl Subject for Cuda {
    const FAKE: Option<&'static str> = FAKE_CUDA;
    const LIBRARY: &'static str = "libcuda.so.1";
    const KINDS: &'static [usize] = &[0];
    const CURRENT: [&'static str; 2] = ["cuCtxGetCurrent", "cuCtxSetCurrent"];
    const OWN: [&'static [&'static str]; 2] = [&["cuDevicePrimaryCtxRetain"], &["cuDevicePrimaryCtxRelease"]];
    const MADE: &'static str = "CUDA_ERROR_OUT_OF_MEMORY";
    const GRAPHS: [&'static str; 6] = [
        "cuStreamBeginCapture_v2",
        "cuStreamEndCapture",
        "cuGraphInstantiateWithFlags",
        "cuGraphLaunch",
        "cuGraphExecDestroy",
        "cuGraphDestroy",
    ];
    const COMPILER: [&'static [&'static str]; 2] = [
        &["nvrtcCreateProgram", "nvrtcCompileProgram", "nvrtcGetCUBINSize", "nvrtcGetCUBIN"],
        &["nvrtcGetProgramLogSize", "nvrtcGetProgramLog"],
    ];

    /// No driver is an error.
    fn before_it_is_played() {
        if let Err(error) = Device::open(0) {
            let found = matches!(error, Error::DriverNotFound { .. } | Error::NoDevice { .. } | Error::Driver { .. });
            assert!(found, "{error}");
        }
    }

    /// A context, a stream and memory that come from cudarc.
    fn on_any_device(ordinal: usize) {
        on_your_stream::decode_and_compare(ordinal).expect("the example");
    }

    fn on_played_devices(fake: &Fake) {
        assert_eq!(Device::open(1).unwrap_err().to_string(), "no CUDA device 1: the driver finds 1");
        fake.cuda_devices(1, (7, 0));
        let expected = "GPU 0 played on the processor has compute capability 7.0, the kernels want 7.5 or later";
        assert_eq!(Device::open(0).unwrap_err().to_string(), expected);
        fake.cuda_devices(0, (8, 0));
        assert!(matches!(Device::open(0).unwrap_err(), Error::Driver { call: "cuInit", .. }));
        fake.cuda_devices(DEVICES, (8, 0));
        // To be the last that drops a context of cudarc's leaves current what was. On a thread of
        // its own, for which cudarc makes its contexts current.
        let on_a_thread = || {
            let device = device_of(&CudaContext::new(0).expect("a device")).expect("it will do");
            let other = CudaContext::new(1).expect("a device");
            drop(device);
            assert_eq!(Library::get().and_then(Cuda::current), Ok(other.cu_ctx()));
        };
        std::thread::scope(|scope| scope.spawn(on_a_thread).join()).expect("it is current");
        assert_eq!(fake.live(), 0);
    }

    fn compiler(compile: &dyn Fn() -> Result<(), Error>) -> Option<Fake> {
        if !matches!(compile(), Err(Error::CompilerNotFound { .. })) {
            println!("skipped: a played NVRTC (there is another)");
            return None;
        }
        let nvrtc = Fake::load(FAKE_NVRTC);
        compile().expect("the library of CUDA 13 is found by its name");
        nvrtc
    }

    fn without_code(fake: &Fake, without: bool) {
        fake.cuda_devices(DEVICES, if without { (12, 3) } else { (8, 0) });
    }
}
