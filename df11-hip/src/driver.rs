//! AMD's driver, as a `df11_gpu::Driver`. Signatures and numbers are those of `hip_runtime_api.h`
//! and `hiprtc.h`; those used here are the same from ROCm 5.0 to 7.

use std::ffi::{CStr, c_int};
use std::path::PathBuf;
use std::sync::OnceLock;

use df11_gpu::{CompilerNames, Driver, Error, Find, Image, Library, Names, Words, text_of};
use df11_kernels::{CODE_OBJECTS, HIP};

use crate::device::RawDevice;
use crate::own::{Hip, OWN_NAMES, OWN_NAMES_5, Own, OwnFunctions};

/// Where ROCm is installed if the loader does not know it.
const ROCM: &str = "/opt/rocm";

// SAFETY: the libraries are AMD's, and each name stands beside what its function does. HIP's calls
// go to the device that is current on the thread, which `hipSetDevice` sets.
unsafe impl Driver for Hip {
    const BACKEND: &'static str = "hip";
    const WORDS: &'static Words = &Words {
        driver: "HIP runtime",
        oldest: "ROCm 5.0 or later",
        devices: ["HIP", "runtime"],
        compiler: ["hiprtc", "without it there are kernels for gfx90a, gfx942, gfx1030 and gfx1100"],
    };
    const NAMES: Names = Names {
        init: "hipInit",
        device_count: "hipGetDeviceCount",
        device: "hipDeviceGet",
        device_name: "hipDeviceGetName",
        attribute: "hipDeviceGetAttribute",
        synchronize: "hipDeviceSynchronize",
        allocate: "hipMalloc",
        free: "hipFree",
        allocate_pinned: "hipHostMalloc",
        free_pinned: "hipHostFree",
        copy_to_device: "hipMemcpyHtoDAsync",
        copy_to_host_now: "hipMemcpyDtoH",
        set: "hipMemsetD8Async",
        stream_create: "hipStreamCreateWithFlags",
        stream_destroy: "hipStreamDestroy",
        stream_synchronize: "hipStreamSynchronize",
        stream_wait: "hipStreamWaitEvent",
        event_create: "hipEventCreateWithFlags",
        event_destroy: "hipEventDestroy",
        event_record: "hipEventRecord",
        module_load: "hipModuleLoadData",
        module_unload: "hipModuleUnload",
        module_function: "hipModuleGetFunction",
        occupancy: "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor",
        launch: "hipModuleLaunchKernel",
    };
    /// `hipDeviceAttribute_t`. The numbers were drawn anew with ROCm 5.0 and kept since.
    const MULTIPROCESSORS: c_int = 63;
    const LIBRARIES: &'static [&'static str] =
        &["libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"];
    /// The runtime first, of whose version the compiler in it is; later ones have none in it.
    const COMPILERS: &'static [&'static str] =
        &["libamdhip64.so", "libhiprtc.so", "libhiprtc.so.7", "libhiprtc.so.6", "libamdhip64.so.6", "libamdhip64.so.5"];
    const COMPILER_NAMES: CompilerNames = CompilerNames {
        error_text: "hiprtcGetErrorString",
        create: "hiprtcCreateProgram",
        compile: "hiprtcCompileProgram",
        log_size: "hiprtcGetProgramLogSize",
        log: "hiprtcGetProgramLog",
        code_size: "hiprtcGetCodeSize",
        code: "hiprtcGetCode",
        destroy: "hiprtcDestroyProgram",
    };
    const SOURCE: (&'static str, &'static CStr) = (HIP, c"df11.hip");
    type Own = Own;
    type Current = c_int;
    type Raw = RawDevice;

    fn slot() -> &'static OnceLock<Library<Self>> {
        static SLOT: OnceLock<Library<Hip>> = OnceLock::new();
        &SLOT
    }

    /// `ROCM_PATH`, the loader's, `/opt/rocm`. None on Windows, where these names mean nothing.
    fn paths(names: &[&str]) -> Vec<PathBuf> {
        if cfg!(windows) {
            return Vec::new();
        }
        let named = std::env::var_os("ROCM_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
        let within = |root: PathBuf| names.iter().map(move |name| root.join("lib").join(name));
        let loaders = names.iter().map(PathBuf::from);
        named.into_iter().flat_map(within).chain(loaders).chain(within(ROCM.into())).collect()
    }

    fn listed(names: &[&str]) -> String {
        let folder = std::env::var("ROCM_PATH").ok().filter(|path| !path.is_empty());
        let folder = folder.map_or_else(|| ROCM.to_owned(), |path| format!("{path}, {ROCM}"));
        format!("{} (also in lib of {folder})", names.join(", "))
    }

    unsafe fn own(find: Find<'_>) -> Result<Own, &'static str> {
        // SAFETY: the caller's. Both names of `properties` are functions of its type.
        let of = |names| unsafe { OwnFunctions::of(find, &names) }.map(|functions| Own { functions, names });
        of(OWN_NAMES).or_else(|_| of(OWN_NAMES_5))
    }

    fn error_name(library: &Library<Self>, number: c_int) -> Option<String> {
        // SAFETY: takes any number, and gives a text that stays, or null.
        unsafe { text_of((library.own.functions.error_name)(number)) }
    }

    fn open(library: &'static Library<Self>, handle: c_int) -> Result<RawDevice, Error> {
        RawDevice::open(library, handle)
    }

    fn context(device: &RawDevice) -> c_int {
        device.device
    }

    fn current(library: &Library<Self>) -> Result<c_int, Error> {
        let mut device = 0;
        // SAFETY: writes one number.
        library.check(library.own.names.device, unsafe { (library.own.functions.device)(&mut device) })?;
        Ok(device)
    }

    unsafe fn make_current(library: &Library<Self>, device: c_int) -> Result<(), Error> {
        // SAFETY: takes any number.
        library.check(library.own.names.set_device, unsafe { (library.own.functions.set_device)(device) })
    }

    fn image(device: &RawDevice) -> Option<Image> {
        let target = device.target().split(':').next().unwrap_or_default();
        let came = CODE_OBJECTS.iter().find(|code| code.target == target && code.wavefront == device.wavefront());
        came.map(|code| code.image.into())
    }

    fn options(device: &RawDevice) -> Vec<String> {
        options(device.target(), device.wavefront())
    }
}

fn options(target: &str, wavefront: u32) -> Vec<String> {
    let of_device = [format!("--offload-arch={target}"), format!("-DDF11_WARP={wavefront}")];
    of_device.into_iter().chain(["-O3", "-std=c++17"].map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use df11_gpu::Compiler;

    use super::*;

    /// The compiler of a ROCm that is installed needs no device.
    #[test]
    fn the_source_compiles_at_run_time() {
        let Ok(compiler) = Compiler::find::<Hip>() else {
            return println!("skipped: kernels compiled at run time (no hiprtc)");
        };
        for (target, wavefront) in [("gfx90a", 64), ("gfx1030", 32)] {
            let code = compiler.compile(Hip::SOURCE, &options(target, wavefront)).expect("our source");
            assert!(code.starts_with(b"\x7FELF") && code.windows(11).any(|name| name == b"df11_decode"), "{target}");
        }
    }
}
