//! What `--json` prints: one object on stdout, with a version.

use serde_json::Value;

use crate::makers::{Files, beside, fused, llama};
use crate::support::models::weights;
use crate::{Place, df11, text};

/// The fields of an object, in order.
fn fields(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn files() -> Files {
    let mtp = [weights("mtp.norm.weight", &[64], 502)];
    let files = beside().with_weights("model.safetensors", &llama()).with_weights("mtp.safetensors", &mtp);
    files.with_weights("consolidated.safetensors", &llama())
}

#[test]
fn each_verb_prints_one_object_with_its_version() {
    let place = Place::new();
    let source = place.source(&files());
    let (coded, back) = (place.at("coded"), place.at("back"));
    let print = |arguments: &[&str]| {
        let found = df11(arguments.iter().chain(&["--json"])).ends(0, &[]).json();
        assert_eq!(found["version"], 1);
        found
    };
    let found = print(&["compress", "--dry-run", text(&source)]);
    assert_eq!(found["verb"], "compress --dry-run");
    assert_eq!(found["left_out"][0]["file"], "consolidated.safetensors");
    assert_eq!(found["units"].as_array().map(Vec::len), Some(5));

    let found = print(&["compress", text(&source), "-o", text(&coded)]);
    let expected = [
        "version",
        "verb",
        "output",
        "units",
        "extension_units",
        "kept_raw",
        "model_files",
        "verified",
        "source_bytes",
        "output_bytes",
        "files",
        "copied_beside",
        "left_out",
        "notes",
    ];
    assert_eq!(fields(&found), expected);
    assert_eq!((&found["units"], &found["verified"]), (&5.into(), &true.into()));
    assert_eq!(found["left_out"][0]["file"], "consolidated.safetensors");
    assert_eq!(found["model_files"], serde_json::json!(["model.safetensors"]));
    assert_eq!(found["copied_beside"], serde_json::json!(["mtp.safetensors"]));

    let found = print(&["verify", text(&coded)]);
    let expected = [
        "version",
        "verb",
        "completeness",
        "units",
        "weights",
        "raw_tensors",
        "checksums",
        "files",
        "compared",
        "failures",
        "copied_beside",
        "left_out",
        "notes",
    ];
    assert_eq!(fields(&found), expected);
    assert_eq!(found["completeness"], serde_json::json!({"state": "complete", "missing": []}));

    let found = print(&["decompress", text(&coded), "-o", text(&back)]);
    let expected = [
        "version",
        "verb",
        "output",
        "byte_exact",
        "checked",
        "tensors",
        "output_bytes",
        "files",
        "completeness",
        "not_restored",
        "copied_beside",
        "left_out",
        "notes",
    ];
    assert_eq!(fields(&found), expected);
    assert_eq!((&found["byte_exact"], &found["output"]), (&true.into(), &text(&back).into()));
}

#[test]
fn a_dry_run_tells_what_the_job_would() {
    let place = Place::new();
    let source = place.source(&fused());
    let foretold = df11(["compress", "--dry-run", "--json", text(&source)]).ends(0, &[]).json();
    let done = df11(["compress", "--json", text(&source), "-o", text(&place.at("coded"))]).ends(0, &[]).json();
    assert_eq!(foretold["notes"], done["notes"]);
    assert!(done["notes"].to_string().contains("stay as they are"), "{done}");
}

#[test]
fn stdout_is_no_place_for_a_model() {
    let place = Place::new();
    let source = place.source(&files());
    for verb in ["compress", "decompress", "synth"] {
        df11([verb, text(&source), "-o", "-"])
            .ends(2, &["a model is not written to stdout", "give the name of a file"]);
    }
}

#[test]
fn with_verbose_each_unit_is_printed_once() {
    let place = Place::new();
    let source = place.source(&files());
    for more in [&[][..], &["--single-file"]] {
        let (coded, back) = (place.at("coded"), place.at("back"));
        let compressed =
            df11(["compress", "-v", "-f", text(&source), "-o", text(&coded)].iter().chain(more)).ends(0, &[]);
        let restored = df11(["decompress", "-v", "-f", text(&coded), "-o", text(&back), "--partial"]).ends(0, &[]);
        let verified = df11(["verify", "-v", text(&coded)]).ends(0, &[]);
        for run in [compressed, restored, verified] {
            let lines = run.stderr.lines().filter(|line| *line == "model.layers.1").count();
            assert_eq!(lines, 1, "{}", run.stderr);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_says_that_output_is_complete() {
    let place = Place::new();
    let source = place.source(&files());
    let (coded, back) = (place.at("coded"), place.at("back"));
    for (verb, input, output) in [("compress", &source, &coded), ("decompress", &coded, &back)] {
        for json in [&[][..], &["--json"]] {
            let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
            let run = std::process::Command::new(env!("CARGO_BIN_EXE_df11"))
                .args([verb, "-f", text(input), "-o", text(output)].iter().chain(json))
                .stdout(full)
                .output()
                .expect("it starts");
            let said = String::from_utf8_lossy(&run.stderr);
            assert!(run.status.code() == Some(2) && said.contains(&format!("{} is complete", text(output))), "{said}");
        }
    }
}

#[test]
fn force_replaces_what_the_record_in_output_names() {
    let place = Place::new();
    let source = place.source(&files());
    let coded = place.at("coded");
    df11(["compress", text(&source), "-o", text(&coded)]).ends(0, &[]);
    // The sidecar is in the record of OUTPUT, and in INPUT no longer.
    std::fs::remove_file(source.join("mtp.safetensors")).expect("removed");
    std::fs::write(coded.join("mine.bin"), b"precious").expect("written");
    df11(["compress", "-f", text(&source), "-o", text(&coded)]).ends(2, &["mine.bin"]);
    std::fs::remove_file(coded.join("mine.bin")).expect("removed");
    std::fs::write(coded.join("mtp.safetensors"), b"of another size").expect("written");
    df11(["compress", "-f", text(&source), "-o", text(&coded)]).ends(2, &["mtp.safetensors"]);
    std::fs::remove_dir_all(&coded).expect("removed");
    std::fs::write(source.join("mtp.safetensors"), &files().0["mtp.safetensors"]).expect("written");
    df11(["compress", text(&source), "-o", text(&coded)]).ends(0, &[]);
    std::fs::remove_file(source.join("mtp.safetensors")).expect("removed");
    df11(["compress", "-f", text(&source), "-o", text(&coded)]).ends(0, &[]);
}
