//! Finds libraries. Once loaded, they stay: drivers start threads of their own, from under which
//! they must not be taken.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use libloading::Library;

/// Looks a function up in a library.
pub type Find<'a> = &'a dyn Fn(&'static str) -> Option<*mut c_void>;

/// Opens a library. By its bare name Windows would take one from the program's folder, or from the
/// current one: there only the system's folder counts.
///
/// # Safety
/// As `first`.
unsafe fn open(path: &Path) -> Option<ManuallyDrop<Library>> {
    #[cfg(windows)]
    use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library as System};
    // SAFETY: the caller's.
    #[cfg(windows)]
    let library = unsafe { System::load_with_flags(path, LOAD_LIBRARY_SEARCH_SYSTEM32) }.map(Library::from);
    // SAFETY: the caller's.
    #[cfg(not(windows))]
    let library = unsafe { Library::new(path) };
    library.ok().map(ManuallyDrop::new)
}

/// What `take` takes from the first library that loads and has it; else what the first lacked that
/// loads.
///
/// # Safety
/// Libraries of these names are a vendor's: loading them is what any user of its devices does.
pub(crate) unsafe fn first<T>(
    paths: Vec<PathBuf>,
    take: &dyn Fn(Find<'_>) -> Result<T, &'static str>,
) -> Result<T, Option<(PathBuf, &'static str)>> {
    let mut lacking = None;
    for path in paths {
        // SAFETY: the caller's.
        let Some(library) = (unsafe { open(&path) }) else { continue };
        // SAFETY: only the address is taken.
        match take(&|name| unsafe { library.get::<*mut c_void>(name) }.ok().map(|function| *function)) {
            Ok(taken) => return Ok(taken),
            Err(function) => lacking = lacking.or(Some((path, function))),
        }
    }
    Err(lacking)
}
