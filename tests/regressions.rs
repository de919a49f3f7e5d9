//! What once broke stays fixed: every input that a fuzzer found goes through the target that it
//! broke. Hundreds of random inputs run too, so that targets do not rot where no fuzzer runs.

#[path = "../fuzz/src/files.rs"]
mod files;
mod support;
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

use std::path::PathBuf;
use support::random::Random;

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "regressions", target].iter().collect()
}

fn every_target() -> impl Iterator<Item = targets::Target> {
    targets::ALL.into_iter().chain(files::ALL)
}

#[test]
fn every_input_that_ever_failed_passes() {
    for (name, target) in every_target() {
        let Ok(inputs) = std::fs::read_dir(folder(name)) else { continue };
        for input in inputs {
            let path = input.expect("a folder can be listed").path();
            println!("{}", path.display());
            target(&std::fs::read(path).expect("an input can be read"));
        }
    }
}

#[test]
fn inputs_of_no_plan_pass() {
    for (name, target) in every_target() {
        let mut random = Random::new(11);
        for length in 0..100 {
            println!("{name}, {length}");
            let input: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            target(&input);
        }
    }
}
