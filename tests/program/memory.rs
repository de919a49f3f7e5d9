//! `--memory`: a job that would need more is refused before it begins, and an accepted one needs no
//! more.

use std::fs;
use std::path::PathBuf;

use crate::support::models::{Contents, Tensor, weights};
use crate::{Place, df11, ended, shell, text};

/// A unit of 128 MiB with small ones, so that other memory does not hide its cost.
const SHAPES: &str = r#"{"tensors": [["large.weight", "BF16", [8192, 8192]], ["small.weight", "BF16", [256, 256]], ["norm.weight", "BF16", [8192]]]}"#;

/// The bytes that a refusal says are needed.
fn needed(stderr: &str) -> u64 {
    let (_, rest) = stderr.split_once("needs ").expect("a need");
    rest.split(' ').next().and_then(|bytes| bytes.parse().ok()).expect("bytes")
}

#[test]
fn what_is_let_in_runs_where_the_system_gives_no_more_than_was_allowed() {
    let place = Place::new();
    let [shapes, source, coded, back] = ["shapes.json", "source", "coded", "back"].map(|name| place.at(name));
    fs::write(&shapes, SHAPES).expect("written");
    df11(["synth", text(&shapes), "-o", text(&source)]).fine();
    let jobs = [("compress", &source, Some(&coded)), ("decompress", &coded, Some(&back)), ("verify", &coded, None)];
    for (verb, input, output) in jobs {
        let mut arguments = vec![verb, text(input), "-T", "2"];
        arguments.extend(output.into_iter().flat_map(|output| ["-o", text(output)]));
        let refusal = df11(arguments.iter().chain(&["--memory", "64MiB"])).fails(2, &["large", "67108864", "--memory"]);
        assert!(output.is_none_or(|output| !output.exists()));
        let need = needed(&refusal.stderr);
        let (just_below, just_enough) = ((need - 1).to_string(), need.to_string());
        df11(arguments.iter().chain(&["-M", &just_below])).fails(2, &["large"]);
        // The system also counts stacks and heaps that are never touched, so this is stricter than
        // resident memory.
        let limited = format!(r#"ulimit -d {}; exec "$0" "$@""#, need / 1024);
        arguments.extend(["-M", &just_enough]);
        ended(shell(&limited, &arguments)).fine();
    }
    crate::support::models::assert_same_tree(&source, &back);
}

/// Models with more header than weights: many tensors, many units, long names, long shapes, much
/// metadata.
fn header_heavy(place: &Place) -> Vec<PathBuf> {
    let few = |name: String| weights(&name, &[2, 4], 1);
    let unit = |name: String| weights(&name, &[64, 64], 2);
    let long = "a".repeat(30_000);
    let ones = [vec![1; 20_000], vec![4]].concat();
    let models = [
        ("tensors", (0..10_000).map(|i| few(format!("t{i}"))).collect::<Vec<_>>(), 0),
        ("units", (0..500).map(|i| unit(format!("model.layers.{i}.weight"))).collect(), 0),
        ("names", (0..100).map(|i| few(format!("{i}.{long}"))).collect(), 0),
        ("units-of-long-names", (0..60).map(|i| unit(format!("{long}.{i}.weight"))).collect(), 0),
        ("shapes", (0..30).map(|i| weights(&format!("t{i}"), &ones, 3)).collect(), 0),
        ("metadata", vec![few("t".into())], 40_000),
    ];
    let write = |(name, tensors, metadata): (&str, Vec<Tensor>, usize)| {
        let mut contents = Contents { tensors, ..Contents::default() };
        contents.metadata.extend((0..metadata).map(|i| (i.to_string(), "".into())));
        let folder = place.at(name);
        fs::create_dir(&folder).expect("created");
        contents.write(&folder.join("model.safetensors"), 0);
        folder
    };
    models.into_iter().map(write).collect()
}

#[test]
fn headers_are_counted_too() {
    let place = Place::new();
    for folder in header_heavy(&place) {
        for source in [folder.join("model.safetensors"), folder.clone()] {
            let (coded, back) = (place.at("coded"), place.at("back"));
            let jobs =
                [("compress", &source, Some(&coded)), ("decompress", &coded, Some(&back)), ("verify", &coded, None)];
            for (verb, input, output) in jobs {
                let mut arguments = vec![verb, text(input), "-T", "2"];
                arguments.extend(output.into_iter().flat_map(|output| ["-o", text(output)]));
                let refusal = df11(arguments.iter().chain(&["-M", "64MiB"])).fails(2, &["headers", "--memory"]);
                assert!(!refusal.stderr.contains("unit ``"), "{}", refusal.stderr);
                let need = needed(&refusal.stderr);
                let enough = need.to_string();
                // Resident memory, and memory that is mapped but never touched.
                let limited = format!(r#"ulimit -d {}; exec "$0" "$@""#, need / 1024);
                arguments.extend(["-M", &enough]);
                println!("{verb} {}: {need}", source.display());
                ended(shell(&limited, &arguments)).fine();
            }
            for output in [coded, back] {
                if output.is_dir() { fs::remove_dir_all(output) } else { fs::remove_file(output) }.expect("removed");
            }
        }
    }
}

#[test]
fn sizes_are_read_in_powers_of_1000_and_of_1024() {
    let place = Place::new();
    let source = place.at("m.safetensors");
    crate::miniature::write_file(&source);
    for (size, bytes) in [("1000", "1000"), ("2k", "2000"), ("1M", "1000000"), ("1MiB", "1048576"), ("1.5 KiB", "1536")]
    {
        df11(["compress", text(&source), "-o", text(&place.at("out")), "-M", size])
            .fails(2, &[&format!("the {bytes} allowed")]);
    }
    df11(["compress", text(&source), "-o", text(&place.at("out")), "-M", "4G"]).fine();
    for size in ["four", "-1", "4X", ""] {
        let run = df11(["compress", text(&source), "-o", text(&place.at("no")), &format!("--memory={size}")]);
        assert_eq!(run.code, 2, "{size}");
    }
}
