//! What inspect, bench, backends, completions and the help print.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::models::{Contents, Tensor};
use crate::support::vectors;
use crate::{Place, df11, ended, miniature, program, text};

const LEAVES: [&str; 6] = ["encoded_exponent", "sign_mantissa", "luts", "gaps", "output_positions", "split_positions"];

#[track_caller]
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, found {value}"))
}

fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    Contents::read(path).tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect()
}

#[test]
fn inspect_gives_the_same_facts_of_a_source_and_of_what_it_became() {
    let place = Place::new();
    let (source, coded) = (place.at("a.safetensors"), place.at("b.safetensors"));
    miniature::write_file(&source);
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    let mut of_source = df11(["inspect", text(&source), "--json"]).fine().json();
    let mut of_coded = df11(["inspect", text(&coded), "--json"]).fine().json();
    assert_eq!(keys(&of_coded), ["completeness", "notes", "raw", "units"]);
    // Only the record of the coded model tells whether all is there.
    let complete = [&mut of_source, &mut of_coded].map(|report| report["completeness"].take()["state"].take());
    assert_eq!(complete, ["completeness unknown", "complete"]);
    assert_eq!(of_source, of_coded);

    let (before, after) = (tensors(&source), tensors(&coded));
    let units = of_coded["units"].as_array().expect("a list");
    assert!(units.iter().map(|unit| &unit["name"]).eq(&miniature::UNITS), "{units:?}");
    for unit in units {
        let fields = "bits_per_weight bytes entropy exponents_in_use flat longest_code name weights";
        assert_eq!(keys(unit).join(" "), fields);
        assert_eq!(keys(&unit["flat"]), ["escapes", "kept_bf16", "least_bytes"]);
        assert_eq!(keys(&unit["entropy"]), ["exponent", "mantissa", "sign"]);
        let name = unit["name"].as_str().expect("a name");
        let bytes: usize = LEAVES.iter().map(|leaf| after[&format!("{name}.{leaf}")].bytes.len()).sum();
        assert_eq!(unit["bytes"], bytes, "{name}");
        let weights = after[&format!("{name}.sign_mantissa")].bytes.len();
        assert_eq!(unit["weights"], weights, "{name}");
        let bits = number(&unit["bits_per_weight"]);
        assert!((bits - 8.0 * bytes as f64 / weights as f64).abs() < 1e-9, "{name}: {bits}");
        let [sign, exponent, mantissa] = ["sign", "exponent", "mantissa"].map(|part| number(&unit["entropy"][part]));
        assert!(sign > 0.99 && sign <= 1.0 && mantissa > 6.9 && mantissa <= 7.0, "{name}: {sign} {mantissa}");
        assert!(exponent > 2.0 && exponent < 3.0, "{name}: {exponent}");
        assert!((10..=40).contains(&unit["exponents_in_use"].as_u64().expect("a count")), "{unit}");
        assert!((4..=32).contains(&unit["longest_code"].as_u64().expect("bits")), "{unit}");
    }
    for raw in of_coded["raw"].as_array().expect("a list") {
        assert_eq!(keys(raw), ["bytes", "dtype", "name", "shape"]);
        let tensor = &before[raw["name"].as_str().expect("a name")];
        assert_eq!((&raw["dtype"], &raw["bytes"]), (&tensor.dtype.clone().into(), &tensor.bytes.len().into()));
        assert_eq!(raw["shape"], serde_json::json!(tensor.shape));
    }
}

#[test]
fn inspect_draws_a_histogram_a_person_can_read() {
    let run = df11(["inspect", text(&vectors("minilm-sample"))]).fine();
    assert!(run.stdout.contains("embeddings.position_embeddings"), "{}", run.stdout);
    assert!(run.stdout.contains("exponents of 2 units"), "{}", run.stdout);
    let bars: Vec<usize> =
        run.stdout.lines().filter(|line| line.contains("2^-")).map(|line| line.matches('#').count()).collect();
    assert!(bars.len() > 10 && bars.iter().max() == Some(&40), "{}", run.stdout);
    assert!(run.stdout.lines().all(|line| line.len() <= 120), "{}", run.stdout);
    assert!(run.stdout.contains("encoder.layer.0.output.LayerNorm.weight"), "{}", run.stdout);

    let verbose = df11(["inspect", text(&vectors("minilm-sample")), "--verbose"]).fine();
    assert!(verbose.stdout.contains("exponents of encoder.layer.0\n"), "{}", verbose.stdout);
}

#[test]
fn inspect_reads_published_files() {
    let report = df11(["inspect", text(&vectors("official/edge-long-codes/df11")), "--json"]).fine().json();
    assert_eq!(report["units"][0]["weights"], 514_228);
    assert_eq!(report["units"][0]["exponents_in_use"], 27);
    assert_eq!(report["units"][0]["longest_code"], 27);
}

#[test]
fn inspect_says_what_the_flat_form_takes_and_what_escapes() {
    let place = Place::new();
    let tensor = |name: &str, shape: [u64; 2], exponents: Vec<u16>| Tensor {
        name: format!("model.layers.0.{name}.weight"),
        dtype: "BF16".into(),
        shape: shape.to_vec(),
        bytes: exponents.into_iter().flat_map(|exponent| (exponent << 7).to_le_bytes()).collect(),
    };
    // Sixteen exponents with codes of 4 bits: the greatest, 120, has no code in the flat form.
    let common = (100..115).flat_map(|exponent| [exponent; 1000]);
    let few_escape = tensor("mlp.down_proj", [50, 301], common.chain([120; 50]).collect());
    let all_escape = tensor("mlp.up_proj", [5, 100], vec![120; 500]);
    let (source, coded) = (place.at("a.safetensors"), place.at("b.safetensors"));
    Contents { tensors: vec![few_escape, all_escape], ..Contents::default() }.write(&source, 0);
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    for file in [&source, &coded] {
        let report = df11(["inspect", text(file), "--json"]).fine().json();
        let unit = &report["units"][0];
        assert_eq!(unit["weights"], 15_550, "{report}");
        // 12 bits for each of 15,050 weights and 5 bytes for each of 50 escapes; 500 weights in
        // BF16
        let expected = serde_json::json!({"least_bytes": 15_050 + 7_525 + 250 + 1_000, "escapes": 50, "kept_bf16": 1});
        assert_eq!(unit["flat"], expected);
        let line =
            "flat form: at least 23,825 bytes, 76.61 % of BF16; 50 weights escape, 0.3215 %; 1 matrix kept in BF16";
        let shown = df11(["inspect", text(file)]).fine().stdout;
        assert!(shown.lines().any(|found| found == line), "{shown}");
    }
}

#[test]
fn bench_puts_every_level_beside_memcpy_and_every_form_beside_reading() {
    let place = Place::new();
    let file = place.at("a.safetensors");
    miniature::write_file(&file);
    // Two threads are in the next test, with the best level: with all it would take minutes.
    let rows = df11(["bench", text(&file), "--json", "-T", "1"]).fine().json();
    let backends = df11(["backends", "--json"]).fine().json();
    let levels: Vec<_> = backends
        .as_array()
        .expect("a list")
        .iter()
        .filter(|row| row["available"] == true && row["name"] != "cuda" && row["name"] != "hip")
        .map(|row| &row["name"])
        .collect();
    let rows = rows.as_array().expect("a list");
    for level in levels {
        for form in ["bf16", "flat", "df11"] {
            let this = [level.clone(), 1.into(), "product".into(), form.into(), 1.into()];
            let of_this =
                |row: &&Value| ["level", "threads", "op", "form", "batch"].map(|key| row[key].clone()) == this;
            assert_eq!(rows.iter().filter(of_this).count(), 1, "{this:?}");
        }
        for op in ["encode", "decode"] {
            for output in ["warm", "fresh"] {
                let this = [level.clone(), 1.into(), output.into(), op.into()];
                let of_this = |row: &&Value| ["level", "threads", "output", "op"].map(|key| row[key].clone()) == this;
                assert_eq!(rows.iter().filter(of_this).count(), 1, "{this:?}");
            }
        }
    }
    for row in rows {
        let all = "batch form gb_per_s gweights_per_s level memcpy_gb_per_s op output read_gb_per_s threads";
        assert_eq!(keys(row).join(" "), all);
        let present: &[&str] = match row["op"].as_str().expect("a word") {
            "encode" | "decode" => &["gb_per_s", "level", "output"],
            "product" => &["batch", "form", "gweights_per_s", "level", "read_gb_per_s"],
            "read" => &["form", "read_gb_per_s"],
            op => panic!("{op}"),
        };
        for key in ["batch", "form", "gb_per_s", "gweights_per_s", "level", "output", "read_gb_per_s"] {
            assert_eq!(row[key].is_null(), !present.contains(&key), "{key}: {row}");
        }
        for key in ["gb_per_s", "gweights_per_s", "read_gb_per_s", "memcpy_gb_per_s"] {
            assert!(row[key].is_null() || number(&row[key]) > 0.0, "{row}");
        }
    }
    let of_op = |op: &str| rows.iter().filter(|row| row["op"] == op).count();
    assert_eq!(of_op("read"), 1);
    assert!(of_op("product").is_multiple_of(3), "the forms take turns");
}

#[test]
fn bench_takes_a_compressed_file_one_level_and_two_threads() {
    let file = vectors("official/llama-single-file/df11");
    let backends = df11(["backends", "--json"]).fine().json();
    let best = backends.as_array().expect("a list").iter().find(|row| row["best"] == true).expect("one is the best");
    let level = best["name"].as_str().expect("a name");
    let run = df11(["bench", text(&file), "--backend", level, "-T", "2"]).fine();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].contains("157,696 weights"), "{}", run.stdout);
    let cases = ["warm    encode", "warm    decode", "fresh   encode", "fresh   decode"];
    for (line, (threads, case)) in lines[2..10].iter().zip(["1", "2"].iter().flat_map(|n| cases.map(|case| (n, case))))
    {
        assert!(line.starts_with(level) && line.contains(&format!(" {threads}  {case}")), "{}", run.stdout);
    }
    let matrix = "products: 33,554,432 weights in rows of 4,096, the file's 157,696 repeated; flat: ";
    assert!(lines[10].starts_with(matrix) && lines[10].ends_with(" escapes"), "{}", run.stdout);
    let turns: Vec<_> = lines[12..].split(|line| line.starts_with("read ") && line.ends_with(" 1.000")).collect();
    let [before, one, two] = turns[..] else { panic!("two threads: {}", run.stdout) };
    assert!(before.is_empty() && !one.is_empty() && !two.is_empty(), "{}", run.stdout);
    for turn in [one, two] {
        for (line, form) in turn.iter().zip(["bf16", "flat", "df11"].iter().cycle()) {
            assert!(line.starts_with(level) && line.contains(form), "{}", run.stdout);
        }
        assert!(turn.len().is_multiple_of(3), "{}", run.stdout);
    }
}

#[test]
fn backends_are_listed_with_the_reason_why_not() {
    let rows = df11(["backends", "--json"]).fine().json();
    let rows = rows.as_array().expect("a list");
    for row in rows {
        assert_eq!(keys(row), ["available", "best", "name", "reason"]);
        assert_eq!(row["available"] == true, row["reason"].is_null(), "{row}");
    }
    assert!(rows.iter().any(|row| row["name"] == "portable" && row["available"] == true));
    assert_eq!(rows.iter().filter(|row| row["best"] == true).count(), 1);

    let listed = df11(["backends"]).fine().stdout;
    assert_eq!(listed.lines().count(), rows.len());
    for (line, row) in listed.lines().zip(rows) {
        assert!(line.starts_with(row["name"].as_str().expect("a name")), "{line}");
        assert!(row["reason"].as_str().is_none_or(|reason| line.ends_with(reason)), "{line}");
    }
}

#[test]
fn an_unknown_or_absent_backend_is_refused_with_the_list_of_valid_ones() {
    let place = Place::new();
    let source = vectors("minilm-sample");
    let out = place.at("out");
    let run = df11(["compress", text(&source), "-o", text(&out), "--backend", "abacus"]);
    run.fails(2, &["backend `abacus`", "portable"]);
    let run = program().args(["inspect", text(&source)]).env("DF11_BACKEND", "abacus").output();
    ended(run.expect("the program starts")).fails(2, &["backend `abacus`", "portable"]);
    for row in df11(["backends", "--json"]).json().as_array().expect("a list") {
        if row["available"] == false {
            let name = row["name"].as_str().expect("a name");
            df11(["inspect", text(&source), "--backend", name]).fails(2, &[name, "portable"]);
        }
    }
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = df11(["completions", shell]).fine();
        for verb in ["compress", "decompress", "verify", "inspect", "bench", "backends"] {
            assert!(run.stdout.contains(verb), "{shell}: {verb}");
        }
    }
}

#[test]
fn the_help_documents_verbs_and_exit_codes() {
    let help = df11(["--help"]).fine().stdout;
    for word in [
        "compress",
        "decompress",
        "verify",
        "inspect",
        "bench",
        "backends",
        "completions",
        "Exit codes",
        "could not run",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(df11(["verify", "--help"]).fine().stdout.contains("Exit codes"));
    assert_eq!(df11(["--version"]).fine().stdout, format!("df11 {}\n", env!("CARGO_PKG_VERSION")));
}
