//! The functions of a driver's library that are called here. Those of CUDA and of HIP take the same
//! arguments and differ in their names alone: one table of types, and one of names for each vendor.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

/// A stream of the driver: a queue of work. Null is the default one of the current device.
pub type RawStream = *mut c_void;
/// Another thing of the driver's: an event, a module, a kernel.
type Raw = *mut c_void;

/// Declares a table of C functions and the table of their names.
#[macro_export]
macro_rules! functions {
    (
        $(#[$about:meta])* $visibility:vis $table:ident, $names:ident {
            $($function:ident($($argument:ident: $type:ty),*) -> $result:ty;)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug)]
        $visibility struct $table {
            $(pub(crate) $function: unsafe extern "C" fn($($argument: $type),*) -> $result,)*
        }

        #[doc = concat!("The names under which a library has the functions of `", stringify!($table), "`.")]
        #[derive(Clone, Copy, Debug)]
        #[allow(missing_docs, reason = "a field names what its function does")]
        $visibility struct $names {
            $(pub $function: &'static str,)*
        }

        impl $table {
            /// Looks all of them up; else the name of the first that is not there.
            ///
            /// # Safety
            /// What `find` gives for a name is null or a function of the type that stands here, and
            /// stays.
            pub(crate) unsafe fn of(find: $crate::Find<'_>, names: &$names) -> Result<Self, &'static str> {
                let find = |name| find(name).filter(|function| !function.is_null()).ok_or(name);
                Ok(Self {
                    // SAFETY: the caller's.
                    $($function: unsafe {
                        std::mem::transmute::<*mut std::ffi::c_void, unsafe extern "C" fn($($type),*) -> $result>(
                            find(names.$function)?,
                        )
                    },)*
                })
            }
        }
    };
}

functions! {
    /// The driver's, each of which returns 0 or the number of an error.
    pub Functions, Names {
        init(flags: c_uint) -> c_int;
        device_count(count: *mut c_int) -> c_int;
        device(device: *mut c_int, ordinal: c_int) -> c_int;
        device_name(name: *mut c_char, size: c_int, device: c_int) -> c_int;
        attribute(value: *mut c_int, attribute: c_int, device: c_int) -> c_int;
        synchronize() -> c_int;
        allocate(address: *mut u64, bytes: usize) -> c_int;
        free(address: u64) -> c_int;
        allocate_pinned(address: *mut *mut c_void, bytes: usize, flags: c_uint) -> c_int;
        free_pinned(address: *mut c_void) -> c_int;
        copy_to_device(to: u64, from: *const c_void, bytes: usize, stream: RawStream) -> c_int;
        copy_to_host_now(to: *mut c_void, from: u64, bytes: usize) -> c_int;
        set(to: u64, value: u8, bytes: usize, stream: RawStream) -> c_int;
        stream_create(stream: *mut RawStream, flags: c_uint) -> c_int;
        stream_destroy(stream: RawStream) -> c_int;
        stream_synchronize(stream: RawStream) -> c_int;
        stream_wait(stream: RawStream, event: Raw, flags: c_uint) -> c_int;
        event_create(event: *mut Raw, flags: c_uint) -> c_int;
        event_destroy(event: Raw) -> c_int;
        event_record(event: Raw, stream: RawStream) -> c_int;
        module_load(module: *mut Raw, image: *const c_void) -> c_int;
        module_unload(module: Raw) -> c_int;
        module_function(function: *mut Raw, module: Raw, name: *const c_char) -> c_int;
        occupancy(blocks: *mut c_int, function: Raw, threads: c_int, shared: usize) -> c_int;
        launch(
            function: Raw, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint,
            block_y: c_uint, block_z: c_uint, shared: c_uint, stream: RawStream,
            parameters: *mut *mut c_void, extra: *mut *mut c_void
        ) -> c_int;
    }
}

functions! {
    /// The compiler's at run time, NVRTC's or hiprtc's.
    pub CompilerFunctions, CompilerNames {
        error_text(number: c_int) -> *const c_char;
        create(
            program: *mut Raw, source: *const c_char, name: *const c_char, header_count: c_int,
            headers: *const *const c_char, header_names: *const *const c_char
        ) -> c_int;
        compile(program: Raw, option_count: c_int, options: *const *const c_char) -> c_int;
        log_size(program: Raw, bytes: *mut usize) -> c_int;
        log(program: Raw, log: *mut c_char) -> c_int;
        code_size(program: Raw, bytes: *mut usize) -> c_int;
        code(program: Raw, code: *mut c_char) -> c_int;
        destroy(program: *mut Raw) -> c_int;
    }
}

/// What a driver gives for a thing that it made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle(pub *mut c_void);

// SAFETY: a number to us, which nobody reads through. That any thread may name it to the driver is
// what `Driver` promises.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

/// A text of a library, if it has one.
///
/// # Safety
/// `text` is null or a text that stays, and ends with a byte of 0.
pub unsafe fn text_of(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
