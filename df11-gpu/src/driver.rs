//! What a vendor's crate does for its vendor.

use std::borrow::Cow;
use std::ffi::{CStr, c_int};
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::error::{Error, Words};
use crate::find::{Find, first};
use crate::functions::{CompilerNames, Functions, Names};

/// Machine code of the kernels, or what the driver compiles to it.
pub type Image = Cow<'static, [u8]>;

/// A vendor's driver. What is the same for all vendors is not asked for: it is done here, by the
/// functions that `NAMES` names.
///
/// # Safety
/// - Libraries of the names in `LIBRARIES` and `COMPILERS` are the vendor's.
/// - `NAMES` and `COMPILER_NAMES` are functions of theirs with the types of the tables in
///   `functions.rs`, and do what their fields say. Any thread may call them at any time.
/// - After `make_current`, what the driver is asked for on this thread is for that device; and the
///   `context` of a [`Driver::Raw`] can be made current as long as that value lives.
pub unsafe trait Driver: Copy + Debug + Send + Sync + 'static {
    /// The name by which the backend is listed and forced.
    const BACKEND: &'static str;
    /// What errors call its parts.
    const WORDS: &'static Words;
    /// The names of the functions that all vendors have.
    const NAMES: Names;
    /// The number of the attribute that says how many multiprocessors a device has.
    const MULTIPROCESSORS: c_int;
    /// Names of the driver's library, and of its compiler's.
    const LIBRARIES: &'static [&'static str];
    /// As above.
    const COMPILERS: &'static [&'static str];
    /// The names of the compiler's functions.
    const COMPILER_NAMES: CompilerNames;
    /// The kernels' source, and what the compiler's messages call it.
    const SOURCE: (&'static str, &'static CStr);
    /// The functions that only this vendor has.
    type Own: Debug + Send + Sync;
    /// What a thread has current: a context, or the number of a device.
    type Current: Copy + PartialEq;
    /// A device as the driver knows it: its handle, and what decides which kernels run on it.
    type Raw: Debug + Send + Sync;

    /// Where the library is kept once it is found.
    fn slot() -> &'static OnceLock<Library<Self>>;

    /// Paths to try for libraries of these names, in order: the loader's own.
    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    /// The same, for an error.
    fn listed(names: &[&str]) -> String {
        names.join(", ")
    }

    /// Looks up the functions that only this vendor has; else the name of the first that is not
    /// there.
    ///
    /// # Errors
    /// That name.
    ///
    /// # Safety
    /// `find` looks in a library of this driver, which is never closed.
    unsafe fn own(find: Find<'_>) -> Result<Self::Own, &'static str>;

    /// The driver's name for an error of this number, if it has one.
    fn error_name(library: &Library<Self>, number: c_int) -> Option<String>;

    /// The device of this handle, ready to be made current.
    ///
    /// # Errors
    /// `Misfit`, `Driver`.
    fn open(library: &'static Library<Self>, handle: c_int) -> Result<Self::Raw, Error>;

    /// What is to be current for calls to this device.
    fn context(device: &Self::Raw) -> Self::Current;

    /// What this thread has current.
    fn current(library: &Library<Self>) -> Result<Self::Current, Error>;

    /// Makes it current on this thread.
    ///
    /// # Errors
    /// `Driver`, and then all is as before.
    ///
    /// # Safety
    /// It is of a device that lives, or was current on this thread before.
    unsafe fn make_current(library: &Library<Self>, context: Self::Current) -> Result<(), Error>;

    /// The kernels, where they come for such a device.
    fn image(device: &Self::Raw) -> Option<Image>;

    /// What the compiler is told, for the kernels of this very device.
    fn options(device: &Self::Raw) -> Vec<String>;
}

/// A driver's library: its functions.
#[derive(Debug)]
pub struct Library<D: Driver> {
    pub(crate) functions: Functions,
    /// Those that only this vendor has.
    pub own: D::Own,
}

/// Calls a function of all vendors, by its field, on a `Library` or a `Bound`; an `Error` with the
/// function's name if it fails. Unsafe, as the function is: what it is given is alive and the
/// current device's, memory is as large as is said, and nobody else uses it until the work is done.
macro_rules! call {
    ($driver:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let driver = $driver;
        let function = driver.functions.$function;
        driver.check(driver.names().$function, function($($argument),*))
    }};
}
pub(crate) use call;

impl<D: Driver> Library<D> {
    /// The driver's library. Each call gives the same one.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`.
    pub fn get() -> Result<&'static Self, Error> {
        if let Some(library) = D::slot().get() {
            return Ok(library);
        }
        // SAFETY: as `Driver` promises.
        let library = unsafe { Self::find(D::LIBRARIES) }?;
        Ok(D::slot().get_or_init(|| library))
    }

    /// The first library of these names that has all functions.
    ///
    /// # Errors
    /// As `get`.
    ///
    /// # Safety
    /// Libraries of these names are the driver's, or lack a function of it.
    pub unsafe fn find(names: &[&str]) -> Result<Self, Error> {
        let take = |find: Find<'_>| {
            // SAFETY: the caller's; `Driver` promises the types.
            let (functions, own) = unsafe { (Functions::of(find, &D::NAMES)?, D::own(find)?) };
            Ok(Self { functions, own })
        };
        // SAFETY: the caller's.
        unsafe { first(D::paths(names), &take) }.map_err(|lacking| match lacking {
            Some((library, function)) => {
                Error::DriverTooOld { words: D::WORDS, library: library.display().to_string(), function }
            }
            None => Error::DriverNotFound { words: D::WORDS, looked_for: D::listed(names) },
        })
    }

    /// What a function returned, as an error with its name unless it is 0.
    pub fn check(&self, function: &'static str, number: c_int) -> Result<(), Error> {
        if number == 0 {
            return Ok(());
        }
        let error = D::error_name(self, number).unwrap_or_else(|| number.to_string());
        // Functions are called by the names of their documentation.
        Err(Error::Driver { call: function.trim_end_matches("_v2"), error })
    }

    pub(crate) fn names(&self) -> &'static Names {
        &D::NAMES
    }

    /// The number of devices.
    pub(crate) fn device_count(&self) -> Result<usize, Error> {
        let mut count = 0;
        // SAFETY: writes one number.
        unsafe { call!(self, init(0)).and_then(|()| call!(self, device_count(&mut count)))? };
        Ok(count.max(0) as usize)
    }

    /// The handle of the device of this number.
    pub(crate) fn device(&self, ordinal: usize) -> Result<c_int, Error> {
        let mut device = 0;
        // SAFETY: writes one number.
        unsafe { call!(self, device(&mut device, ordinal as c_int))? };
        Ok(device)
    }

    /// The name of a device.
    pub fn device_name(&self, device: c_int) -> Result<String, Error> {
        let mut name = [0u8; 256];
        // SAFETY: it writes at most that many bytes.
        unsafe { call!(self, device_name(name.as_mut_ptr().cast(), name.len() as c_int, device))? };
        Ok(String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned())
    }

    /// A number that the driver says of a device.
    pub fn attribute(&self, attribute: c_int, device: c_int) -> Result<c_int, Error> {
        let mut value = 0;
        // SAFETY: writes one number.
        unsafe { call!(self, attribute(&mut value, attribute, device))? };
        Ok(value)
    }
}
