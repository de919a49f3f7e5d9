use std::ffi::{CStr, CString, c_int};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use cudarc::driver::sys::CUcontext;
use df11_gpu::{CompilerNames, Driver, Error, Find, Image, Library, Names, Words, text_of};
use df11_kernels::{CUDA, PTX_75, PTX_80};

use crate::device::RawDevice;
use crate::names::{
    ATTRIBUTE_MULTIPROCESSORS, COMPILER_NAMES, COMPILERS, Cuda, LIBRARIES, NAMES, OWN_NAMES, Own, WORDS,
};

// SAFETY: `names` has NVIDIA's libraries, and their functions beside what they do. CUDA's calls
// go to the context that is current on the thread, which `cuCtxSetCurrent` sets.
unsafe impl Driver for Cuda {
    const BACKEND: &'static str = "cuda";
    const WORDS: &'static Words = WORDS;
    const NAMES: Names = NAMES;
    const LIBRARIES: &'static [&'static str] = LIBRARIES;
    const COMPILERS: &'static [&'static str] = COMPILERS;
    const COMPILER_NAMES: CompilerNames = COMPILER_NAMES;
    const SOURCE: (&'static str, &'static CStr) = (CUDA, c"df11.cu");
    const MULTIPROCESSORS: c_int = ATTRIBUTE_MULTIPROCESSORS;
    type Own = Own;
    type Current = CUcontext;
    type Raw = RawDevice;

    fn slot() -> &'static OnceLock<Library<Self>> {
        static SLOT: OnceLock<Library<Cuda>> = OnceLock::new();
        &SLOT
    }

    unsafe fn own(find: Find<'_>) -> Result<Own, &'static str> {
        // SAFETY: the caller's.
        unsafe { Own::of(find, &OWN_NAMES) }
    }

    fn error_name(library: &Library<Self>, number: c_int) -> Option<String> {
        let mut name = null();
        // SAFETY: takes any number, and gives a text that stays, or null.
        unsafe { ((library.own.error_name)(number, &mut name) == 0).then(|| text_of(name)).flatten() }
    }

    fn open(library: &'static Library<Self>, handle: c_int) -> Result<RawDevice, Error> {
        RawDevice::open(library, handle)
    }

    fn context(device: &RawDevice) -> CUcontext {
        device.context()
    }

    fn current(library: &Library<Self>) -> Result<CUcontext, Error> {
        let mut context = null_mut();
        // SAFETY: writes one handle.
        library.check(OWN_NAMES.current, unsafe { (library.own.current)(&mut context) })?;
        Ok(context)
    }

    unsafe fn make_current(library: &Library<Self>, context: CUcontext) -> Result<(), Error> {
        // SAFETY: the caller's.
        library.check(OWN_NAMES.set_current, unsafe { (library.own.set_current)(context) })
    }

    fn image(device: &RawDevice) -> Option<Image> {
        let ptx = if device.capability() >= (8, 0) { PTX_80 } else { PTX_75 };
        // Proof of the default: PTX is text without a byte of 0. The driver wants one at its end.
        Some(CString::new(ptx).unwrap_or_default().into_bytes_with_nul().into())
    }

    fn options(device: &RawDevice) -> Vec<String> {
        let (major, minor) = device.capability();
        vec![format!("--gpu-architecture=sm_{major}{minor}"), "--std=c++17".to_owned()]
    }
}
