//! Models that must be refused, each with an error that names what is wrong, and with nothing left
//! at OUTPUT.

mod support;

use df11::error::OutputReason;
use df11::jobs::{CompressOptions, DecompressOptions, PatternDict, VerifyOptions, compress, decompress, verify};
use df11::{Error, Model};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use support::models::{Contents, llama, tensor, weights};
use support::vectors;
use support::with;
use tempfile::{TempDir, tempdir};

/// A folder with a sound DFloat11 model in one file, `coded`, and its source, `source`.
struct Work(TempDir);

impl Work {
    fn new() -> Work {
        let work = Work(tempdir().expect("a temporary folder"));
        Contents { tensors: llama(), ..Contents::default() }.write(&work.path("source"), 0);
        compress(&work.path("source"), &work.path("coded"), &CompressOptions::default(), &()).expect("a sound model");
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Changes the contents of the coded file.
    fn damage(self, change: impl FnOnce(&mut Contents)) -> Work {
        let mut contents = Contents::read(&self.path("coded"));
        change(&mut contents);
        contents.write(&self.path("coded"), 0);
        self
    }

    fn damage_array(self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Work {
        self.damage(|contents| {
            let tensor = contents.tensor(name);
            let before = tensor.bytes.len();
            change(&mut tensor.bytes);
            if tensor.bytes.len() != before {
                tensor.shape[0] = tensor.shape[0] * tensor.bytes.len() as u64 / before as u64;
            }
        })
    }

    /// Checks that decompression refuses it and leaves nothing.
    fn refused(&self) -> Error {
        let before = fs::read_dir(self.0.path()).expect("listed").count();
        let result = decompress(&self.path("coded"), &self.path("out"), &DecompressOptions::default(), &());
        let error = result.map(|_| ()).expect_err("it must be refused");
        assert_eq!(fs::read_dir(self.0.path()).expect("listed").count(), before, "something was left behind: {error}");
        error
    }

    /// The failed checks by which verification calls it wrong.
    fn failures(&self) -> Vec<Error> {
        let failures = match verify(&self.path("coded"), &VerifyOptions::default(), &()) {
            Ok(report) => report.failures,
            Err(error) => vec![error],
        };
        assert!(failures.iter().all(Error::is_failed_check), "{failures:?}");
        failures
    }

    /// The first failed check.
    fn fails(&self) -> Error {
        self.failures().into_iter().next().expect("a failure")
    }
}

fn compress_refused(source: &Path) -> Error {
    let output = source.with_file_name("out");
    let error =
        compress(source, &output, &CompressOptions::default(), &()).map(|_| ()).expect_err("it must be refused");
    assert!(!output.exists() && !source.with_file_name("out.partial").exists(), "something was left behind: {error}");
    error
}

#[test]
fn a_file_cut_at_any_length_is_refused_by_name() {
    let work = Work::new();
    let bytes = fs::read(work.path("coded")).expect("read");
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight")) as usize;
    let lengths = (0..header).step_by(97).chain((header..bytes.len()).step_by(7919)).chain([bytes.len() - 1]);
    for length in lengths {
        fs::write(work.path("coded"), &bytes[..length]).expect("written");
        let error = work.refused();
        assert!(matches!(error, Error::Unreadable { .. }) && error.to_string().contains("coded"), "{length}: {error}");
        assert!(!error.is_failed_check());
        assert!(matches!(compress_refused(&work.path("coded")), Error::Unreadable { .. }));
    }
}

#[test]
fn a_header_that_its_file_cannot_hold_is_refused_without_reading_it() {
    let work = Work::new();
    for length in [1_u64 << 63, 1 << 60, 100_000_001, 193] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.resize(200, b' ');
        fs::write(work.path("coded"), &bytes).expect("written");
        let message = work.refused().to_string();
        assert!(message.contains(&length.to_string()), "{message}");
    }
}

#[test]
fn overlaps_and_holes_are_refused_by_tensor() {
    let work = Work::new();
    let file = |second: [u64; 2]| {
        let entry =
            |offsets: [u64; 2]| json!({"dtype": "U8", "shape": [offsets[1] - offsets[0]], "data_offsets": offsets});
        let json = json!({"first": entry([0, 8]), "second": entry(second)}).to_string();
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes.resize(bytes.len() + second[1] as usize, 0);
        bytes
    };
    for (second, word) in [([4, 12], "overlaps"), ([9, 12], "hole")] {
        fs::write(work.path("coded"), file(second)).expect("written");
        let message = work.refused().to_string();
        assert!(message.contains("second") && message.contains(word), "{message}");
    }
}

#[test]
fn a_unit_without_one_of_its_arrays_or_with_another_dtype_is_refused_by_tensor() {
    for leaf in ["encoded_exponent", "sign_mantissa", "luts", "gaps", "output_positions", "split_positions"] {
        let name = format!("model.layers.0.{leaf}");
        let work = Work::new().damage(|contents| contents.tensors.retain(|tensor| tensor.name != name));
        for error in [work.refused(), work.fails()] {
            assert!(matches!(&error, Error::TensorMissing { tensor, .. } if *tensor == name), "{error}");
        }
        let work = Work::new().damage(|contents| {
            contents.tensor(&name).dtype = if leaf == "split_positions" { "U64" } else { "I8" }.into()
        });
        for error in [work.refused(), work.fails()] {
            assert!(matches!(&error, Error::TensorUnfit { tensor, .. } if *tensor == name), "{error}");
        }
    }
}

#[test]
fn a_unit_that_breaks_a_rule_of_its_format_is_refused_by_name() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, &str, Damage); 9] = [
        ("encoded_exponent", "a stream of no bytes", |bytes| bytes.clear()),
        ("encoded_exponent", "a stream cut short", |bytes| bytes.truncate(bytes.len() / 2)),
        ("sign_mantissa", "a weight too few", |bytes| bytes.truncate(bytes.len() - 1)),
        ("luts", "a code of length 0", |bytes| {
            let lengths = bytes.len() - 256;
            let longest = (lengths..bytes.len()).max_by_key(|&at| bytes[at]).expect("a code");
            bytes[longest] = 0;
        }),
        ("luts", "pointers that loop", |bytes| bytes[..512].fill(255)),
        ("luts", "pointers to tables that are not there", |bytes| bytes[..256].fill(241)),
        ("gaps", "a gap that contradicts the stream", |bytes| bytes[3] ^= 0x10),
        ("output_positions", "positions that fall", |bytes| bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes())),
        ("split_positions", "matrices that fall", |bytes| bytes[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes())),
    ];
    for (leaf, what, damage) in damages {
        let work = Work::new().damage_array(&format!("model.layers.1.{leaf}"), damage);
        let failures = work.failures();
        let named = |error: &Error| matches!(error, Error::UnitDamaged { unit, .. } if unit == "model.layers.1");
        assert!(failures.iter().any(named), "{what}: {failures:?}");
        if leaf != "gaps" {
            let error = work.refused();
            assert!(error.is_failed_check() && error.to_string().contains("layers.1"), "{what}: {error}");
        }
    }
}

#[test]
fn a_changed_word_is_found_by_its_checksum_coded_or_raw() {
    for (array, tensor) in [
        ("model.layers.0.sign_mantissa", "model.layers.0.self_attn.q_proj.weight"),
        ("lm_head.sign_mantissa", "lm_head.weight"),
        ("model.norm.weight", "model.norm.weight"),
        ("from.the.future", "from.the.future"),
    ] {
        let work = Work::new().damage_array(array, |bytes| bytes[1] ^= 1);
        for error in [work.refused(), work.fails()] {
            assert!(matches!(&error, Error::Checksum { tensor: found, .. } if found == tensor), "{error}");
        }
    }
}

#[test]
fn all_that_differs_from_the_source_is_reported_by_tensor() {
    let work = Work::new().damage_array("model.layers.0.sign_mantissa", |bytes| bytes[1] ^= 1);
    let mut other = Contents { tensors: llama(), ..Contents::default() };
    other.tensor("model.norm.weight").bytes[5] ^= 1;
    other.tensors.push(tensor("new", "U8", &[1], vec![0]));
    other.tensors.retain(|tensor| tensor.name != "steps");
    other.write(&work.path("other"), 0);
    let options = with!(VerifyOptions::default(), against: Some(work.path("other")));
    let report = verify(&work.path("coded"), &options, &()).expect("it can be compared");
    let messages: Vec<String> = report.failures.iter().map(Error::to_string).collect();
    assert!(report.failures.iter().all(Error::is_failed_check));
    for (index, words) in [
        ["q_proj.weight", "xxh3"],
        ["q_proj.weight", "byte 2"],
        ["model.norm.weight", "byte 5"],
        ["steps", "nothing"],
        ["new", "missing"],
    ]
    .iter()
    .enumerate()
    {
        assert!(words.iter().all(|word| messages[index].contains(word)), "{messages:#?}");
    }
    assert_eq!(messages.len(), 5, "{messages:#?}");
    assert_eq!(
        (report.units, report.checksums, report.compared),
        (4, Some(llama().len() - 2), Some(llama().len() - 3))
    );
}

/// Changes the record, and gives it a matching checksum.
fn reseal(contents: &mut Contents, key: &str, change: impl FnOnce(&mut Value)) {
    let text = |value: &Value| value.as_str().expect("metadata is text").to_owned();
    let mut value: Value = serde_json::from_str(&text(&contents.metadata[key])).expect("JSON");
    change(&mut value);
    contents.metadata.insert(key.into(), value.to_string().into());
    let mut sealed: Vec<(String, String)> =
        contents.metadata.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    sealed.retain(|(key, _)| key.starts_with("df11.") && key != "df11.checksum");
    sealed.sort();
    let bytes: Vec<u8> = sealed.iter().flat_map(|(key, value)| format!("{key}\0{value}\0").into_bytes()).collect();
    let checksum = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes));
    contents.metadata.insert("df11.checksum".into(), checksum.into());
}

#[test]
fn a_record_that_does_not_fit_is_refused_even_with_a_checksum_that_does() {
    type Change = fn(&mut Value);
    let changes: [(&str, &str, Change); 12] = [
        ("df11.units", "a unit forgotten", |units| drop(units.as_object_mut().expect("units").remove("lm_head"))),
        ("df11.units", "a matrix renamed", |units| units["lm_head"][0] = json!("other.weight")),
        ("df11.units", "a matrix twice", |units| units["lm_head"][0] = json!("model.embed_tokens.weight")),
        ("df11.units", "a matrix too many", |units| units["lm_head"].as_array_mut().expect("a list").push(json!("x"))),
        ("df11.tensors", "another shape", |tensors| tensors["lm_head.weight"]["shape"] = json!([64, 300])),
        ("df11.tensors", "another shape of a raw tensor", |t| t["model.norm.weight"]["shape"] = json!([8, 8])),
        ("df11.tensors", "another dtype of a raw tensor", |t| t["model.norm.weight"]["dtype"] = json!("F16")),
        ("df11.tensors", "a coded tensor of no BF16 values", |t| t["lm_head.weight"]["dtype"] = json!("I16")),
        ("df11.tensors", "a tensor more", |tensors| tensors["x"] = tensors["lm_head.weight"].clone()),
        ("df11.sources", "no source", |sources| *sources = json!([])),
        ("df11.sources", "a source twice", |sources| {
            let again = sources[0].clone();
            sources.as_array_mut().expect("a list").push(again);
        }),
        ("df11.sources", "a source that is no header", |sources| sources[0]["bytes"] = json!("AwA=")),
    ];
    for (key, what, change) in changes {
        let work = Work::new().damage(|contents| reseal(contents, key, change));
        let error = work.refused();
        assert!(error.is_failed_check(), "{what}: {error}");
        // The reader needs no headers of the source, which alone contradict a shape of the same
        // product.
        if key != "df11.sources" && what != "another shape" {
            let error = Model::open(work.path("coded")).expect_err(what);
            let typed = matches!(
                error,
                Error::Record { .. }
                    | Error::TensorUnfit { .. }
                    | Error::TensorMissing { .. }
                    | Error::TensorTwice { .. }
            );
            assert!(typed, "{what}: {error}");
        }
    }
    let sound = Work::new().damage(|contents| reseal(contents, "df11.units", |_| {}));
    decompress(&sound.path("coded"), &sound.path("out"), &DecompressOptions::default(), &())
        .expect("resealing is right");
}

#[test]
fn a_record_that_was_touched_is_refused() {
    let work = Work::new().damage(|contents| {
        let changed = contents.metadata["df11.tensors"].as_str().expect("text").replacen("BF16", "F16", 1);
        contents.metadata.insert("df11.tensors".into(), changed.into());
    });
    for error in [work.refused(), work.fails()] {
        assert!(matches!(&error, Error::Record { key, .. } if key == "df11.checksum"), "{error}");
    }
}

#[test]
fn a_file_name_never_leads_out_of_the_directory() {
    let work = Work::new();
    for name in ["../evil.safetensors", "/tmp/evil.safetensors", "a\\evil.safetensors", "..", ""] {
        let (source, coded) = (work.path("directory"), work.path("coded"));
        let _ = fs::remove_dir_all(&source);
        fs::create_dir(&source).expect("created");
        let index = json!({"weight_map": {"a": name}}).to_string();
        fs::write(source.join("model.safetensors.index.json"), index).expect("written");
        assert!(matches!(compress_refused(&source), Error::NameLeavesDirectory { .. }), "{name}");
        fs::remove_file(&coded).expect("removed");
        compress(&work.path("source"), &coded, &CompressOptions::default(), &()).expect("a sound model");
        let mut contents = Contents::read(&coded);
        reseal(&mut contents, "df11.sources", |sources| sources[0]["name"] = json!(name));
        fs::create_dir(source.join("coded")).expect("created");
        contents.write(&source.join("coded/model.safetensors"), 0);
        let result = decompress(&source.join("coded"), &work.path("out"), &DecompressOptions::default(), &());
        assert!(matches!(&result, Err(Error::Record { key, .. }) if key == "df11.sources"), "{name}: {result:?}");
        assert!(!work.path("out").exists() && !work.path("evil.safetensors").exists());
    }
}

#[test]
fn another_geometry_and_foreign_patterns_are_refused_with_the_way_on() {
    let (work, fixture) = (tempdir().expect("a folder"), vectors("official").join("edge-long-codes/df11"));
    let coded = work.path().join("coded");
    fs::create_dir(&coded).expect("created");
    fs::copy(fixture.join("model.safetensors"), coded.join("model.safetensors")).expect("copied");
    let run = |config: Value, pattern_dict: Option<PatternDict>| {
        fs::write(coded.join("config.json"), config.to_string()).expect("written");
        let options = with!(DecompressOptions::default(), pattern_dict, force: true);
        decompress(&coded, &work.path().join("out"), &options, &()).map(|report| report.tensors)
    };
    let config: Value = serde_json::from_slice(&fs::read(fixture.join("config.json")).expect("read")).expect("JSON");
    for (field, value) in
        [("threads_per_block", json!([1024])), ("bytes_per_thread", json!(4)), ("version", json!("0.1.0"))]
    {
        let mut other = config.clone();
        other["dfloat11_config"][field] = value;
        let error = run(other, None).expect_err("another geometry");
        assert!(matches!(&error, Error::Config { field: found, .. } if *found == field), "{error}");
    }
    let old = run(json!({"dfloat11_version": "0.1.0"}), None).expect_err("pickled").to_string();
    assert!(old.contains("0.1"), "{old}");
    let mut other = config.clone();
    other["dfloat11_config"]["pattern_dict"] = json!({"(?!x)w": []});
    let error = run(other.clone(), None).expect_err("look-around");
    assert!(matches!(&error, Error::Pattern { pattern: Some(found), .. } if found == "(?!x)w"), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("(?!x)w") && message.contains("change this pattern or leave it out"), "{message}");
    let patterns = work.path().join("patterns.json");
    fs::write(&patterns, json!({"w": []}).to_string()).expect("written");
    assert_eq!(run(other.clone(), Some(PatternDict::read(&patterns).expect("patterns"))).expect("the way on"), 1);
    other["dfloat11_config"]["pattern_dict"] = json!({"v": []});
    assert!(matches!(run(other.clone(), None), Err(Error::MatricesUnknown { .. })));
    other["dfloat11_config"]["pattern_dict"] = json!({"w": ["a", "b"]});
    assert!(matches!(run(other, None), Err(Error::MatricesUnknown { .. })));
}

#[test]
fn an_output_that_exists_stays_as_it_is() {
    let work = Work::new();
    for (input, place) in [("source", "out"), ("source", "coded"), ("coded", "source")] {
        fs::write(work.path("out"), b"precious").expect("written");
        let before = fs::read(work.path(place)).expect("read");
        let refused = match input {
            "source" => compress(&work.path(input), &work.path(place), &CompressOptions::default(), &()).map(|_| ()),
            _ => decompress(&work.path(input), &work.path(place), &DecompressOptions::default(), &()).map(|_| ()),
        };
        let error = refused.expect_err("it exists");
        let exists = matches!(&error, Error::Output { reason: OutputReason::Exists { partial: None }, .. });
        let message = error.to_string();
        assert!(exists && message.contains(place) && message.contains("let it be replaced"), "{message}");
        assert!(fs::read(work.path(place)).expect("read") == before);
    }
}

#[test]
fn what_is_no_bf16_source_is_refused_with_the_next_step() {
    let work = Work::new();
    let message = compress_refused(&work.path("coded")).to_string();
    assert!(message.contains("already"), "{message}");
    let directory = work.path("directory");
    fs::create_dir(&directory).expect("created");
    assert!(compress_refused(&directory).to_string().contains(".safetensors"));
    for name in ["a", "b"] {
        Contents { tensors: vec![weights(name, &[2, 2], 1)], ..Contents::default() }
            .write(&directory.join(format!("{name}.safetensors")), 0);
    }
    assert!(compress_refused(&directory).to_string().contains("give one of the files"));
    let index = json!({"weight_map": {"a": "a.safetensors", "c": "b.safetensors"}}).to_string();
    let empty = json!({"weight_map": {}}).to_string();
    fs::write(directory.join("model.safetensors.index.json"), empty).expect("written");
    assert!(compress_refused(&directory).to_string().contains("names no tensor"));
    fs::write(directory.join("model.safetensors.index.json"), index).expect("written");
    assert!(matches!(compress_refused(&directory), Error::TensorMissing { tensor, .. } if tensor == "c"));
    // The index says which file holds a tensor. Without its word, two are one too many.
    let index = json!({"weight_map": {"b": "a.safetensors", "c": "b.safetensors"}}).to_string();
    fs::write(directory.join("model.safetensors.index.json"), index).expect("written");
    fs::copy(directory.join("a.safetensors"), directory.join("b.safetensors")).expect("copied");
    assert!(matches!(compress_refused(&directory), Error::TensorTwice { tensor, .. } if tensor == "a"));
    let taken = vec![weights("w.weight", &[128, 128], 1), tensor("w.gaps", "U8", &[1], vec![0])];
    Contents { tensors: taken, ..Contents::default() }.write(&work.path("taken"), 0);
    assert!(matches!(compress_refused(&work.path("taken")), Error::TensorUnfit { tensor, .. } if tensor == "w.gaps"));
    let error =
        decompress(&work.path("source"), &work.path("out"), &DecompressOptions::default(), &()).expect_err("BF16");
    assert!(error.to_string().contains("no DFloat11 unit"), "{error}");
    assert!(matches!(compress_refused(&work.path("nowhere")), Error::Io { .. }));
}

#[test]
fn a_changed_byte_is_refused_or_harmless_and_never_gives_other_words() {
    let work = Work(tempdir().expect("a temporary folder"));
    let matrices = ["b.0.x", "b.0.y", "b.1.x", "b.1.y"];
    let mut tensors: Vec<_> = matrices.iter().map(|name| weights(&format!("{name}.weight"), &[64, 32], 9)).collect();
    tensors.push(weights("norm", &[8], 1));
    Contents { tensors, ..Contents::default() }.write(&work.path("source"), 0);
    compress(&work.path("source"), &work.path("coded"), &CompressOptions::default(), &()).expect("a sound model");
    let (source, sound) = (fs::read(work.path("source")).expect("read"), fs::read(work.path("coded")).expect("read"));
    let options = with!(DecompressOptions::default(), force: true);
    // Every byte would take minutes of writing files. The step is prime, so that every part of
    // every array and of the header has its turn.
    let (step, mut tried, mut harmless) = (5, 0, 0);
    for at in (0..sound.len()).step_by(step) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        tried += 1;
        fs::write(work.path("coded"), &bytes).expect("written");
        if decompress(&work.path("coded"), &work.path("out"), &options, &()).is_ok() {
            harmless += 1;
            assert!(fs::read(work.path("out")).expect("read") == source, "byte {at} of {}", sound.len());
        }
    }
    // Harmless bytes: spaces, paddings, table entries that no code reaches, gaps that no decoder
    // needs.
    assert!(harmless < tried / 5, "{harmless} of {tried} bytes");
}
