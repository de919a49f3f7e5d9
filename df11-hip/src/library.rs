//! Finds the libraries. Once loaded, they stay: the runtime starts threads of its own, from under
//! which it must not be taken.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::OnceLock;

use df11_gpu::{Error, Find, Library};

use crate::names::{Hip, Own, WORDS};

const DRIVER: &[&str] = &["libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"];

/// Where ROCm is installed if the loader does not know it.
const ROCM: &str = "/opt/rocm";

/// Paths to try for libraries of these names: `ROCM_PATH`, the loader's, `/opt/rocm`. None on
/// Windows, where these names mean nothing, and a bare one is looked for in the program's folder and
/// in the current one.
fn candidates(names: &[&str]) -> Vec<PathBuf> {
    if cfg!(windows) {
        return Vec::new();
    }
    let named = std::env::var_os("ROCM_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    let within = |root: PathBuf| names.iter().map(move |name| root.join("lib").join(name));
    let loaders = names.iter().map(PathBuf::from);
    named.into_iter().flat_map(within).chain(loaders).chain(within(ROCM.into())).collect()
}

/// The names, and the folders besides the loader's, for an error.
pub(crate) fn listed(names: &[&str]) -> String {
    let folder = std::env::var("ROCM_PATH").ok().filter(|path| !path.is_empty());
    let folder = folder.map_or_else(|| ROCM.to_owned(), |path| format!("{path}, {ROCM}"));
    format!("{} (also in lib of {folder})", names.join(", "))
}

/// The first library that loads and from which `take` can take what it wants; what the first of the
/// others lacked.
pub(crate) fn first<T>(
    names: &[&str],
    take: impl Fn(Find<'_>) -> Result<T, &'static str>,
) -> Result<T, Option<(PathBuf, &'static str)>> {
    let mut lacking = None;
    for path in candidates(names) {
        // SAFETY: these are AMD's own libraries, whose loading is what any user of HIP does.
        let Ok(library) = (unsafe { libloading::Library::new(&path) }) else { continue };
        let library = ManuallyDrop::new(library);
        // SAFETY: only the address is taken.
        match take(&|name| unsafe { library.get::<*mut c_void>(name) }.ok().map(|function| *function)) {
            Ok(taken) => return Ok(taken),
            Err(function) => lacking = lacking.or(Some((path, function))),
        }
    }
    Err(lacking)
}

fn runtime(find: Find<'_>) -> Result<Library<Hip>, &'static str> {
    // SAFETY: a library of AMD's names, which stays open.
    unsafe { Library::of(find, &|find| Own::of(find)) }
}

/// The runtime.
pub(crate) fn hip() -> Result<&'static Library<Hip>, Error> {
    static HIP: OnceLock<Library<Hip>> = OnceLock::new();
    if let Some(hip) = HIP.get() {
        return Ok(hip);
    }
    let hip = first(DRIVER, runtime).map_err(|lacking| match lacking {
        Some((library, function)) => {
            Error::DriverTooOld { words: WORDS, library: library.display().to_string(), function }
        }
        None => Error::DriverNotFound { words: WORDS, looked_for: listed(DRIVER) },
    })?;
    Ok(HIP.get_or_init(|| hip))
}

/// Looks for the runtime's library.
///
/// # Errors
/// `DriverNotFound`, `DriverTooOld`.
pub fn look_for_driver() -> Result<(), Error> {
    hip().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_looked_for_under_every_name() {
        let names = ["libdf11-is-not-there.so", "libdf11-is-not-there.so.5"];
        assert!(first(&names, |_| Ok(())).is_err_and(|lacking| lacking.is_none()));
        let message = Error::DriverNotFound { words: WORDS, looked_for: listed(DRIVER) }.to_string();
        assert!(DRIVER.iter().all(|name| message.contains(name)) && message.contains(ROCM), "{message}");
    }

    #[test]
    fn a_library_without_the_functions_is_named_with_the_first_that_it_lacks() {
        let (library, function) = first(&["libc.so.6"], runtime).expect_err("not HIP").expect("it loads");
        assert_eq!((library.to_str(), function), (Some("libc.so.6"), "hipInit"));
    }
}
