//! What is AMD's alone.

use std::ffi::CStr;

use df11_gpu::Driver;
use df11_gpu_shim::{FAKE_HIP, Fake};
use df11_hip::{Device, Error, Hip, Kernels};

use crate::subject::Subject;

/// Of the played machine: RDNA, CDNA, RDNA, CDNA, and one that the kernels do not come compiled
/// for.
const TARGETS: [(&CStr, u32); 5] = [
    (c"gfx1030", 32),
    (c"gfx90a:sramecc+:xnack-", 64),
    (c"gfx1100", 32),
    (c"gfx942:sramecc+:xnack-", 64),
    (c"gfx1036", 32),
];

impl Subject for Hip {
    const FAKE: Option<&'static str> = FAKE_HIP;
    const LIBRARY: &'static str = "libamdhip64.so";
    const KINDS: &'static [usize] = &[0, 1, 2, 3, 4];
    const CURRENT: [&'static str; 2] = ["hipGetDevice", "hipSetDevice"];
    const OWN: [&'static [&'static str]; 2] = [&["hipGetDevicePropertiesR0600"], &[]];
    const MADE: &'static str = "hipErrorOutOfMemory";
    const GRAPHS: [&'static str; 6] = [
        "hipStreamBeginCapture",
        "hipStreamEndCapture",
        "hipGraphInstantiateWithFlags",
        "hipGraphLaunch",
        "hipGraphExecDestroy",
        "hipGraphDestroy",
    ];
    const COMPILER: [&'static [&'static str]; 2] = [
        &["hiprtcCreateProgram", "hiprtcCompileProgram", "hiprtcGetCodeSize", "hiprtcGetCode"],
        &["hiprtcGetProgramLogSize", "hiprtcGetProgramLog"],
    ];

    fn on_played_devices(fake: &Fake) {
        let open = |ordinal| Device::open(ordinal).expect("a device");
        assert!(open(0).name().contains("played"), "{}: found another library; unset ROCM_PATH", open(0).name());
        for (ordinal, (target, wavefront)) in TARGETS.into_iter().enumerate() {
            let device = open(ordinal);
            assert_eq!((device.raw().target(), device.raw().wavefront()), (target.to_str().expect("text"), wavefront));
            assert!(device.name().contains(&ordinal.to_string()), "{}", device.name());
        }
        assert!(Hip::listed(&["libamdhip64.so"]).contains("/opt/rocm"));
        assert_eq!(Device::open(5).unwrap_err().to_string(), "no HIP device 5: the runtime finds 5");
        for (target, wavefront) in [(c"gfx1030", 16), (c"sm_90", 32), (c"", 64)] {
            fake.hip_device(0, target, wavefront);
            let error = Device::open(0).unwrap_err();
            assert!(matches!(error, Error::Misfit { .. }), "{error}");
            assert!(error.to_string().contains(&format!("wavefronts of {wavefront}; the kernels want")), "{error}");
        }
        // What comes compiled for wavefronts of 32 is not loaded where they are of 64; no such
        // instruction set is known to the compiler.
        fake.hip_device(0, c"gfx1030", 64);
        Kernels::load(&open(0)).expect("compiled for 64");
        Self::without_code(fake, true);
        let error = Kernels::load(&open(0)).unwrap_err();
        assert_eq!(error, Error::Compiler { log: "HIPRTC_ERROR_COMPILATION: no such instruction set".into() });
        Self::without_code(fake, false);
        fake.hip_devices(0);
        assert_eq!(Device::open(0).unwrap_err(), Error::Driver { call: "hipInit", error: "hipErrorNoDevice".into() });
        fake.hip_devices(TARGETS.len() as i32);
    }

    fn compiler(_: &dyn Fn() -> Result<(), Error>) -> Option<Fake> {
        Fake::load(FAKE_HIP)
    }

    fn without_code(fake: &Fake, without: bool) {
        let (target, wavefront) = if without { (c"gfx9999", 64) } else { TARGETS[0] };
        fake.hip_device(0, target, wavefront);
    }
}
