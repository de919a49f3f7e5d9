//! GPUs as backends. The driver is our own, with a device played on the processor: what runs here is emulated.

use std::path::Path;

use crate::support::models::assert_same_tree;
use crate::support::vectors;
use crate::{Place, Run, df11, ended, miniature, program, text};

/// The program with a played driver where it looks for the real one first; `None`, said aloud, where there is none to play.
fn on_cuda<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Option<Run> {
    let Some(driver) = df11_gpu_shim::FAKE_CUDA else {
        println!("skipped: cuda on the processor (no C++ compiler, or not Linux)");
        return None;
    };
    let folder = Path::new(driver).parent().expect("a file is in a folder");
    let run = program().args(arguments).env("LD_LIBRARY_PATH", folder).output();
    Some(ended(run.expect("the program starts")))
}

#[test]
fn cuda_is_listed_and_never_chosen_unasked() {
    let Some(run) = on_cuda(["backends"]) else { return };
    let listed = run.fine().stdout;
    assert!(listed.lines().any(|line| line == "cuda      available"), "{listed}");
    let run = df11(["backends"]).fine();
    let cuda = run.stdout.lines().find(|line| line.starts_with("cuda")).expect("it is in this build");
    assert!(cuda.ends_with("  available") || cuda.ends_with("  unavailable: libcuda.so.1 not found"), "{cuda}");
}

#[test]
fn a_model_comes_back_by_cuda() {
    let place = Place::new();
    let (source, coded, back) = (place.at("tiny"), place.at("tiny-DF11"), place.at("back"));
    miniature::write_directory(&source);
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    let Some(run) = on_cuda(["decompress", text(&coded), "-o", text(&back), "--backend", "cuda"]) else { return };
    run.fine();
    assert_same_tree(&source, &back);
}

#[test]
fn what_cuda_cannot_do_is_said() {
    let file = vectors("official/llama-single-file/df11");
    let Some(run) = on_cuda(["bench", text(&file), "--backend", "cuda"]) else { return };
    run.fails(2, &["backend `cuda`", "levels of this processor"]);
}
