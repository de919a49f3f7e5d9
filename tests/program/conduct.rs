//! Streams, exit codes, existing outputs, readers that leave, disks that fill up.

use std::fs;
use std::process::Stdio;

use crate::support::models::{Contents, assert_same_tree, llama, tree};
use crate::support::vectors;
use crate::{Place, df11, ended, miniature, program, text};

#[test]
fn wrong_usage_is_told_on_stderr() {
    let cases: [&[&str]; 9] = [
        &[],
        &["squeeze"],
        &["compress"],
        &["compress", "in.safetensors"],
        &["compress", "a", "b", "-o", "c"],
        &["verify", "in", "--threads", "many"],
        &["compress", "in", "-o", "out", "-T", "100000000"],
        &["backends", "--quiet", "--verbose"],
        &["completions", "abacus"],
    ];
    for arguments in cases {
        let run = df11(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(run.stderr.contains("Usage") || run.stderr.contains("--help"), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn a_missing_input_is_named() {
    let place = Place::new();
    let (input, output) = (place.at("absent.safetensors"), place.at("out"));
    for arguments in [
        vec!["compress", text(&input), "-o", text(&output)],
        vec!["decompress", text(&input), "-o", text(&output)],
        vec!["verify", text(&input)],
        vec!["inspect", text(&input)],
        vec!["bench", text(&input)],
    ] {
        df11(arguments).fails(2, &[text(&input)]);
    }
    let source = vectors("minilm-sample");
    df11(["compress", text(&source), "-o", text(&output), "--pattern-dict", text(&input)]).fails(2, &[text(&input)]);
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn an_existing_output_is_replaced_only_by_force() {
    let place = Place::new();
    let (source, coded, back) = (place.at("a.safetensors"), place.at("b.safetensors"), place.at("c.safetensors"));
    miniature::write_file(&source);
    fs::write(&coded, "precious").expect("written");
    let compress = ["compress", text(&source), "-o", text(&coded)];
    df11(compress).fails(2, &[text(&coded), "--force"]);
    assert_eq!(fs::read(&coded).expect("read"), b"precious");
    df11(compress.iter().chain(&["--force"])).fine();
    assert!(fs::metadata(&coded).expect("written").len() > 1000);

    fs::write(&back, "precious").expect("written");
    let decompress = ["decompress", text(&coded), "-o", text(&back)];
    df11(decompress).fails(2, &[text(&back), "--force"]);
    assert_eq!(fs::read(&back).expect("read"), b"precious");
    df11(decompress.iter().chain(&["-f"])).fine();
    assert!(fs::read(&back).expect("read") == fs::read(&source).expect("read"));
    assert_eq!(place.names(), ["a.safetensors", "b.safetensors", "c.safetensors"]);
}

#[test]
fn an_existing_directory_is_replaced_only_by_force_and_only_if_it_is_a_model() {
    let place = Place::new();
    let (source, coded) = (place.at("tiny"), place.at("coded"));
    miniature::write_directory(&source);
    let compress = ["compress", text(&source), "-o", text(&coded)];
    df11(compress).fine();
    let first = tree(&coded);
    df11(compress).fails(2, &[text(&coded), "--force"]);
    fs::copy(coded.join("lm_head.safetensors"), coded.join("left-over.safetensors")).expect("copied");
    df11(compress.iter().chain(&["--force"])).fine();
    assert!(first == tree(&coded));

    let papers = place.at("papers");
    fs::create_dir(&papers).expect("created");
    fs::write(papers.join("thesis.tex"), "precious").expect("written");
    df11(["compress", text(&source), "-o", text(&papers), "--force"]).fails(2, &[text(&papers)]);
    assert_eq!(tree(&papers).len(), 1);
    df11(["compress", text(&source), "-o", text(&source), "--force"]).fails(2, &[text(&source)]);
}

#[test]
fn results_go_to_stdout_and_quiet_silences_them() {
    let place = Place::new();
    let (source, coded) = (place.at("a.safetensors"), place.at("b.safetensors"));
    miniature::write_file(&source);
    let run = df11(["compress", text(&source), "-o", text(&coded), "--quiet"]).fine();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = df11(["verify", text(&coded), "-q"]).fine();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = df11(["inspect", text(&coded), "-q"]).fine();
    assert!(run.stdout.contains("lm_head") && run.stderr.is_empty());

    let run = df11(["verify", text(&coded), "--verbose"]).fine();
    assert!(run.stderr.contains("model.layers.1") && run.stdout.starts_with(text(&coded)), "{}", run.stderr);
    assert!(!run.stderr.contains(['\r', '\x1b']), "no terminal, no bar: {:?}", run.stderr);
}

#[test]
fn verify_tells_its_findings_as_json() {
    let place = Place::new();
    let (source, coded) = (place.at("a.safetensors"), place.at("b.safetensors"));
    miniature::write_file(&source);
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    let tensors = llama().len();
    let found = df11(["verify", text(&coded), "--against", text(&source), "--json"]).fine().json();
    assert_eq!(found["units"], 4);
    assert_eq!((&found["checksums"], &found["compared"]), (&tensors.into(), &tensors.into()));
    assert_eq!(found["failures"], serde_json::json!([]));

    let other = place.at("other.safetensors");
    let mut changed = Contents::read(&source);
    changed.tensor("lm_head.weight").bytes[777] ^= 1;
    changed.write(&other, 0);
    let run = df11(["verify", text(&coded), "--against", text(&other), "--json"]);
    let run = run.fails(1, &["lm_head.weight", text(&other)]);
    assert_eq!(run.json()["failures"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let source = vectors("minilm-sample");
    for arguments in [
        vec!["inspect", text(&source)],
        vec!["inspect", text(&source), "--json"],
        vec!["completions", "bash"],
        vec!["backends"],
        vec!["--help"],
    ] {
        let mut child = program()
            .args(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let run = ended(child.wait_with_output().expect("the program ends"));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_written_is_a_failure() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let run = program().args(["backends"]).stdout(full).output().expect("the program starts");
    ended(run).fails(2, &["stdout"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_summary_that_cannot_be_written_says_that_the_output_is_complete() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let place = Place::new();
    let [source, coded, back, shapes, made] = ["a.safetensors", "b", "c", "s.json", "d"].map(|name| place.at(name));
    miniature::write_file(&source);
    fs::write(&shapes, r#"{"tensors": [["a", "BF16", [4]]]}"#).expect("written");
    for (verb, input, output) in
        [("compress", &source, &coded), ("decompress", &coded, &back), ("synth", &shapes, &made)]
    {
        let run = program().args([verb, text(input), "-o", text(output)]).stdout(full()).output();
        let run = ended(run.expect("the program starts")).fails(2, &["stdout", text(output), "is complete"]);
        assert_eq!(run.stderr.lines().filter(|line| line.starts_with("error:")).count(), 1, "{}", run.stderr);
        assert!(output.exists());
    }
    assert!(fs::read(&source).expect("read") == fs::read(&back).expect("read"));
    for arguments in [
        &["verify", text(&coded)][..],
        &["inspect", text(&coded)],
        &["estimate", text(&source), "--json"],
        &["--version"],
    ] {
        let run = program().args(arguments).stdout(full()).output().expect("the program starts");
        let run = ended(run).fails(2, &["stdout"]);
        assert!(!run.stderr.contains("complete"), "{}", run.stderr);
    }
}

#[test]
#[cfg(unix)]
fn a_link_where_the_output_goes_is_never_followed() {
    let place = Place::new();
    let (source, precious) = (place.at("a.safetensors"), place.at("precious"));
    miniature::write_file(&source);
    fs::write(&precious, "precious").expect("written");
    for (output, link) in [("x", "x"), ("y", "y.partial")] {
        let output = place.at(output);
        std::os::unix::fs::symlink(&precious, place.at(link)).expect("linked");
        let compress = ["compress", text(&source), "-o", text(&output)];
        df11(compress).fails(2, &[link]);
        df11(compress.iter().chain(&["--force"])).fails(2, &[link]);
        assert!(place.at(link).is_symlink());
        assert_eq!(fs::read(&precious).expect("read"), b"precious", "{link}");
    }
}

#[test]
fn a_model_read_through_links_is_left_alone() {
    let place = Place::new();
    let (blobs, snapshot, coded, back) = (place.at("blobs"), place.at("snapshot"), place.at("coded"), place.at("back"));
    miniature::write_directory(&blobs);
    fs::create_dir(&snapshot).expect("created");
    for name in tree(&blobs).keys() {
        #[cfg(unix)]
        std::os::unix::fs::symlink(blobs.join(name), snapshot.join(name)).expect("linked");
        #[cfg(not(unix))]
        fs::copy(blobs.join(name), snapshot.join(name)).expect("copied");
    }
    df11(["compress", text(&snapshot), "-o", text(&coded)]).fine();
    df11(["decompress", text(&coded), "-o", text(&back)]).fine();
    assert_same_tree(&blobs, &back);
    assert_same_tree(&blobs, &snapshot);
    assert!(tree(&coded).keys().all(|name| !coded.join(name).is_symlink()));
}
