//! The record has one judge: what `verify` calls fine, `decompress` restores, whatever a record
//! says. Records of every version are read by their own rules.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use df11::Error;
use df11::jobs::{
    CodeKind, CompressOptions, DecompressOptions, PatternDict, VerifyOptions, VerifyReport, compress, decompress,
    verify,
};
use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::models::{Contents, Tensor, assert_same_tree, tree};
use support::with;
use support::{on_all_processors, vectors};
use tempfile::TempDir;

/// A folder in memory if possible, because every run writes files through to the disk.
fn work() -> TempDir {
    let memory = Path::new("/dev/shm");
    let work = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    work.expect("a temporary folder")
}

/// The source of both frozen models.
fn source() -> PathBuf {
    vectors("record-v1").join("source")
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in tree(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        fs::write(path, bytes).expect("copied");
    }
}

fn verified(input: &Path) -> Result<VerifyReport, Error> {
    verify(input, &VerifyOptions::default(), &())
}

fn is_fine(input: &Path) -> bool {
    verified(input).is_ok_and(|report| report.failures.is_empty())
}

#[test]
fn a_model_of_version_1_comes_back_and_no_more_is_claimed_than_its_record_can_check() {
    let work = work();
    let [coded, back] = ["coded", "back"].map(|name| work.path().join(name));
    copy(&vectors("record-v1").join("coded"), &coded);
    let report = verified(&coded).expect("readable");
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!((report.units, report.checksums, report.files), (2, Some(6), None));
    let restored = decompress(&coded, &back, &DecompressOptions::default(), &()).expect("restored");
    assert!(restored.checked && !restored.byte_exact && restored.missing.is_empty());
    assert_same_tree(&source(), &back);
    // It does not call wrong what it cannot check.
    fs::write(coded.join("tokenizer.json"), "{}").expect("written");
    assert!(is_fine(&coded));
    // It calls wrong what it can check.
    fs::write(coded.join("config.json"), "{}").expect("written");
    assert!(!is_fine(&coded));
}

#[test]
fn a_model_of_version_2_comes_back_every_file_checked() {
    let work = work();
    let back = work.path().join("back");
    let coded = vectors("record-v2").join("coded");
    let report = verified(&coded).expect("readable");
    assert!(report.failures.is_empty() && report.notes.is_empty(), "{report:?}");
    assert_eq!((report.units, report.checksums, report.files), (2, Some(6), Some(tree(&coded).len())));
    let restored = decompress(&coded, &back, &DecompressOptions::default(), &()).expect("restored");
    assert!(restored.checked && restored.byte_exact);
    assert_same_tree(&source(), &back);
}

#[test]
fn forms_of_the_published_tool_get_no_mark_of_ours() {
    let work = work();
    let coded = work.path().join("coded");
    for single_file in [false, true] {
        let options = with!(patterns(work.path()), code: CodeKind::Published, single_file, force: true);
        compress(&source(), &coded, &options, &()).expect("compressed");
        for (name, bytes) in tree(&coded) {
            let found = bytes.windows(5).any(|five| five == b"df11.") || name.contains("df11");
            assert!(!found, "{name}");
        }
    }
}

fn patterns(work: &Path) -> CompressOptions {
    let path = work.join("patterns.json");
    fs::write(&path, r#"{"b\\.0": ["x", "y"], "lm_head": []}"#).expect("written");
    with!(CompressOptions::default(), pattern_dict: Some(PatternDict::read(&path).expect("patterns")))
}

/// Every change of a JSON value: each of its parts replaced by each of a few others.
fn changes(value: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = vec![json!(null), json!(true), json!([]), json!({}), json!("")];
    match value {
        Value::String(text) => {
            let others = [
                "x",
                "I16",
                "XX",
                "F32",
                "BF16",
                "..",
                "../x",
                "/x",
                "a/b",
                "CON",
                "nul.txt",
                "x.",
                "config.json",
                "b.0.x.weight",
                "copied",
                "card",
                "config",
                "part",
                "weights",
                "verbatim",
                "safetensors",
                "0000000000000000",
            ];
            all.extend(others.map(Value::from));
            all.push(format!("{text}x").into());
            all.push(text.to_uppercase().into());
        }
        Value::Number(number) => {
            let number = number.as_u64().unwrap_or(0);
            all.extend([
                json!(number + 1),
                json!(number.wrapping_sub(1)),
                json!(0),
                json!(u64::MAX),
                json!(-1),
                json!(1.5),
            ]);
        }
        Value::Array(items) => {
            all.push(items.iter().rev().cloned().collect());
            for at in 0..items.len() {
                let mut fewer = items.clone();
                fewer.remove(at);
                all.push(fewer.into());
                let mut more = items.clone();
                more.push(items[at].clone());
                all.push(more.into());
                all.extend(changes(&items[at]).into_iter().map(|change| {
                    let mut changed = items.clone();
                    changed[at] = change;
                    changed.into()
                }));
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let mut fewer = fields.clone();
                fewer.remove(name);
                all.push(fewer.clone().into());
                let mut renamed = fewer;
                renamed.insert(format!("{name}2"), field.clone());
                all.push(renamed.into());
                let mut more = fields.clone();
                more.insert(format!("{name}2"), field.clone());
                all.push(more.into());
                all.extend(changes(field).into_iter().map(|change| {
                    let mut changed = fields.clone();
                    changed.insert(name.clone(), change);
                    changed.into()
                }));
            }
        }
        _ => {}
    }
    all.retain(|change| change != value);
    all
}

/// Changes of the headers in `df11.sources`, for each of their parts.
fn changed_headers(sources: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for (at, file) in sources.as_array().expect("a list").iter().enumerate().filter(|(_, f)| f["kind"] == "safetensors")
    {
        let packed = STANDARD.decode(file["bytes"].as_str().expect("text")).expect("base64");
        let header = decompress_to_vec(&packed).expect("deflated");
        let json: Value = serde_json::from_slice(&header[8..]).expect("a header");
        for change in changes(&json) {
            let text = change.to_string();
            let header = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
            let mut changed = sources.clone();
            changed[at]["bytes"] = STANDARD.encode(compress_to_vec(&header, 9)).into();
            all.push(changed);
        }
    }
    all
}

/// Gives the record a matching checksum.
fn reseal(contents: &mut Contents, dfloat11_config: Option<&Value>) {
    let mut sealed: BTreeMap<&str, &str> = contents
        .metadata
        .iter()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .filter(|(key, _)| key.starts_with("df11."))
        .collect();
    sealed.remove("df11.checksum");
    let mut bytes: Vec<u8> = sealed.iter().flat_map(|(key, value)| format!("{key}\0{value}\0").into_bytes()).collect();
    if let Some(config) = dfloat11_config {
        bytes.extend_from_slice(sorted(config).to_string().as_bytes());
    }
    let checksum = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes));
    contents.metadata.insert("df11.checksum".into(), checksum.into());
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        _ => value.clone(),
    }
}

/// The tensors of every weight file at `path`, by name.
fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    let files = if path.is_dir() {
        tree(path)
    } else {
        BTreeMap::from([(".safetensors".into(), fs::read(path).expect("read"))])
    };
    let weights = files.into_iter().filter(|(_, bytes)| bytes.get(8) == Some(&b'{') && bytes.len() > 1000);
    weights.flat_map(|(_, bytes)| Contents::of(&bytes).tensors).map(|tensor| (tensor.name.clone(), tensor)).collect()
}

/// Changes every part of the record of the model at `coded`, gives it a matching checksum, and asks
/// verify and decompress. They must agree: both refuse it, or both accept it and the tensors are
/// the source's.
fn both_agree(coded: &Path, main: &str, expected: &BTreeMap<String, Tensor>, config: Option<&Value>) -> (usize, usize) {
    let sound = Contents::read(&if main.is_empty() { coded.to_path_buf() } else { coded.join(main) });
    let mut all: Vec<(String, Contents)> = Vec::new();
    let mut add = |key: &str, change: Option<String>, sealed: bool| {
        let mut changed = sound.clone();
        match change {
            Some(text) => drop(changed.metadata.insert(key.to_owned(), text.into())),
            None => drop(changed.metadata.remove(key)),
        }
        if sealed {
            reseal(&mut changed, config);
        }
        all.push((key.to_owned(), changed));
    };
    for (key, value) in sound.metadata.iter().filter(|(key, _)| key.starts_with("df11.")) {
        let text = value.as_str().expect("metadata is text");
        add(key, None, key != "df11.checksum");
        for other in ["", "1", "2", "3", "x", "[]", "{}", "0000000000000000"] {
            add(key, Some(other.into()), key != "df11.checksum");
        }
        if let Ok(json @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
            changes(&json).iter().for_each(|change| add(key, Some(change.to_string()), true));
            if key == "df11.sources" {
                changed_headers(&json).iter().for_each(|change| add(key, Some(change.to_string()), true));
            }
        }
    }
    let (work, number) = (work(), AtomicUsize::new(0));
    let (accepted, total) = (AtomicUsize::new(0), all.len());
    on_all_processors(&all, |(key, changed)| {
        let folder = work.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&folder).expect("a new folder");
        let [input, output] = ["input", "output"].map(|name| folder.join(name));
        match main {
            "" => changed.write(&input, 0),
            main => {
                copy(coded, &input);
                changed.write(&input.join(main), 0);
            }
        }
        let what = || format!("{key}: {}", changed.metadata.get(key).map_or("removed".into(), Value::to_string));
        let found = verified(&input);
        let restored = decompress(&input, &output, &DecompressOptions::default(), &());
        let fine = found.as_ref().is_ok_and(|report| report.failures.is_empty());
        assert_eq!(fine, restored.is_ok(), "{}\n{found:?}\n{restored:?}", what());
        assert_eq!(restored.is_ok(), output.exists(), "{}", what());
        if restored.is_ok() {
            accepted.fetch_add(1, Ordering::Relaxed);
            assert!(tensors(&output) == *expected, "{}: other tensors", what());
        }
        fs::remove_dir_all(&folder).expect("removed");
    });
    (accepted.into_inner(), total)
}

#[test]
fn what_verify_calls_fine_decompress_restores_whatever_the_record_of_a_directory_says() {
    let work = work();
    for single_file in [false, true] {
        let coded = work.path().join(format!("{single_file}"));
        let options = with!(patterns(work.path()), model_card: true, single_file);
        compress(&source(), &coded, &options, &()).expect("compressed");
        let (accepted, total) = both_agree(&coded, "model.safetensors", &tensors(&source()), None);
        println!("single_file {single_file}: {accepted} of {total} changed records are accepted by both");
        assert!(total > 1000 && accepted > 5 && accepted * 4 < total, "{accepted} of {total}");
    }
}

#[test]
fn what_verify_calls_fine_decompress_restores_whatever_the_record_of_a_file_says() {
    let work = work();
    let [source_file, coded] = ["source", "coded"].map(|name| work.path().join(name));
    fs::copy(source().join("model-00001-of-00002.safetensors"), &source_file).expect("copied");
    compress(&source_file, &coded, &CompressOptions::default(), &()).expect("compressed");
    let (accepted, total) = both_agree(&coded, "", &tensors(&source_file), None);
    println!("{accepted} of {total} changed records are accepted by both");
    assert!(total > 500 && accepted > 5 && accepted * 4 < total, "{accepted} of {total}");
}

#[test]
fn what_verify_calls_fine_decompress_restores_whatever_a_record_of_version_1_says() {
    let coded = vectors("record-v1").join("coded");
    let config: Value = serde_json::from_slice(&fs::read(coded.join("config.json")).expect("read")).expect("JSON");
    let config = &config["dfloat11_config"];
    let (accepted, total) = both_agree(&coded, "model.safetensors", &tensors(&source()), Some(config));
    println!("{accepted} of {total} changed records are accepted by both");
    assert!(total > 1000 && accepted > 5 && accepted * 4 < total, "{accepted} of {total}");
}

#[test]
fn names_that_another_system_takes_for_something_else_are_refused_before_any_work() {
    let names =
        ["CON", "nul.txt", "x.", "y ", "a:b", "a\\b", "assets/LPT1.json", "Tokenizer.json", "README.MD", "Config.json"];
    for name in names.iter().filter(|_| cfg!(unix)) {
        let work = work();
        let [from, coded] = ["source", "coded"].map(|name| work.path().join(name));
        copy(&source(), &from);
        fs::create_dir_all(from.join("assets")).expect("created");
        fs::write(from.join(name), "x").expect("written");
        let error = compress(&from, &coded, &with!(CompressOptions::default(), all: true), &());
        let error = error.expect_err("refused");
        assert!(error.to_string().contains(name), "{name}: {error}");
        assert!(!coded.exists());
    }
}
