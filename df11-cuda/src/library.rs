//! Finds the libraries. Once loaded, they stay: the driver starts threads of its own, from under
//! which it must not be taken.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::sync::OnceLock;

use df11_gpu::Error;

use crate::names::{Cuda, OWN_NAMES, Own, WORDS};

const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// A library that is never closed.
#[derive(Debug)]
pub(crate) struct Library(ManuallyDrop<libloading::Library>);

impl Library {
    /// Opens a library where the system keeps its own. By its bare name Windows would take one from
    /// the program's folder, or from the current one.
    ///
    /// # Safety
    /// A library of this name is NVIDIA's: loading it is what any user of CUDA does.
    pub(crate) unsafe fn open(name: &str) -> Option<Self> {
        #[cfg(windows)]
        use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library as System};
        // SAFETY: the caller's.
        #[cfg(windows)]
        let library =
            unsafe { System::load_with_flags(name, LOAD_LIBRARY_SEARCH_SYSTEM32) }.map(libloading::Library::from);
        // SAFETY: the caller's.
        #[cfg(not(windows))]
        let library = unsafe { libloading::Library::new(name) };
        library.ok().map(ManuallyDrop::new).map(Self)
    }

    /// Its function of this name.
    pub(crate) fn find(&self, name: &str) -> Option<*mut c_void> {
        // SAFETY: only the address is taken.
        unsafe { self.0.get(name) }.ok().map(|function| *function)
    }
}

/// The driver.
pub(crate) fn cuda() -> Result<&'static df11_gpu::Library<Cuda>, Error> {
    static CUDA: OnceLock<df11_gpu::Library<Cuda>> = OnceLock::new();
    if let Some(cuda) = CUDA.get() {
        return Ok(cuda);
    }
    let cuda = driver(DRIVER)?;
    Ok(CUDA.get_or_init(|| cuda))
}

fn driver(name: &str) -> Result<df11_gpu::Library<Cuda>, Error> {
    // SAFETY: NVIDIA's own library.
    let library = unsafe { Library::open(name) }
        .ok_or_else(|| Error::DriverNotFound { words: WORDS, looked_for: name.to_owned() })?;
    // SAFETY: as above, and it stays open.
    let driver = unsafe { df11_gpu::Library::of(&|name| library.find(name), &|find| Own::of(find, &OWN_NAMES)) };
    driver.map_err(|function| Error::DriverTooOld { words: WORDS, library: name.to_owned(), function })
}

/// Looks for the driver's library.
///
/// # Errors
/// `DriverNotFound`, `DriverTooOld`.
pub fn look_for_driver() -> Result<(), Error> {
    cuda().map(|_| ())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let error = driver("libdf11-is-not-there.so").expect_err("no such library");
        assert_eq!(error, Error::DriverNotFound { words: WORDS, looked_for: "libdf11-is-not-there.so".into() });
    }

    #[test]
    fn a_library_without_the_functions_is_named_with_the_first_that_it_lacks() {
        let error = driver("libc.so.6").expect_err("not CUDA");
        assert_eq!(error, Error::DriverTooOld { words: WORDS, library: "libc.so.6".into(), function: "cuInit" });
    }
}
