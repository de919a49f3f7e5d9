//! hiprtc. Signatures are those of `hiprtc.h`, the same from ROCm 5.0 to 7.

use df11_gpu::{Compiler, CompilerNames, Error};
use df11_kernels::HIP;

use crate::library::{first, listed};
use crate::names::WORDS;

/// The runtime first, of whose version the compiler in it is; later ones have none in it.
const COMPILER: &[&str] =
    &["libamdhip64.so", "libhiprtc.so", "libhiprtc.so.7", "libhiprtc.so.6", "libamdhip64.so.6", "libamdhip64.so.5"];

const NAMES: CompilerNames = CompilerNames {
    error_text: "hiprtcGetErrorString",
    create: "hiprtcCreateProgram",
    compile: "hiprtcCompileProgram",
    log_size: "hiprtcGetProgramLogSize",
    log: "hiprtcGetProgramLog",
    code_size: "hiprtcGetCodeSize",
    code: "hiprtcGetCode",
    destroy: "hiprtcDestroyProgram",
};

/// The code object for an instruction set with wavefronts of this width.
pub(crate) fn code_for(target: &str, wavefront: u32) -> Result<Vec<u8>, Error> {
    // SAFETY: libraries of AMD's names, which stay open.
    let compiler = first(COMPILER, |find| unsafe { Compiler::of(find, &NAMES) })
        .map_err(|_| Error::CompilerNotFound { words: WORDS, looked_for: listed(COMPILER) })?;
    let options = [
        format!("--offload-arch={target}"),
        format!("-DDF11_WARP={wavefront}"),
        "-O3".to_owned(),
        "-std=c++17".to_owned(),
    ];
    compiler.compile(HIP, c"df11.hip", &options)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The compiler of a ROCm that is installed needs no device.
    #[test]
    fn the_source_compiles_at_run_time() {
        for (target, wavefront) in [("gfx90a", 64), ("gfx1030", 32)] {
            match code_for(target, wavefront) {
                Err(Error::CompilerNotFound { .. }) => {
                    return println!("skipped: kernels compiled at run time (no hiprtc)");
                }
                code => {
                    let code = code.expect("our source");
                    let named = code.windows(11).any(|name| name == b"df11_decode");
                    assert!(code.starts_with(b"\x7FELF") && named, "{target}");
                }
            }
        }
    }
}
