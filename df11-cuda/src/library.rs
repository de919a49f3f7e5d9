//! Whether the libraries are there. The binding loads them at its first call and panics where it cannot, so it is called only behind a look.

use libloading::Library;

use crate::error::Error;

const DRIVER: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so.1"] };
const COMPILER: &[&str] = if cfg!(windows) { &["nvrtc64_120_0.dll"] } else { &["libnvrtc.so.12", "libnvrtc.so"] };

fn any_loads(names: &[&str]) -> bool {
    // SAFETY: these are NVIDIA's own libraries, whose loading is what any user of CUDA does.
    names.iter().any(|&name| unsafe { Library::new(name) }.is_ok())
}

/// Looks for the driver's library.
///
/// # Errors
/// `DriverNotFound`.
pub fn look_for_driver() -> Result<(), Error> {
    if any_loads(DRIVER) { Ok(()) } else { Err(Error::DriverNotFound { looked_for: DRIVER.join(", ") }) }
}

/// Looks for NVRTC.
pub(crate) fn look_for_compiler() -> Result<(), Error> {
    if any_loads(COMPILER) { Ok(()) } else { Err(Error::CompilerNotFound { looked_for: COMPILER.join(", ") }) }
}
