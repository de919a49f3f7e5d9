//! The compiler at run time, NVRTC or hiprtc: the same functions under other names.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use crate::driver::Driver;
use crate::error::Error;
use crate::find::first;
use crate::functions::{CompilerFunctions, text_of};

type Program = *mut c_void;

/// A compiler at run time.
#[derive(Debug)]
pub struct Compiler(CompilerFunctions);

impl Compiler {
    /// The first compiler that there is.
    ///
    /// # Errors
    /// `CompilerNotFound`.
    pub fn find<D: Driver>() -> Result<Self, Error> {
        // SAFETY: `Driver` promises libraries and types.
        unsafe {
            first(D::paths(D::COMPILERS), &|find| CompilerFunctions::of(find, &D::COMPILER_NAMES).map(Self))
                .map_err(|_| Error::CompilerNotFound { words: D::WORDS, looked_for: D::listed(D::COMPILERS) })
        }
    }

    fn check(&self, number: c_int) -> Result<(), Error> {
        if number == 0 {
            return Ok(());
        }
        // SAFETY: takes any number, and gives a text that stays, or null.
        let text = unsafe { text_of((self.0.error_text)(number)) };
        Err(Error::Compiler { log: text.unwrap_or_else(|| number.to_string()) })
    }

    /// The machine code of a source, and what messages call it.
    ///
    /// # Errors
    /// `Compiler`.
    pub fn compile(&self, (source, name): (&str, &CStr), options: &[String]) -> Result<Vec<u8>, Error> {
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
