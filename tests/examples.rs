//! The examples run, on the bundled sample and on a published model. `cargo test` builds them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs an example and returns what it prints.
fn run(name: &str, arguments: &[&str]) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_df11")).parent().expect("a folder of programs");
    let path = programs.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is not there: `cargo build --examples` first", path.display());
    let output = Command::new(path).args(arguments).output().expect("it starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn vectors(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", name].iter().collect()
}

#[test]
fn one_matrix_is_decoded() {
    let model = vectors("official/llama-sharded/df11");
    let model = model.to_str().expect("a path of text");
    let coded = run("decode_one_matrix", &[model, "model.layers.0.self_attn.k_proj.weight"]);
    let source = run("decode_one_matrix", &[&model.replace("df11", "bf16"), "model.layers.0.self_attn.k_proj.weight"]);
    assert_eq!(coded, source);
    assert!(coded.starts_with("model.layers.0.self_attn.k_proj.weight Some(["), "{coded}");
}

#[test]
fn a_model_is_streamed_from_disk() {
    let printed = run("stream_from_disk", &[vectors("official/llama-sharded/df11").to_str().expect("a path of text")]);
    assert!(printed.contains("model.layers.0: ") && printed.contains("GB of BF16"), "{printed}");
}
