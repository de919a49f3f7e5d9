//! NVRTC: the functions of it that are called here, looked up when they are wanted. The binding of `cudarc` knows no library later than that of CUDA 12, and
//! panics where it finds none. Signatures are those of `nvrtc.h`, the same from CUDA 12.0 to 13.
#![allow(non_camel_case_types, non_snake_case, reason = "names as NVRTC has them")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::null;

use crate::error::Error;
use crate::library;
use crate::sys::table;

/// The older first: what it makes, the drivers of both take.
const COMPILER: &[&str] = if cfg!(windows) {
    &["nvrtc64_120_0.dll", "nvrtc64_130_0.dll"]
} else {
    &["libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so"]
};

type nvrtcProgram = *mut c_void;
type nvrtcResult = c_int;
const SUCCESS: nvrtcResult = 0;

table! {
    /// The compiler, whose library stays open.
    Compiler {
        nvrtcGetErrorString(result: nvrtcResult) -> *const c_char;
        nvrtcCreateProgram(
            program: *mut nvrtcProgram, source: *const c_char, name: *const c_char,
            header_count: c_int, headers: *const *const c_char, header_names: *const *const c_char
        ) -> nvrtcResult;
        nvrtcCompileProgram(program: nvrtcProgram, option_count: c_int, options: *const *const c_char) -> nvrtcResult;
        nvrtcGetProgramLogSize(program: nvrtcProgram, bytes: *mut usize) -> nvrtcResult;
        nvrtcGetProgramLog(program: nvrtcProgram, log: *mut c_char) -> nvrtcResult;
        nvrtcGetCUBINSize(program: nvrtcProgram, bytes: *mut usize) -> nvrtcResult;
        nvrtcGetCUBIN(program: nvrtcProgram, code: *mut c_char) -> nvrtcResult;
        nvrtcDestroyProgram(program: *mut nvrtcProgram) -> nvrtcResult;
    }
}

impl Compiler {
    /// The first that is there.
    pub(crate) fn find() -> Result<Self, Error> {
        let open = |name: &&str| {
            // SAFETY: these are NVIDIA's own libraries.
            let library = unsafe { library::open(name) }?;
            // SAFETY: as above, and it stays open.
            unsafe { Self::of(&library) }.ok()
        };
        COMPILER.iter().find_map(open).ok_or_else(|| Error::CompilerNotFound { looked_for: COMPILER.join(", ") })
    }

    fn check(&self, result: nvrtcResult) -> Result<(), Error> {
        if result == SUCCESS {
            return Ok(());
        }
        // SAFETY: takes any number, and gives a text that stays.
        let text = unsafe { CStr::from_ptr((self.nvrtcGetErrorString)(result)) };
        Err(Error::Compiler { log: text.to_string_lossy().into_owned() })
    }

    /// The machine code of a source.
    pub(crate) fn compile(&self, source: &CStr, options: &[CString]) -> Result<Vec<u8>, Error> {
        let mut program = std::ptr::null_mut();
        // SAFETY: the texts end with a byte of 0, and there are no headers.
        self.check(unsafe {
            (self.nvrtcCreateProgram)(&mut program, source.as_ptr(), c"df11.cu".as_ptr(), 0, null(), null())
        })?;
        let code = self.code(program, options);
        // SAFETY: made above, and used no more. A failure leaves nothing to do.
        let _ = unsafe { (self.nvrtcDestroyProgram)(&mut program) };
        code
    }

    fn code(&self, program: nvrtcProgram, options: &[CString]) -> Result<Vec<u8>, Error> {
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program was made, the options are texts that live.
        let compiled =
            self.check(unsafe { (self.nvrtcCompileProgram)(program, options.len() as c_int, options.as_ptr()) });
        if let Err(Error::Compiler { log: result }) = compiled {
            let log = self.fetch(program, self.nvrtcGetProgramLogSize, self.nvrtcGetProgramLog)?;
            let log = log.split(|&byte| byte == 0).next().unwrap_or_default();
            return Err(Error::Compiler { log: format!("{result}: {}", String::from_utf8_lossy(log)) });
        }
        self.fetch(program, self.nvrtcGetCUBINSize, self.nvrtcGetCUBIN)
    }

    fn fetch(
        &self,
        program: nvrtcProgram,
        size: unsafe extern "C" fn(nvrtcProgram, *mut usize) -> nvrtcResult,
        get: unsafe extern "C" fn(nvrtcProgram, *mut c_char) -> nvrtcResult,
    ) -> Result<Vec<u8>, Error> {
        let mut bytes = 0;
        // SAFETY: the program was made and compiled.
        self.check(unsafe { size(program, &mut bytes) })?;
        let mut fetched = vec![0u8; bytes];
        // SAFETY: as many bytes as were asked for.
        self.check(unsafe { get(program, fetched.as_mut_ptr().cast()) })?;
        Ok(fetched)
    }
}
