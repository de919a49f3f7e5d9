//! NVRTC, looked up when it is wanted. The binding of `cudarc` knows no library later than that of
//! CUDA 12, and panics where it finds none. Signatures are those of `nvrtc.h`, the same from CUDA
//! 12.0 to 13.

use df11_gpu::{Compiler, CompilerNames, Error};

use crate::library::Library;
use crate::names::WORDS;

/// The older first: what it makes, the drivers of both take.
const COMPILER: &[&str] = if cfg!(windows) {
    &["nvrtc64_120_0.dll", "nvrtc64_130_0.dll"]
} else {
    &["libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so"]
};

const NAMES: CompilerNames = CompilerNames {
    error_text: "nvrtcGetErrorString",
    create: "nvrtcCreateProgram",
    compile: "nvrtcCompileProgram",
    log_size: "nvrtcGetProgramLogSize",
    log: "nvrtcGetProgramLog",
    code_size: "nvrtcGetCUBINSize",
    code: "nvrtcGetCUBIN",
    destroy: "nvrtcDestroyProgram",
};

/// The first that is there.
pub(crate) fn compiler() -> Result<Compiler, Error> {
    let open = |name: &&str| {
        // SAFETY: these are NVIDIA's own libraries.
        let library = unsafe { Library::open(name) }?;
        // SAFETY: as above, and it stays open.
        unsafe { Compiler::of(&|name| library.find(name), &NAMES) }.ok()
    };
    COMPILER
        .iter()
        .find_map(open)
        .ok_or_else(|| Error::CompilerNotFound { words: WORDS, looked_for: COMPILER.join(", ") })
}
