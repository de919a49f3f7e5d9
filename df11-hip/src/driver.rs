use std::ffi::c_int;

use df11_gpu::{Driver, Error, Image, Library, Names, Words, text_of};
use df11_kernels::CODE_OBJECTS;

use crate::device::RawDevice;
use crate::hiprtc::code_for;
use crate::library::hip;
use crate::names::{ATTRIBUTE_MULTIPROCESSORS, CURRENT_NAMES, Hip, NAMES, Own, WORDS};

// SAFETY: `names` has HIP's functions beside what they do, `library` HIP's runtime. HIP's calls go to
// the device that is current on the thread, which `hipSetDevice` sets.
unsafe impl Driver for Hip {
    const BACKEND: &'static str = "hip";
    const WORDS: &'static Words = WORDS;
    const NAMES: Names = NAMES;
    const MULTIPROCESSORS: c_int = ATTRIBUTE_MULTIPROCESSORS;
    type Own = Own;
    type Current = c_int;
    type Raw = RawDevice;

    fn library() -> Result<&'static Library<Self>, Error> {
        hip()
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

    fn image(device: &RawDevice) -> Result<Image, Error> {
        let target = device.target().split(':').next().unwrap_or_default();
        let came = CODE_OBJECTS.iter().find(|code| code.target == target && code.wavefront == device.wavefront());
        came.map_or_else(|| Self::compile(device), |code| Ok(code.image.into()))
    }

    fn compile(device: &RawDevice) -> Result<Image, Error> {
        Ok(code_for(device.target(), device.wavefront())?.into())
    }
}
