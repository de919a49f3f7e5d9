//! The compiler at run time, NVRTC or hiprtc: the same functions under other names.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use crate::error::Error;
use crate::functions::{Find, text_of};

type Program = *mut c_void;

crate::functions! {
    /// Those of a compiler. What the source is called in its messages is not theirs to choose.
    pub Functions, CompilerNames {
        error_text(number: c_int) -> *const c_char;
        create(
            program: *mut Program, source: *const c_char, name: *const c_char, header_count: c_int,
            headers: *const *const c_char, header_names: *const *const c_char
        ) -> c_int;
        compile(program: Program, option_count: c_int, options: *const *const c_char) -> c_int;
        log_size(program: Program, bytes: *mut usize) -> c_int;
        log(program: Program, log: *mut c_char) -> c_int;
        code_size(program: Program, bytes: *mut usize) -> c_int;
        code(program: Program, code: *mut c_char) -> c_int;
        destroy(program: *mut Program) -> c_int;
    }
}

/// A compiler at run time.
#[derive(Debug)]
pub struct Compiler(Functions);

impl Compiler {
    /// The compiler in which `find` looks; else the name of the first function that it lacks.
    ///
    /// # Errors
    /// That name.
    ///
    /// # Safety
    /// `find` looks in a library that is never closed, and that has under these names functions as
    /// `nvrtc.h` and `hiprtc.h` declare them.
    pub unsafe fn of(find: Find<'_>, names: &CompilerNames) -> Result<Self, &'static str> {
        // SAFETY: the caller's.
        unsafe { Functions::of(find, names) }.map(Self)
    }

    fn check(&self, number: c_int) -> Result<(), Error> {
        if number == 0 {
            return Ok(());
        }
        // SAFETY: takes any number, and gives a text that stays, or null.
        let text = unsafe { text_of((self.0.error_text)(number)) };
        Err(Error::Compiler { log: text.unwrap_or_else(|| number.to_string()) })
    }

    /// The machine code of a source, which messages call `name`.
    ///
    /// # Errors
    /// `Compiler`.
    pub fn compile(&self, source: &str, name: &CStr, options: &[String]) -> Result<Vec<u8>, Error> {
        let source = c_text(source);
        let mut program = null_mut();
        // SAFETY: the texts end with a byte of 0, and there are no headers.
        self.check(unsafe { (self.0.create)(&mut program, source.as_ptr(), name.as_ptr(), 0, null(), null()) })?;
        let code = self.code(program, options);
        // SAFETY: made above, and used no more. A failure leaves nothing to do.
        let _ = unsafe { (self.0.destroy)(&mut program) };
        code
    }

    fn code(&self, program: Program, options: &[String]) -> Result<Vec<u8>, Error> {
        let options: Vec<CString> = options.iter().map(|option| c_text(option)).collect();
        let texts: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program was made, the options are texts that live.
        let compiled = self.check(unsafe { (self.0.compile)(program, texts.len() as c_int, texts.as_ptr()) });
        if let Err(Error::Compiler { log: result }) = compiled {
            let log = self.fetch(program, self.0.log_size, self.0.log)?;
            let log = log.split(|&byte| byte == 0).next().unwrap_or_default();
            return Err(Error::Compiler { log: format!("{result}: {}", String::from_utf8_lossy(log)) });
        }
        self.fetch(program, self.0.code_size, self.0.code)
    }

    fn fetch(
        &self,
        program: Program,
        size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
        get: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
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

/// Proof of the default: none of the texts given here has a byte of 0.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}
