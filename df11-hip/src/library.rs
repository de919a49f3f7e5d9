//! Finds the libraries. Once loaded, they stay: the runtime starts threads of its own, from under which it must not be taken.

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::OnceLock;

use libloading::Library;

use crate::error::Error;
use crate::result::Hip;
use crate::sys::Compiler;

const DRIVER: &[&str] = &["libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"];
/// The runtime first, of whose version the compiler in it is; later ones have none in it.
const COMPILER: &[&str] =
    &["libamdhip64.so", "libhiprtc.so", "libhiprtc.so.7", "libhiprtc.so.6", "libamdhip64.so.6", "libamdhip64.so.5"];

/// Where ROCm is installed if the loader does not know it.
const ROCM: &str = "/opt/rocm";

/// Paths to try for libraries of these names: `ROCM_PATH`, the loader's, `/opt/rocm`. None on Windows, where these names mean nothing, and a bare one is looked for in
/// the program's folder and in the current one.
fn candidates(names: &[&str]) -> Vec<PathBuf> {
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

/// The first library that loads and from which `take` can take what it wants; what the others lacked.
fn first<T>(
    names: &[&str],
    take: impl Fn(&Library) -> Result<T, &'static str>,
) -> Result<T, Option<(PathBuf, &'static str)>> {
    let mut lacking = None;
    for path in candidates(names) {
        // SAFETY: these are AMD's own libraries, whose loading is what any user of HIP does.
        let Ok(library) = (unsafe { Library::new(&path) }) else { continue };
        let library = ManuallyDrop::new(library);
        match take(&library) {
            Ok(taken) => return Ok(taken),
            Err(function) => lacking = lacking.or(Some((path, function))),
        }
    }
    Err(lacking)
}

/// The runtime.
pub(crate) fn hip() -> Result<&'static Hip, Error> {
    static HIP: OnceLock<Hip> = OnceLock::new();
    if let Some(hip) = HIP.get() {
        return Ok(hip);
    }
    // SAFETY: libraries of AMD's names, which stay open.
    let found = first(DRIVER, |library| unsafe { Hip::of(library) });
    let hip = found.map_err(|lacking| match lacking {
        Some((library, function)) => Error::DriverTooOld { library: library.display().to_string(), function },
        None => Error::DriverNotFound { looked_for: listed(DRIVER) },
    })?;
    Ok(HIP.get_or_init(|| hip))
}

/// The run-time compiler.
pub(crate) fn compiler() -> Result<Compiler, Error> {
    // SAFETY: as above.
    first(COMPILER, |library| unsafe { Compiler::of(library) })
        .map_err(|_| Error::CompilerNotFound { looked_for: listed(COMPILER) })
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
        let message = Error::DriverNotFound { looked_for: listed(DRIVER) }.to_string();
        assert!(DRIVER.iter().all(|name| message.contains(name)) && message.contains(ROCM), "{message}");
    }

    #[test]
    fn a_library_without_the_functions_is_named_with_the_first_that_it_lacks() {
        // SAFETY: only names are looked up.
        let (library, function) = first(&["libc.so.6"], |library| unsafe { Hip::of(library) }.map(drop))
            .expect_err("not HIP")
            .expect("it loads");
        assert_eq!((library.to_str(), function), (Some("libc.so.6"), "hipInit"));
    }

    /// The compiler of a ROCm that is installed needs no device.
    #[test]
    fn the_source_compiles_at_run_time() {
        let Ok(compiler) = compiler() else {
            println!("skipped: kernels compiled at run time (no hiprtc)");
            return;
        };
        for (target, wavefront) in [("gfx90a", 64), ("gfx1030", 32)] {
            let code = crate::kernels::code_for(&compiler, target, wavefront).expect("our source");
            assert!(code.starts_with(b"\x7FELF") && code.windows(11).any(|name| name == b"df11_decode"), "{target}");
        }
    }
}
