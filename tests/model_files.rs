//! Models go there and back: every file of the source comes back byte for byte, for any form, order
//! and padding, and any encoder.

mod support;

use df11::Error;
use df11::jobs::{
    CompressOptions, CompressReport, DecompressOptions, PatternDict, VerifyOptions, compress, decompress, inspect,
    verify,
};
use serde_json::json;
use std::fs;
use std::path::Path;
use support::cases::every_word;
use support::models::{Contents, Tensor, assert_same_tree, llama, tensor, tree, weights};
use support::with;
use support::{safetensors, vectors};
use tempfile::{TempDir, tempdir};

const CONFIG: &str = "{\"model_type\": \"llama\",\n \"rms_norm_eps\": 1e-06, \"hidden_size\": 64}\n";

fn folder() -> TempDir {
    tempdir().expect("a temporary folder")
}

/// The small Llama as a directory of one file, with other files beside it.
fn llama_directory(path: &Path) {
    fs::create_dir(path).expect("created");
    let metadata = json!({"format": "pt", "made by": "nobody"}).as_object().cloned().expect("an object");
    Contents { metadata, tensors: llama() }.write(&path.join("model.safetensors"), 13);
    fs::write(path.join("config.json"), CONFIG).expect("written");
    fs::write(path.join("tokenizer.json"), "{}").expect("written");
    fs::create_dir(path.join("assets")).expect("created");
    fs::write(path.join("assets/chat.jinja"), "hello").expect("written");
}

/// The same in two shards with an index.
fn sharded_llama(path: &Path) {
    fs::create_dir(path).expect("created");
    let tensors = llama();
    let (first, second) = tensors.split_at(9);
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let mut map = serde_json::Map::new();
    for (name, tensors) in names.into_iter().zip([first, second]) {
        Contents { tensors: tensors.to_vec(), ..Contents::default() }.write(&path.join(name), 0);
        map.extend(tensors.iter().map(|tensor| (tensor.name.clone(), json!(name))));
    }
    let index = json!({"metadata": {"total_size": 1}, "weight_map": map}).to_string();
    fs::write(path.join("model.safetensors.index.json"), index).expect("written");
}

fn compress_with(source: &Path, output: &Path, options: CompressOptions) -> CompressReport {
    compress(source, output, &options, &()).unwrap_or_else(|error| panic!("{}: {error}", source.display()))
}

/// Compresses, verifies by record and by source, decompresses, and compares every file.
fn there_and_back(source: &Path, work: &Path, options: CompressOptions) -> CompressReport {
    let (coded, back) = (work.join("coded"), work.join("back"));
    let report = compress_with(source, &coded, options);
    let against = with!(VerifyOptions::default(), against: Some(source.to_path_buf()));
    let verified = verify(&coded, &against, &()).expect("it can be verified");
    assert!(verified.failures.is_empty(), "{:?}", verified.failures);
    assert_eq!(verified.units, report.units);
    assert!(verified.checksums.is_some() && verified.checksums == verified.compared);
    let restored = decompress(&coded, &back, &DecompressOptions::default(), &()).expect("it comes back");
    assert!(restored.byte_exact);
    if source.is_dir() {
        assert_same_tree(source, &back);
    } else {
        assert!(fs::read(source).expect("read") == fs::read(&back).expect("read"), "{}", source.display());
    }
    report
}

#[test]
fn a_directory_comes_back_byte_for_byte_from_both_forms() {
    for single_file in [false, true] {
        for make in [llama_directory, sharded_llama] {
            let work = folder();
            let source = work.path().join("source");
            make(&source);
            let report = there_and_back(&source, work.path(), with!(CompressOptions::default(), single_file));
            assert_eq!((report.units, report.kept_raw.len()), (4, 0));
            assert!(report.output_bytes < report.source_bytes * 8 / 10, "{report:?}");
        }
    }
}

#[test]
fn a_directory_becomes_one_file_for_each_unit_with_its_modules_other_tensors() {
    let work = folder();
    let (source, coded) = (work.path().join("source"), work.path().join("coded"));
    llama_directory(&source);
    compress_with(&source, &coded, CompressOptions::default());
    let names: Vec<_> = tree(&coded).into_keys().collect();
    assert_eq!(
        names,
        [
            "assets/chat.jinja",
            "config.json",
            "lm_head.safetensors",
            "model.safetensors",
            "model_embed_tokens.safetensors",
            "model_layers_0.safetensors",
            "model_layers_1.safetensors",
            "tokenizer.json"
        ]
    );
    let shard = Contents::read(&coded.join("model_layers_1.safetensors"));
    let names: Vec<_> = shard.tensors.iter().map(|tensor| tensor.name.trim_start_matches("model.layers.1.")).collect();
    assert_eq!(
        names,
        [
            "split_positions",
            "input_layernorm.weight",
            "self_attn.q_proj.bias",
            "encoded_exponent",
            "gaps",
            "luts",
            "output_positions",
            "sign_mantissa"
        ]
    );
    let config = fs::read_to_string(coded.join("config.json")).expect("read");
    assert!(config.starts_with("{\n  \"model_type\": \"llama\",\n  \"rms_norm_eps\": 1e-06,\n"), "{config}");
    let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let block = [
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    ];
    let patterns = json!({"lm_head": [], "model\\.embed_tokens": [], "model\\.layers\\.\\d+": block});
    assert_eq!(
        config["dfloat11_config"],
        json!({"version": "0.5.0", "threads_per_block": [512], "bytes_per_thread": 8, "pattern_dict": patterns})
    );
}

#[test]
fn a_file_becomes_one_file_that_carries_its_configuration() {
    let work = folder();
    let source = work.path().join("some model.v2.safetensors");
    Contents { tensors: llama(), ..Contents::default() }.write(&source, 3);
    there_and_back(&source, work.path(), CompressOptions::default());
    let coded = Contents::read(&work.path().join("coded"));
    assert!(coded.metadata["df11.config"].as_str().expect("a string").contains("pattern_dict"));
    assert!(coded.tensors.iter().any(|tensor| tensor.name == "model.layers.0.sign_mantissa"));
}

#[test]
fn links_of_a_download_cache_are_followed() {
    if cfg!(not(unix)) {
        return eprintln!("skipped: links of a download cache (this system's links need privileges)");
    }
    let work = folder();
    let (blobs, source) = (work.path().join("blobs"), work.path().join("source"));
    llama_directory(&blobs);
    fs::create_dir(&source).expect("created");
    #[cfg(unix)]
    for name in ["model.safetensors", "config.json", "assets"] {
        std::os::unix::fs::symlink(blobs.join(name), source.join(name)).expect("linked");
    }
    there_and_back(&source, work.path(), CompressOptions::default());
}

#[test]
fn all_65536_words_come_back_and_are_coded() {
    let work = folder();
    let source = work.path().join("words.safetensors");
    let words = every_word().into_iter().flat_map(u16::to_le_bytes).collect();
    let mut tensors = vec![tensor("w.0.a.weight", "BF16", &[256, 256], words), weights("w.0.b.weight", &[512, 512], 5)];
    tensors.push(weights("w.1.a.weight", &[64, 64], 6));
    Contents { tensors, ..Contents::default() }.write(&source, 0);
    let report = there_and_back(&source, work.path(), CompressOptions::default());
    assert_eq!((report.units, report.kept_raw.len()), (2, 0));
}

#[test]
fn a_unit_that_would_not_shrink_stays_raw_and_is_reported() {
    let work = folder();
    let source = work.path().join("source");
    fs::create_dir(&source).expect("created");
    let uniform = support::cases::uniform_words(1 << 15, 3).into_iter().flat_map(u16::to_le_bytes).collect();
    let tensors = vec![tensor("flat.weight", "BF16", &[128, 256], uniform), weights("good.weight", &[128, 256], 4)];
    Contents { tensors, ..Contents::default() }.write(&source.join("model.safetensors"), 0);
    for single_file in [false, true] {
        let work = folder();
        let report = there_and_back(&source, work.path(), with!(CompressOptions::default(), single_file));
        assert_eq!((report.units, report.kept_raw[0].unit.as_str()), (1, "flat"));
        let config = fs::read_to_string(work.path().join("coded/config.json")).expect("made");
        assert!(config.contains("good") && !config.contains("flat"), "{config}");
    }
}

#[test]
fn a_model_without_any_unit_comes_back_too() {
    let work = folder();
    let source = work.path().join("small.safetensors");
    Contents { tensors: vec![weights("small.weight", &[4, 4], 1)], ..Contents::default() }.write(&source, 0);
    assert_eq!(there_and_back(&source, work.path(), CompressOptions::default()).units, 0);
}

#[test]
fn given_patterns_replace_the_inference() {
    let work = folder();
    let (source, patterns) = (work.path().join("source"), work.path().join("patterns.json"));
    llama_directory(&source);
    let dictionary = json!({"model\\.layers\\.\\d+\\.mlp": ["down_proj", "up_proj"], "lm_head": []});
    fs::write(&patterns, dictionary.to_string()).expect("written");
    let pattern_dict = Some(PatternDict::read(&patterns).expect("patterns"));
    let report = there_and_back(&source, work.path(), with!(CompressOptions::default(), pattern_dict));
    assert_eq!(report.units, 3);
    fs::write(&patterns, json!({"model\\.layers\\.\\d+": ["mlp.up_proj", "moe"]}).to_string()).expect("written");
    let pattern_dict = Some(PatternDict::read(&patterns).expect("patterns"));
    let options = with!(CompressOptions::default(), pattern_dict, force: true);
    let error = compress(&source, &work.path().join("coded"), &options, &()).expect_err("a matrix that is not there");
    assert!(matches!(&error, Error::TensorMissing { tensor, .. } if tensor == "model.layers.0.moe.weight"), "{error}");
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let work = folder();
    let source = work.path().join("source");
    llama_directory(&source);
    for single_file in [false, true] {
        let outputs = [1, 2].map(|threads| {
            let output = work.path().join(format!("coded-{threads}-{single_file}"));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| compress_with(&source, &output, with!(CompressOptions::default(), single_file)));
            output
        });
        assert_same_tree(&outputs[0], &outputs[1]);
    }
}

#[test]
fn what_the_published_compressor_wrote_is_restored() {
    for (name, like, shapes_known) in [
        ("llama-sharded", false, true),
        ("llama-single-file", false, false),
        ("llama-single-file", true, true),
        ("edge-long-codes", false, false),
        ("edge-long-codes", true, true),
    ] {
        let work = folder();
        let (coded, source) =
            (vectors("official").join(name).join("df11"), vectors("official").join(name).join("bf16"));
        let options = with!(DecompressOptions::default(), like: like.then(|| source.clone()));
        let report = decompress(&coded, &work.path().join("back"), &options, &()).expect("it is restored");
        assert!(!report.byte_exact);
        assert_eq!(report.notes.is_empty(), shapes_known, "{:?}", report.notes);
        let expected = safetensors::read_directory(&source).expect("the source opens");
        let found = safetensors::read_directory(&work.path().join("back")).expect("the result opens");
        assert_eq!(expected.tensors.keys().collect::<Vec<_>>(), found.tensors.keys().collect::<Vec<_>>());
        for (tensor, expected) in &expected.tensors {
            let found = &found.tensors[tensor];
            assert!(expected.bytes == found.bytes, "{name}: {tensor}");
            assert!(expected.shape == found.shape || !shapes_known, "{name}: {tensor}");
        }
        let against = with!(VerifyOptions::default(), against: Some(source));
        let verified = verify(&coded, &against, &()).expect("it can be verified");
        assert!(verified.failures.is_empty() && verified.checksums.is_none(), "{:?}", verified.failures);
    }
}

#[test]
fn inspection_counts_the_same_from_both_sides() {
    let work = folder();
    let (source, coded) = (work.path().join("source"), work.path().join("coded"));
    llama_directory(&source);
    compress_with(&source, &coded, CompressOptions::default());
    let reports = [&source, &coded].map(|input| inspect(input, &Default::default(), &()).expect("inspected"));
    let mut shown = reports.each_ref().map(|report| serde_json::to_value(report).expect("JSON"));
    // Only the record of the coded model tells whether all is there.
    let complete = shown.each_mut().map(|report| report["completeness"].take()["state"].take());
    assert_eq!(complete, ["completeness unknown", "complete"]);
    assert_eq!(shown[0], shown[1]);
    let unit = &shown[1]["units"][2];
    assert_eq!((&unit["name"], &unit["weights"]), (&json!("model.layers.0"), &json!(36_864)));
    let entropy = &unit["entropy"];
    assert!((2.4..2.8).contains(&entropy["exponent"].as_f64().expect("a number")), "{entropy}");
    assert!(
        entropy["sign"].as_f64().expect("a number") > 0.99 && entropy["mantissa"].as_f64().expect("a number") > 6.9
    );
    let fields: Vec<_> = unit.as_object().expect("an object").keys().map(String::as_str).collect();
    let names = ["name", "weights", "bits_per_weight", "entropy", "exponents_in_use", "longest_code", "bytes", "flat"];
    assert_eq!(fields, names);
    assert_eq!(reports[1].units[2].histogram.iter().sum::<u64>(), 36_864);
    assert_eq!(shown[1]["raw"].as_array().expect("a list").len(), 9);
    assert_eq!(shown[1]["raw"][0], json!({"name": "from.the.future", "dtype": "F3_X", "shape": [5], "bytes": 5}));
}

#[test]
fn memory_order_of_a_source_file_does_not_matter() {
    let work = folder();
    let source = work.path().join("reversed.safetensors");
    let mut tensors: Vec<Tensor> = llama();
    tensors.reverse();
    Contents { tensors, ..Contents::default() }.write(&source, 1);
    there_and_back(&source, work.path(), CompressOptions::default());
}
