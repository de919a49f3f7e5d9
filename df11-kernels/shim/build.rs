//! Builds the machine and the kernels with the C++ compiler found. If there is no compiler, or
//! fibers have no code for the target, the crate is empty and its tests say that they are skipped.

use std::env;

/// Compiles without the sanitizer that Rust may use. This compiler has another one, and a library
/// loaded at run time would bring it a second time.
fn cpp() -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").opt_level(2).flag("-fno-sanitize=all");
    build
}

/// Links a front, the machine and the kernels into a driver library of this name. The library has
/// its own folder, because cargo puts the other folder on the search path of programs.
fn fake(name: &str, front: &str) -> Option<String> {
    let folder = env::var("OUT_DIR").ok()?;
    let path = format!("{folder}/fake/{name}");
    std::fs::create_dir_all(format!("{folder}/fake")).ok()?;
    let compiler = cpp().pic(true).try_get_compiler().ok()?;
    let mut command = compiler.to_command();
    command.args(["-shared", "-pthread", &format!("-Wl,-soname,{name}"), "-Wl,-z,defs", "-o", &path, front]);
    let kernels = ["-ldf11_kernels_32", "-ldf11_kernels_hip_32", "-ldf11_kernels_hip_64"];
    command.arg(format!("-L{folder}")).args(kernels).arg("-ldf11_machine");
    command.status().is_ok_and(|status| status.success()).then_some(path)
}

fn main() {
    println!("cargo::rustc-check-cfg=cfg(df11_no_machine)");
    for folder in ["cpp", "../src"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let fits = target("FAMILY") == "unix" && target("POINTER_WIDTH") == "64" && target("ENDIAN") == "little";
    let build = |name: &str, file: &str, definitions: &[(&str, &str)]| {
        let mut build = cpp();
        build.file(file).warnings(true).flag("-Wno-unknown-pragmas").flag("-Wno-unused-function");
        for &(name, value) in definitions {
            build.define(name, value);
        }
        if definitions.iter().any(|&(name, _)| name == "DF11_HIP") {
            // The file reads memory both as bytes and as words. Only GPU compilers read its
            // permission for that.
            build.flag("-fno-strict-aliasing").flag("-Wno-attributes");
        }
        build.try_compile(name)
    };
    let kernels = |width: &str| {
        let (host, hip) = (format!("df11_kernels_{width}"), format!("df11_kernels_hip_{width}"));
        build(&host, "cpp/kernels.cpp", &[("DF11_WARP", width)]).is_ok()
            && build(&hip, "cpp/kernels.cpp", &[("DF11_WARP", width), ("DF11_HIP", "1")]).is_ok()
    };
    let built = fits
        && kernels("32")
        && kernels("64")
        && build("df11_machine", "cpp/machine.cpp", &[]).is_ok()
        && build("df11_machine_api", "cpp/api.cpp", &[]).is_ok()
        && build("df11_machine_faults", "cpp/faults.cpp", &[]).is_ok()
        && build("df11_machine_patterns", "cpp/patterns.cpp", &[]).is_ok();
    if built && target("OS") == "linux" {
        for (variable, name, front) in [
            ("DF11_FAKE_CUDA", "libcuda.so.1", "cpp/fake_cuda.cpp"),
            ("DF11_FAKE_NVRTC", "libnvrtc.so.13", "cpp/fake_nvrtc.cpp"),
            ("DF11_FAKE_HIP", "libamdhip64.so", "cpp/fake_hip.cpp"),
        ] {
            if let Some(path) = fake(name, front) {
                println!("cargo::rustc-env={variable}={path}");
            }
        }
    }
    if !built {
        println!("cargo::rustc-cfg=df11_no_machine");
    }
}
