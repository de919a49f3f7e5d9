//! Finds the libraries. Once loaded, they stay: the driver starts threads of its own, from under which it must not be taken.

use std::mem::ManuallyDrop;
use std::sync::OnceLock;

use libloading::Library;

use crate::error::Error;
use crate::result::Cuda;
use crate::sys::Driver;

const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// Opens a library where the system keeps its own. By its bare name Windows would take one from the program's folder, or from the current one.
///
/// # Safety
/// A library of this name is NVIDIA's: loading it is what any user of CUDA does.
pub(crate) unsafe fn open(name: &str) -> Option<ManuallyDrop<Library>> {
    #[cfg(windows)]
    use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library as System};
    // SAFETY: the caller's.
    #[cfg(windows)]
    let library = unsafe { System::load_with_flags(name, LOAD_LIBRARY_SEARCH_SYSTEM32) }.map(Library::from);
    // SAFETY: the caller's.
    #[cfg(not(windows))]
    let library = unsafe { Library::new(name) };
    library.ok().map(ManuallyDrop::new)
}

/// The driver.
pub(crate) fn cuda() -> Result<&'static Cuda, Error> {
    static CUDA: OnceLock<Cuda> = OnceLock::new();
    if let Some(cuda) = CUDA.get() {
        return Ok(cuda);
    }
    let cuda = driver(DRIVER)?;
    Ok(CUDA.get_or_init(|| cuda))
}

fn driver(name: &str) -> Result<Cuda, Error> {
    // SAFETY: NVIDIA's own library.
    let library = unsafe { open(name) }.ok_or_else(|| Error::DriverNotFound { looked_for: name.to_owned() })?;
    // SAFETY: as above, and it stays open.
    let driver = unsafe { Driver::of(&library) };
    Ok(Cuda { driver: driver.map_err(|function| Error::DriverTooOld { library: name.to_owned(), function })? })
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
        assert_eq!(error, Error::DriverNotFound { looked_for: "libdf11-is-not-there.so".into() });
    }

    #[test]
    fn a_library_without_the_functions_is_named_with_the_first_that_it_lacks() {
        let error = driver("libc.so.6").expect_err("not CUDA");
        assert_eq!(error, Error::DriverTooOld { library: "libc.so.6".into(), function: "cuInit" });
    }
}
