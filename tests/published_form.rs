//! `--code published` writes the files of the published tool, byte for byte, proved on files that
//! it wrote (`tests/vectors/official`).

mod support;

use df11::jobs::{
    CodeKind, CompressOptions, CompressReport, DecompressOptions, EstimateOptions, PatternDict, VerifyOptions,
    compress, decompress, estimate, verify,
};
use df11::{Error, Note};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::library::Coded;
use support::models::{Contents, assert_same_tree, llama, tensor, tree, weights};
use support::with;
use support::{architectures, assert_same_words, published_writer, reference, safetensors, vectors, words};
use tempfile::{TempDir, tempdir};

/// The fixtures, and whether the published tool wrote each as one file.
const FIXTURES: [(&str, bool); 3] = [("edge-long-codes", true), ("llama-sharded", false), ("llama-single-file", true)];

fn folder() -> TempDir {
    tempdir().expect("a temporary folder")
}

fn published() -> CompressOptions {
    with!(CompressOptions::default(), code: CodeKind::Published)
}

#[track_caller]
fn compressed(source: &Path, output: &Path, options: CompressOptions) -> CompressReport {
    compress(source, output, &options, &()).unwrap_or_else(|error| panic!("{}: {error}", source.display()))
}

/// Decompresses without a record, by the shapes of the source, and compares every tensor.
#[track_caller]
fn comes_back(source: &Path, coded: &Path, back: &Path) {
    comes_back_by(None, source, coded, back);
}

#[track_caller]
fn comes_back_by(pattern_dict: Option<PatternDict>, source: &Path, coded: &Path, back: &Path) {
    let verified = verify(coded, &VerifyOptions::default(), &()).expect("it can be verified");
    assert!(verified.failures.is_empty() && verified.checksums.is_none(), "{:?}", verified.failures);
    let like = with!(DecompressOptions::default(), like: Some(source.to_path_buf()), pattern_dict);
    decompress(coded, back, &like, &()).expect("it comes back");
    let tensors = |path: &Path| {
        let read = if path.is_dir() { safetensors::read_directory(path) } else { safetensors::read(path) };
        read.expect("a strict file").tensors
    };
    assert!(tensors(source) == tensors(back));
}

/// Checks that every file of the output is the fixture's, and that there is no other.
fn every_file_is_as_published(name: &str, options: CompressOptions) {
    let (work, fixture) = (folder(), vectors("official").join(name));
    let coded = work.path().join("coded");
    let report = compressed(&fixture.join("bf16"), &coded, options);
    assert_same_tree(&fixture.join("df11"), &coded);
    assert_eq!(report.kept_raw.len(), 0);
    let bytes =
        |(file, bytes): (&String, &Vec<u8>)| if file.ends_with(".safetensors") { bytes.len() as u64 } else { 0 };
    let files = tree(&coded);
    assert_eq!((report.files, report.output_bytes), (files.len(), files.iter().map(bytes).sum()));
    comes_back(&fixture.join("bf16"), &coded, &work.path().join("back"));
}

#[test]
fn every_file_of_every_fixture_is_reproduced_without_a_word_of_configuration() {
    for (name, single_file) in FIXTURES {
        every_file_is_as_published(name, with!(published(), single_file));
    }
}

#[test]
fn patterns_that_are_given_are_written_as_they_are() {
    for (name, single_file) in FIXTURES {
        let config = fs::read(vectors("official").join(name).join("df11/config.json")).expect("the fixture's config");
        let config: Value = serde_json::from_slice(&config).expect("JSON");
        let work = folder();
        let file = work.path().join("patterns.json");
        fs::write(&file, config["dfloat11_config"]["pattern_dict"].to_string()).expect("written");
        let pattern_dict = Some(PatternDict::read(&file).expect("patterns"));
        every_file_is_as_published(name, with!(published(), single_file, pattern_dict));
    }
    // Spelled as our writers would not.
    let work = folder();
    let (file, coded) = (work.path().join("patterns.json"), work.path().join("coded"));
    let patterns = json!({"lm_head|model.embed_tokens": [], "model\\.layers\\.(0|1)": ["mlp.up_proj"]});
    fs::write(&file, patterns.to_string()).expect("written");
    let pattern_dict = Some(PatternDict::read(&file).expect("patterns"));
    let source = vectors("official").join("llama-single-file/bf16");
    compressed(&source, &coded, with!(published(), single_file: true, pattern_dict));
    let config: Value = serde_json::from_slice(&fs::read(coded.join("config.json")).expect("read")).expect("JSON");
    assert_eq!(config["dfloat11_config"]["pattern_dict"].to_string(), patterns.to_string());
}

#[test]
fn the_same_files_are_predicted() {
    for (name, single_file) in FIXTURES {
        let fixture = vectors("official").join(name);
        let options = with!(EstimateOptions::default(), single_file, code: CodeKind::Published);
        let told = estimate(&fixture.join("bf16"), &options).expect("it can be estimated").output_bytes as f64;
        let files = tree(&fixture.join("df11"));
        let weights = files.iter().filter(|(file, _)| file.ends_with(".safetensors"));
        let written: usize = weights.map(|(_, bytes)| bytes.len()).sum();
        // A sample this small hardly shows which code it is.
        assert!((told / written as f64 - 1.0).abs() < 0.02, "{name}: {told} predicted, {written} written");
    }
}

#[test]
fn a_file_becomes_a_file_without_metadata() {
    let work = folder();
    let (source, coded) = (vectors("minilm-sample").join("model.safetensors"), work.path().join("coded.safetensors"));
    let report = compressed(&source, &coded, published());
    assert_eq!(Contents::read(&coded).metadata.len(), 0);
    let (file, source_file) = (safetensors::read(&coded).expect("strict"), safetensors::read(&source).expect("strict"));
    let unit = "embeddings.position_embeddings";
    let weights = words(&source_file.tensors[&format!("{unit}.weight")].bytes);
    let raw = file.unit(unit).expect("a unit");
    assert!(Coded::of(&raw) == published_writer::write(&weights).expect("the imitation writes it"));
    assert_same_words(unit, &weights, &reference::decode(&raw).expect("it decodes"));
    let patterns = report.notes.iter().find_map(|note| match note {
        Note::PatternsNotHeld { patterns } => Some(patterns),
        _ => None,
    });
    let patterns_file = work.path().join("patterns.json");
    fs::write(&patterns_file, patterns.expect("the patterns are told")).expect("written");
    let patterns = PatternDict::read(&patterns_file).expect("patterns");
    comes_back_by(Some(patterns), &source, &coded, &work.path().join("back.safetensors"));
}

/// A model of which only config.json and the tensors matter.
fn model(path: &Path, tensors: Vec<support::models::Tensor>, main_file: &str, config: Option<&str>) {
    fs::create_dir(path).expect("created");
    let metadata = json!({"made by": "nobody"}).as_object().cloned().expect("an object");
    Contents { metadata, tensors }.write(&path.join(main_file), 3);
    if let Some(config) = config {
        fs::write(path.join("config.json"), config).expect("written");
    }
    fs::write(path.join("tokenizer.json"), "{}").expect("written");
}

#[test]
fn each_family_has_its_published_form() {
    const ONLY: &str =
        "{\n  \"dfloat11_config\": {\n    \"version\": \"0.5.0\",\n    \"threads_per_block\": [\n      512\n    ],\n";
    let cases = [
        (
            "model.safetensors",
            Some(r#"{"z": 1e-06, "a": {"c": "ü", "b": []}}"#),
            "pt",
            "{\n  \"a\": {\n    \"b\": [],\n    \"c\": \"\\u00fc\"\n  },\n",
        ),
        ("diffusion_pytorch_model.safetensors", Some(r#"{"_class_name": "X"}"#), "pt", ONLY),
        ("model.safetensors", None, "", ONLY),
    ];
    for (main_file, config, format, beginning) in cases {
        let work = folder();
        let (source, coded) = (work.path().join("source"), work.path().join("coded"));
        let known = llama().into_iter().filter(|tensor| tensor.name != "from.the.future").collect();
        model(&source, known, main_file, config);
        let report = compressed(&source, &coded, published());
        let text = fs::read_to_string(coded.join("config.json")).expect("written");
        assert!(text.starts_with(beginning), "{text}");
        assert_eq!(text.ends_with('\n'), config.is_some_and(|config| config.contains("1e-06")), "{text}");
        let metadata = Contents::read(&coded.join(main_file)).metadata;
        assert_eq!(metadata.get("format").and_then(Value::as_str).unwrap_or_default(), format);
        assert!(metadata.len() < 2 && !coded.join("tokenizer.json").exists());
        assert!(
            report
                .notes
                .iter()
                .map(ToString::to_string)
                .any(|note| note.contains("not copied") && note.contains("tokenizer.json"))
        );
        comes_back(&source, &coded, &work.path().join("back"));

        let single = work.path().join("single");
        compressed(&source, &single, with!(published(), single_file: true));
        assert!(tree(&single).keys().eq(["config.json", "model.safetensors"]));
        assert_eq!(Contents::read(&single.join("model.safetensors")).metadata.len(), 0);
        assert!(fs::read_to_string(single.join("config.json")).expect("written").starts_with(ONLY));
        comes_back(&source, &single, &work.path().join("back of single"));
    }
}

#[test]
fn each_part_of_a_pipeline_has_its_own_published_form() {
    let work = folder();
    let (source, coded) = (work.path().join("source"), work.path().join("coded"));
    fs::create_dir(&source).expect("created");
    fs::write(source.join("model_index.json"), "{}").expect("written");
    let matrices = || vec![weights("l.0.a.weight", &[128, 64], 1), weights("l.1.a.weight", &[128, 64], 2)];
    model(&source.join("transformer"), matrices(), "diffusion_pytorch_model.safetensors", Some("{\"b\": 1}"));
    model(&source.join("text_encoder"), matrices(), "model.safetensors", Some("{\"b\": 1}"));
    compressed(&source, &coded, published());
    let config = |part: &str| fs::read_to_string(coded.join(part).join("config.json")).expect("written");
    assert!(config("text_encoder").starts_with("{\n  \"b\": 1,\n"), "{}", config("text_encoder"));
    assert!(!config("transformer").contains("\"b\""), "{}", config("transformer"));
    assert!(coded.join("model_index.json").is_file());
    for part in ["transformer", "text_encoder"] {
        comes_back(&source.join(part), &coded.join(part), &work.path().join(part));
    }
}

#[test]
fn every_architecture_is_coded_as_the_imitation_does_or_says_why_not() {
    for architecture in architectures::models(|file| file == "miniature") {
        let work = folder();
        let (source, coded) = (work.path().join("source"), work.path().join("coded"));
        architecture.write(&source);
        let report = compressed(&source, &coded, published());
        let file = safetensors::read_directory(&coded).expect("strict files");
        for unit in file.unit_names() {
            let raw = file.unit(&unit).expect("a unit");
            let words = reference::decode(&raw).expect("it decodes");
            let mut found = Coded::of(&raw);
            found.split_positions.clear();
            match published_writer::write(&words) {
                Ok(expected) => assert!(found == expected, "{}: {unit}", source.display()),
                Err(_) => assert!(
                    report.notes.iter().any(|note| note.to_string().contains(&unit)),
                    "{unit}: {:?}",
                    report.notes
                ),
            }
        }
        comes_back(&source, &coded, &work.path().join("back"));
    }
}

#[test]
fn what_the_published_tool_cannot_write_is_in_our_code_and_told() {
    let work = folder();
    let (source, coded) = (work.path().join("source"), work.path().join("coded"));
    let constant = |name: &str, word: u16| tensor(name, "BF16", &[128, 128], word.to_le_bytes().repeat(128 * 128));
    let mut with_infinities = weights("infinities.weight", &[128, 128], 1);
    with_infinities
        .bytes
        .chunks_exact_mut(2)
        .step_by(50)
        .for_each(|word| word.copy_from_slice(&0x7F80_u16.to_le_bytes()));
    let mut half_zero = weights("zeros.weight", &[512, 512], 2);
    half_zero.bytes.chunks_exact_mut(2).step_by(2).for_each(|word| word.fill(0));
    half_zero.bytes[..300_000].fill(0);
    let tensors =
        vec![constant("constant.weight", 0x3F80), with_infinities, half_zero, weights("usual.weight", &[128, 128], 3)];
    model(&source, tensors, "model.safetensors", None);
    let report = compressed(&source, &coded, published());
    let told = |words: [&str; 2]| {
        report.notes.iter().filter(|note| words.iter().all(|word| note.to_string().contains(word))).count()
    };
    assert_eq!(told(["`constant`", "first entry of the first table"]), 1, "{:?}", report.notes);
    assert_eq!(told(["`infinities`", "exponent 255"]), 1, "{:?}", report.notes);
    assert_eq!(told(["`zeros`", "23550"]), 1, "{:?}", report.notes);
    assert_eq!(told(["`usual`", ""]), 0);
    assert_eq!((report.units, report.kept_raw.len()), (4, 0));
    comes_back(&source, &coded, &work.path().join("back"));
}

#[test]
fn what_could_not_be_told_without_a_record_is_left_raw_or_refused() {
    let work = folder();
    let (source, coded) = (work.path().join("source"), work.path().join("coded"));
    let mut in_disguise = weights("disguised.weight", &[128, 128], 1);
    in_disguise.bytes = in_disguise.bytes.chunks_exact(2).flat_map(|word| [0, 0, word[0], word[1]]).collect();
    in_disguise.dtype = "F32".into();
    model(&source, vec![in_disguise, weights("usual.weight", &[128, 128], 3)], "model.safetensors", None);
    assert_eq!(compressed(&source, &coded, published()).units, 1);
    comes_back(&source, &coded, &work.path().join("back"));

    let refused = compress(&source, &work.path().join("all"), &with!(published(), all: true), &());
    assert!(matches!(refused, Err(Error::OptionsExclude { .. })), "{refused:?}");
    assert!(!work.path().join("all").exists());
}

#[test]
fn units_that_gain_nothing_are_coded_all_the_same() {
    let work = folder();
    let (source, coded) = (work.path().join("source"), work.path().join("coded"));
    let tensors = vec![weights("l.0.a.weight", &[8, 8], 1), weights("l.1.a.weight", &[8, 8], 2)];
    model(&source, tensors, "model.safetensors", None);
    let report = compressed(&source, &coded, published());
    assert_eq!((report.units, report.kept_raw.len()), (2, 0));
    comes_back(&source, &coded, &work.path().join("back"));
}
