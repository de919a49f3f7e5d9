//! GPUs as backends. The drivers are our own, with devices played on the processor: everything here
//! is emulated.

use std::path::Path;

use crate::support::models::assert_same_tree;
use crate::support::vectors;
use crate::{Place, Run, df11, ended, miniature, program, text};

/// The vendors' backends, and the libraries that play their drivers.
const PLAYED: [(&str, Option<&str>); 2] = [("cuda", df11_gpu_shim::FAKE_CUDA), ("hip", df11_gpu_shim::FAKE_HIP)];

/// Runs the program with the played drivers where it first looks for the real ones.
fn with_devices<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Run {
    let folders = PLAYED.iter().filter_map(|(_, driver)| Path::new((*driver)?).parent());
    let path = std::env::join_paths(folders).expect("folders of our own");
    let run = program().args(arguments).env("LD_LIBRARY_PATH", path).env_remove("ROCM_PATH").output();
    ended(run.expect("the program starts"))
}

/// The backends whose devices can be played here. Prints the others.
fn devices() -> Vec<&'static str> {
    let (there, missing): (Vec<_>, Vec<_>) = PLAYED.into_iter().partition(|(_, driver)| driver.is_some());
    for (name, _) in missing {
        println!("skipped: {name} on the processor (no C++ compiler, or not Linux)");
    }
    there.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn devices_are_listed_and_never_chosen_unasked() {
    let listed = with_devices(["backends"]).fine().stdout;
    for name in devices() {
        assert!(listed.lines().any(|line| line == format!("{name:8}  available")), "{listed}");
    }
    assert!(listed.lines().any(|line| line.ends_with("available, the best here")), "{listed}");
}

#[test]
fn a_library_that_is_not_there_is_named() {
    let listed = df11(["backends"]).fine().stdout;
    for (name, library) in [("cuda", "libcuda.so.1"), ("hip", "libamdhip64.so")] {
        let line = listed.lines().find(|line| line.starts_with(name)).expect("it is in this build");
        let not_there = line.contains("  unavailable: ") && line.contains(library) && line.ends_with(" not found");
        // With the library but no device, the message comes from the library.
        let (no_device, there) = (line.contains("Init failed: "), line.ends_with("  available"));
        assert!(not_there || no_device || there, "{line}");
    }
}

#[test]
fn a_model_comes_back_by_every_device() {
    let place = Place::new();
    let (source, coded) = (place.at("tiny"), place.at("tiny-DF11"));
    miniature::write_directory(&source);
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    for name in devices() {
        let back = place.at(name);
        with_devices(["decompress", text(&coded), "-o", text(&back), "--backend", name]).fine();
        assert_same_tree(&source, &back);
    }
}

#[test]
fn what_a_device_cannot_do_is_said() {
    let file = vectors("official/llama-single-file/df11");
    for name in devices() {
        let run = with_devices(["bench", text(&file), "--backend", name]);
        run.fails(2, &[&format!("backend `{name}`"), "levels of this processor"]);
    }
}
