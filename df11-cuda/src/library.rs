//! Whether the driver is there. The binding loads it at its first call and panics where it cannot, so it is called only behind a look.

use libloading::Library;

use crate::error::Error;

const DRIVER: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so.1"] };

/// Looks for the driver's library.
///
/// # Errors
/// `DriverNotFound`.
pub fn look_for_driver() -> Result<(), Error> {
    // SAFETY: NVIDIA's own library, whose loading is what any user of CUDA does.
    let loads = DRIVER.iter().any(|&name| unsafe { Library::new(name) }.is_ok());
    if loads { Ok(()) } else { Err(Error::DriverNotFound { looked_for: DRIVER.join(", ") }) }
}
