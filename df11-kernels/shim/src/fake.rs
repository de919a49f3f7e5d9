//! What a played library lets a test do.

use std::ffi::{CStr, CString, c_char};

use libloading::Library;

/// A played library, loaded.
#[derive(Debug)]
pub struct Fake(Library);

impl Fake {
    /// Loads it under the name by which a binding finds it then; `None` where it was not built.
    ///
    /// # Panics
    /// If it was built and does not load.
    pub fn load(path: Option<&str>) -> Option<Self> {
        // SAFETY: our own library, built for this.
        Some(Self(unsafe { Library::new(path?) }.expect("the library that the build script made")))
    }

    /// One of its functions.
    ///
    /// # Safety
    /// It has this type.
    unsafe fn function<F: Copy>(&self, name: &str) -> F {
        // SAFETY: the caller's.
        *unsafe { self.0.get(name) }.expect("ours")
    }

    /// Makes the `nth` call from now of a function fail, of any that ends in "..." for "*..."; none
    /// for "".
    pub fn fail(&self, name: &str, nth: i32) {
        self.make("df11_fake_fail", name, nth);
    }

    /// And all that follow.
    pub fn fail_from(&self, name: &str, nth: i32) {
        self.make("df11_fake_fail_from", name, nth);
    }

    fn make(&self, what: &str, name: &str, nth: i32) {
        let name = CString::new(name.trim_end_matches("_v2")).expect("a name");
        // SAFETY: both functions have this type, and copy the name. 2 is "out of memory".
        unsafe { self.function::<unsafe extern "C" fn(*const c_char, i32, i32)>(what)(name.as_ptr(), nth, 2) }
    }

    /// Whether the call that was to fail was made.
    pub fn failed(&self) -> bool {
        // SAFETY: it has this type.
        unsafe { self.function::<unsafe extern "C" fn() -> bool>("df11_fake_failed")() }
    }

    /// What was taken and not given back.
    pub fn live(&self) -> i32 {
        // SAFETY: it has this type.
        unsafe { self.function::<unsafe extern "C" fn() -> i32>("df11_fake_live")() }
    }

    /// How often memory was freed that the device might still use.
    pub fn hasty(&self) -> i32 {
        // SAFETY: it has this type.
        unsafe { self.function::<unsafe extern "C" fn() -> i32>("df11_fake_hasty")() }
    }

    /// Until when a stream is busy, in the time that is played: a copy takes 1, a launch 3.
    /// The stream is named by the address of its handle.
    pub fn time(&self, stream: usize) -> f64 {
        // SAFETY: it has this type, and does not read through the address.
        unsafe { self.function::<unsafe extern "C" fn(usize) -> f64>("df11_fake_time")(stream) }
    }

    /// So many devices of CUDA, of this compute capability.
    pub fn cuda_devices(&self, count: i32, (major, minor): (i32, i32)) {
        // SAFETY: it has this type.
        unsafe { self.function::<unsafe extern "C" fn(i32, i32, i32)>("df11_fake_cuda_devices")(count, major, minor) }
    }

    /// So many devices of HIP.
    pub fn hip_devices(&self, count: i32) {
        // SAFETY: it has this type.
        unsafe { self.function::<unsafe extern "C" fn(i32)>("df11_fake_hip_devices")(count) }
    }

    /// A device of HIP becomes another one.
    pub fn hip_device(&self, device: i32, target: &CStr, wavefront: u32) {
        type Change = unsafe extern "C" fn(i32, *const c_char, u32);
        // SAFETY: it has this type in `FAKE_HIP`, and copies the text.
        unsafe { self.function::<Change>("df11_fake_hip_device")(device, target.as_ptr(), wavefront) }
    }
}
