use std::ffi::{CString, c_int};
use std::ptr::{null, null_mut};

use cudarc::driver::sys::CUcontext;
use df11_gpu::{Driver, Error, Image, Library, Names, Words, text_of};
use df11_kernels::{CUDA, PTX_75, PTX_80};

use crate::device::RawDevice;
use crate::library::cuda;
use crate::names::{ATTRIBUTE_MULTIPROCESSORS, Cuda, NAMES, OWN_NAMES, Own, WORDS};
use crate::nvrtc::compiler;

// SAFETY: `names` has CUDA's functions beside what they do, `library` CUDA's library. CUDA's calls
// go to the context that is current on the thread, which `cuCtxSetCurrent` sets.
unsafe impl Driver for Cuda {
    const BACKEND: &'static str = "cuda";
    const WORDS: &'static Words = WORDS;
    const NAMES: Names = NAMES;
    const MULTIPROCESSORS: c_int = ATTRIBUTE_MULTIPROCESSORS;
    type Own = Own;
    type Current = CUcontext;
    type Raw = RawDevice;

    fn library() -> Result<&'static Library<Self>, Error> {
        cuda()
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

    fn image(device: &RawDevice) -> Result<Image, Error> {
        let ptx = if device.capability() >= (8, 0) { PTX_80 } else { PTX_75 };
        // Proof of the default: PTX is text without a byte of 0. The driver wants one at its end.
        Ok(CString::new(ptx).unwrap_or_default().into_bytes_with_nul().into())
    }

    fn compile(device: &RawDevice) -> Result<Image, Error> {
        let (major, minor) = device.capability();
        let options = [format!("--gpu-architecture=sm_{major}{minor}"), "--std=c++17".to_owned()];
        Ok(compiler()?.compile(CUDA, c"df11.cu", &options)?.into())
    }
}
