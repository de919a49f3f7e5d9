use std::ffi::{CStr, c_int};
use std::path::PathBuf;
use std::sync::OnceLock;

use df11_gpu::{CompilerNames, Driver, Error, Find, Image, Library, Names, Words, text_of};
use df11_kernels::{CODE_OBJECTS, HIP};

use crate::device::RawDevice;
use crate::names::{
    ATTRIBUTE_MULTIPROCESSORS, COMPILER_NAMES, COMPILERS, CURRENT_NAMES, Hip, LIBRARIES, NAMES, Own, WORDS,
};

/// Where ROCm is installed if the loader does not know it.
const ROCM: &str = "/opt/rocm";

// SAFETY: `names` has AMD's libraries, and their functions beside what they do. HIP's calls go to
// the device that is current on the thread, which `hipSetDevice` sets.
unsafe impl Driver for Hip {
    const BACKEND: &'static str = "hip";
    const WORDS: &'static Words = WORDS;
    const NAMES: Names = NAMES;
    const LIBRARIES: &'static [&'static str] = LIBRARIES;
    const COMPILERS: &'static [&'static str] = COMPILERS;
    const COMPILER_NAMES: CompilerNames = COMPILER_NAMES;
    const SOURCE: (&'static str, &'static CStr) = (HIP, c"df11.hip");
    const MULTIPROCESSORS: c_int = ATTRIBUTE_MULTIPROCESSORS;
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
        // SAFETY: the caller's.
        unsafe { Own::of(find) }
    }

    fn error_name(library: &Library<Self>, number: c_int) -> Option<String> {
        // SAFETY: takes any number, and gives a text that stays, or null.
        unsafe { text_of((library.own.current.error_name)(number)) }
    }

    fn open(library: &'static Library<Self>, handle: c_int) -> Result<RawDevice, Error> {
        RawDevice::open(library, handle)
    }

    fn context(device: &RawDevice) -> c_int {
        device.device()
    }

    fn current(library: &Library<Self>) -> Result<c_int, Error> {
        let mut device = 0;
        // SAFETY: writes one number.
        library.check(CURRENT_NAMES.device, unsafe { (library.own.current.device)(&mut device) })?;
        Ok(device)
    }

    unsafe fn make_current(library: &Library<Self>, device: c_int) -> Result<(), Error> {
        // SAFETY: takes any number.
        library.check(CURRENT_NAMES.set_device, unsafe { (library.own.current.set_device)(device) })
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
