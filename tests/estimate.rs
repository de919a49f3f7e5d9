//! What is predicted without encoding is what compression then writes.

mod support;

use df11::jobs::{CompressOptions, EstimateOptions, EstimateReport, PatternDict, compress, estimate};
use regex::Regex;
use std::path::Path;
use support::architectures::{Model, models};
use support::vectors;
use support::with;

/// The number of bytes of the weight files that compression writes.
fn written(source: &Path, single_file: bool) -> u64 {
    let work = tempfile::tempdir().expect("a folder");
    let options = with!(CompressOptions::default(), single_file);
    compress(source, &work.path().join("df11"), &options, &()).expect("compressed").output_bytes
}

fn relative_error(found: u64, expected: u64) -> f64 {
    (found as f64 - expected as f64).abs() / expected as f64
}

#[test]
fn trained_weights_are_predicted_within_0_3_percent_from_5_percent_of_them() {
    for source in [vectors("minilm-sample"), vectors("minilm-sample").join("model.safetensors")] {
        for single_file in [false, true] {
            let options = with!(EstimateOptions::default(), single_file);
            let report = estimate(&source, &options).expect("estimated");
            let error = relative_error(report.output_bytes, written(&source, single_file));
            assert!(error < 0.003, "{error}");
            assert!(report.weights_read * 20 <= report.weights, "{} of {}", report.weights_read, report.weights);
        }
    }
}

#[test]
fn the_units_predicted_are_those_that_compression_makes() {
    for model in models(|file| file == "miniature") {
        let work = tempfile::tempdir().expect("a folder");
        let source = work.path().join("source");
        model.write(&source);
        let report = estimate(&source, &EstimateOptions::default()).expect("estimated");
        let coded = compress(&source, &work.path().join("df11"), &CompressOptions::default(), &()).expect("compressed");
        assert_eq!(report.units.len(), coded.units, "{}", model.name);
        assert_eq!(report.source_bytes, coded.source_bytes, "{}", model.name);
        let error = relative_error(report.output_bytes, coded.output_bytes);
        assert!(error < 0.01, "{}: {error}", model.name);
        let tensors = report.units.iter().map(|unit| unit.tensors.len()).sum::<usize>() + report.raw.len();
        assert_eq!(tensors, model.tensors.len(), "{}", model.name);
    }
}

/// The paper's table, from shapes alone: bytes and share of the coded model.
#[test]
fn the_published_sizes_are_predicted_from_shapes_within_1_5_points() {
    let published = [
        ("llama/llama-3.1-8b", 16.1, 67.8),
        ("llama/llama-3.3-70b", 141.0, 67.6),
        ("llama/llama-3.1-405b", 812.0, 67.9),
        ("qwen3/qwen3-14b", 29.5, 68.2),
        ("flux/flux.1-dev", 23.8, 68.6),
        ("sd3.5/sd3.5-large", 16.3, 69.5),
    ];
    let full = models(|file| !file.starts_with("miniature"));
    for (name, gigabytes, percent) in published {
        let model = full.iter().find(|model| model.name == name).expect("of the folder");
        let report = estimate(&model.path, &EstimateOptions::default()).expect("estimated");
        let share = 100.0 * report.output_bytes as f64 / report.source_bytes as f64;
        println!(
            "{name}: {:.2} -> {:.2} GB ({share:.1} %)",
            report.source_bytes as f64 / 1e9,
            report.output_bytes as f64 / 1e9
        );
        assert!((share - percent).abs() < 1.5, "{name}: {share:.2} %, published {percent} %");
        assert!(
            relative_error(report.source_bytes, (gigabytes * 1e9) as u64) < 0.02,
            "{name}: {}",
            report.source_bytes
        );
    }
}

/// What the published loader does with released models, as far as headers tell.
#[test]
fn units_of_released_models_are_called_modules_found_by_few_patterns() {
    for model in models(|file| !file.starts_with("miniature")) {
        let report = estimate(&model.path, &EstimateOptions::default()).expect("estimated");
        check_units(&model, &report);
    }
}

fn check_units(model: &Model, report: &EstimateReport) {
    /// Python keeps this many compiled patterns. The loader tries every pattern for each unit.
    const COMPILED_PATTERNS: usize = 512;
    const MOST_WEIGHTS_OF_SEVERAL: u64 = 1 << 30;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let patterns = report.pattern_dict.to_string();
    std::fs::write(file.path(), &patterns).expect("written");
    PatternDict::read(file.path()).expect("usable patterns");
    let dictionary: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&patterns).expect("patterns");
    assert!(dictionary.len() < COMPILED_PATTERNS, "{}: {} patterns", model.name, dictionary.len());
    let patterns: Vec<_> =
        dictionary.iter().map(|(p, list)| (Regex::new(&format!("^(?:{p})$")).expect("a regex"), list)).collect();
    let mut last = "";
    for unit in &report.units {
        assert!(!model.containers.contains(&unit.name), "{}: {} is only a list", model.name, unit.name);
        assert!(
            !unit.name.starts_with(&format!("{last}.")) || last.is_empty(),
            "{}: {} in {last}",
            model.name,
            unit.name
        );
        assert!(unit.tensors.len() == 1 || unit.weights <= MOST_WEIGHTS_OF_SEVERAL, "{}: {}", model.name, unit.name);
        let matching: Vec<_> = patterns.iter().filter(|(pattern, _)| pattern.is_match(&unit.name)).collect();
        let [(_, list)] = matching.as_slice() else {
            panic!("{}: {} patterns match {}", model.name, matching.len(), unit.name)
        };
        let list = list.as_array().expect("a list");
        let of = |attribute: &serde_json::Value| format!("{}.{}.weight", unit.name, attribute.as_str().expect("text"));
        let named: Vec<String> =
            if list.is_empty() { vec![format!("{}.weight", unit.name)] } else { list.iter().map(of).collect() };
        assert_eq!(named, unit.tensors, "{}", model.name);
        for tensor in &unit.tensors {
            let owner = &model.tensors[tensor];
            assert!(owner.is_a("Linear") || (list.is_empty() && owner.is_a("Embedding")), "{}: {tensor}", model.name);
        }
        last = &unit.name;
    }
}

/// Names chosen to be slow cost no more than their length. Each took a minute or more, or never
/// ended, when a loop over all modules ran for each of them.
#[test]
#[cfg(target_os = "linux")]
fn work_grows_with_the_number_of_names_and_not_with_its_square() {
    /// The time that this thread has run. Other processes do not count.
    fn seconds() -> f64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
        text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).expect("a number") / 1e9
    }
    let pairs = |count: u64| (0..count).map(|i| format!("l.{i}.{}.weight", i / 2)).collect::<Vec<String>>();
    let holes = (0..4000)
        .flat_map(|i| (0..16).filter(move |j| (i * 7 + j * 13) % 5 > 0).map(move |j| format!("l.{i}.e.{j}.w.weight")));
    let owned = |i: usize| [0, 1, 2 + i / 2].map(|k| format!("l.{i}.x{k}.weight"));
    let deep = "0.".repeat(400_000);
    let families: [(&str, Vec<String>); 8] = [
        ("families of two", (0..32_000).map(|i| format!("a{}.{}.weight", i / 2, i % 2)).collect()),
        ("pairs", pairs(32_000)),
        ("holes", holes.collect()),
        ("other attributes for each two", (0..8_000).flat_map(owned).collect()),
        ("every third number", (0..16_000).map(|i| format!("l.{}.weight", 3 * i)).collect()),
        (
            "many under one",
            (0..32_000).map(|i| format!("b.0.t{i}")).chain(["b.0.weight".into(), "b.1.weight".into()]).collect(),
        ),
        ("a unit for each tensor", (0..16_000).map(|i| format!("u{i}.t")).collect()),
        ("deep", vec![format!("{deep}a.weight"), format!("{deep}b.weight"), "x.0.weight".into(), "x.1.weight".into()]),
    ];
    let work = tempfile::tempdir().expect("a folder");
    let path = work.path().join("shapes.json");
    for (name, tensors) in families {
        let rows: Vec<_> = tensors.iter().map(|tensor| serde_json::json!([tensor, "BF16", [128, 128]])).collect();
        std::fs::write(&path, serde_json::json!({"tensors": rows}).to_string()).expect("written");
        for all in [false, true] {
            let before = seconds();
            let report = estimate(&path, &with!(EstimateOptions::default(), all)).expect("estimated");
            let took = seconds() - before;
            println!("{name}: {} tensors, {} units, {took:.1} s", tensors.len(), report.units.len());
            assert!(took < 5.0, "{name}: {took} s");
        }
    }
}
