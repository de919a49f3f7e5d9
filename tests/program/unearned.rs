//! Memory and time that an input has not earned: files made to cost much run in as little as their
//! size allows.
//!
//! JSON may cost 40 bytes of memory per byte (a value of two bytes, `0,`, takes 32). The record of
//! the source may cost several times what it inflates to, 64 bytes for each of its own. Each run
//! has no more memory than that, so one byte too many aborts it. The system's limit also counts the
//! spare room of growing lists, which is never touched: hence 100 here.
//! `ci/hostile/resources.py` measures what is resident.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::support::models::{Contents, weights};
use crate::{Place, Run, df11, ended, miniature, shell, text};

/// What a run needs if it is given nothing: threads and their stacks, buffers of a few MB.
const BASE: u64 = 48 << 20;
const JSON_FACTOR: u64 = 100;

/// Runs the program with this much memory. It may refuse, but must not abort or panic.
#[track_caller]
fn within(bytes: u64, arguments: &[&str]) -> Run {
    let limited = format!(r#"export RAYON_NUM_THREADS=2; ulimit -d {}; exec "$0" "$@""#, bytes / 1024);
    let began = Instant::now();
    let output = shell(&limited, arguments);
    let said = start(&String::from_utf8_lossy(&output.stderr));
    assert!(matches!(output.status.code(), Some(0..=2)), "{arguments:?} in {bytes} bytes: {} {said}", output.status);
    let run = ended(output);
    assert!(began.elapsed() < Duration::from_secs(60), "{arguments:?}");
    run
}

fn start(text: &str) -> String {
    text.chars().take(500).collect()
}

/// A JSON list of about `bytes` bytes, with one item repeated.
fn list(item: &str, bytes: usize) -> String {
    let count = bytes / (item.len() + 1);
    format!("[{item}{}]", format!(",{item}").repeat(count))
}

/// An object of about `bytes` bytes, with numbers as keys.
fn object(value: &str, bytes: usize) -> String {
    let count = bytes / (value.len() + 10);
    let fields: Vec<_> = (0..count).map(|i| format!("\"{i}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// JSON of about this size for which a parser may pay much.
fn dear(bytes: usize) -> Vec<String> {
    vec![
        list("0", bytes),
        list("\"\"", bytes),
        list("{}", bytes),
        list("[]", bytes),
        object("0", bytes),
        object("[]", bytes),
        object("\"\"", bytes),
        list("\"\\u0000\\ud83d\\ude00\"", bytes),
        format!("{}0{}", "[".repeat(bytes / 2), "]".repeat(bytes / 2)),
        format!("{}{}{}", "[".repeat(100), list("0", bytes), "]".repeat(100)),
        format!("1{}", "0".repeat(bytes)),
        format!("{{\"a\":{},\"a\":{}}}", list("0", bytes / 2), list("0", bytes / 2)),
        format!("{}\"\"{}", "{\"a\":".repeat(100), "}".repeat(100)),
    ]
}

fn safetensors(path: &Path, header: &str) {
    fs::write(path, [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()).expect("written");
}

fn folder(place: &Place) -> PathBuf {
    let folder = place.at("m");
    miniature::write_directory(&folder);
    folder
}

const SIZE: usize = 1 << 20;

#[test]
fn json_beside_a_model_costs_what_its_size_allows() {
    let place = Place::new();
    let (source, out) = (folder(&place), place.at("out"));
    let coded = place.at("coded");
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    let allowed = BASE + JSON_FACTOR * SIZE as u64;
    for json in dear(SIZE) {
        for config in [format!("{{\"a\":{json}}}"), format!("{{\"dfloat11_config\":{json}}}"), json.clone()] {
            fs::write(source.join("config.json"), &config).expect("written");
            fs::write(coded.join("config.json"), &config).expect("written");
            within(allowed, &["compress", text(&source), "-o", text(&out), "-f"]);
            within(allowed, &["compress", text(&source), "-o", text(&out), "-f", "--code", "published"]);
            within(allowed, &["verify", text(&coded)]);
        }
        fs::write(source.join("config.json"), "{}").expect("written");
        let index = fs::read(source.join("model.safetensors.index.json")).expect("read");
        for dear in [format!("{{\"weight_map\":{json}}}"), format!("{{\"weight_map\":{{}},\"x\":{json}}}")] {
            fs::write(source.join("model.safetensors.index.json"), dear).expect("written");
            within(allowed, &["estimate", text(&source)]);
        }
        fs::write(source.join("model.safetensors.index.json"), index).expect("written");
        for dear in
            [json.clone(), format!("{{\"tensors\":{json}}}"), format!("{{\"tensors\":[[\"a\",\"BF16\",{json}]]}}")]
        {
            let shapes = place.at("shapes.json");
            fs::write(&shapes, dear).expect("written");
            within(allowed, &["estimate", text(&shapes)]);
            within(allowed, &["compress", text(&source), "-o", text(&out), "-f", "--pattern-dict", text(&shapes)]);
        }
    }
}

#[test]
fn a_header_costs_what_its_size_allows() {
    let place = Place::new();
    let (path, out) = (place.at("m.safetensors"), place.at("out"));
    let entry = |shape: &str| format!(r#"{{"a":{{"dtype":"U8","shape":{shape},"data_offsets":[0,0]}}}}"#);
    let tensors: Vec<_> =
        (0..40_000).map(|i| format!(r#""{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#)).collect();
    let mut headers = vec![entry(&list("0", SIZE)), format!("{{{}}}", tensors.join(","))];
    headers.push(format!("{{\"__metadata__\":{}}}", object("\"\"", SIZE)));
    for json in dear(SIZE) {
        headers.push(format!("{{\"a\":{json}}}"));
        headers.push(format!("{{\"__metadata__\":{json}}}"));
        headers.push(entry(&json));
        // JSON in JSON: the record.
        for key in ["df11.units", "df11.tensors", "df11.sources", "df11.config"] {
            headers.push(json!({"__metadata__": {"df11.version": "1", key: json}}).to_string());
        }
    }
    for header in headers {
        safetensors(&path, &header);
        let allowed = BASE + JSON_FACTOR * header.len() as u64;
        for verb in [
            &["compress", "-o", text(&out), "-f"][..],
            &["decompress", "-o", text(&out), "-f"],
            &["verify"],
            &["inspect"],
        ] {
            within(allowed, &[&verb[..1], &[text(&path)], &verb[1..]].concat());
        }
    }
}

/// The header and the data of a file.
fn parted(file: &Path) -> (Map<String, Value>, Vec<u8>) {
    let mut bytes = fs::read(file).expect("read");
    let length = u64::from_le_bytes(*bytes.first_chunk().expect("a length")) as usize;
    let data = bytes.split_off(8 + length);
    (serde_json::from_slice(&bytes[8..]).expect("JSON"), data)
}

/// The same model with another `df11.sources`, and a record checksum that matches.
fn with_sources(coded: &Path, to: &Path, sources: &Value) {
    let (mut header, data) = parted(coded);
    let metadata = header["__metadata__"].as_object_mut().expect("metadata");
    metadata.insert("df11.sources".into(), sources.to_string().into());
    let ours: BTreeMap<_, _> = metadata.iter().filter(|(key, _)| key.starts_with("df11.")).collect();
    let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
    for (key, value) in ours.into_iter().filter(|(key, _)| *key != "df11.checksum") {
        hash.update(&[key.as_bytes(), &[0], value.as_str().expect("text").as_bytes(), &[0]].concat());
    }
    let checksum = format!("{:016x}", hash.digest());
    metadata.insert("df11.checksum".into(), checksum.into());
    let json = Value::Object(header).to_string().into_bytes();
    fs::write(to, [&(json.len() as u64).to_le_bytes()[..], &json, &data].concat()).expect("written");
}

fn source(name: &str, kind: &str, bytes: &[u8]) -> Value {
    json!({"name": name, "kind": kind, "bytes": STANDARD.encode(miniz_oxide::deflate::compress_to_vec(bytes, 9))})
}

#[test]
fn what_a_record_inflates_to_is_bounded_by_its_size_and_by_what_the_model_holds() {
    let place = Place::new();
    let (plain, coded, forged, out) =
        (place.at("m.safetensors"), place.at("coded"), place.at("forged"), place.at("out"));
    Contents { tensors: vec![weights("a.weight", &[256, 256], 1)], ..Contents::default() }.write(&plain, 0);
    df11(["compress", text(&plain), "-o", text(&coded)]).fine();
    let (header, _) = parted(&plain);
    let header_of = |json: &str| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    let sound = source("m.safetensors", "safetensors", &header_of(&Value::Object(header.clone()).to_string()));
    // The forging itself is not what is refused.
    with_sources(&coded, &forged, &json!([sound]));
    df11(["decompress", text(&forged), "-o", text(&out)]).fine();
    fs::remove_file(&out).expect("removed");
    let with_shape = |shape: &str| {
        let entry = format!(r#""a.weight":{{"dtype":"BF16","shape":{shape},"data_offsets":[0,131072]}}"#);
        source("m.safetensors", "safetensors", &header_of(&format!("{{{entry}}}")))
    };
    let tensors = |count: usize| {
        let entry = |i: usize| format!(r#""{i}":{{"dtype":"U8","shape":[],"data_offsets":[0,1]}}"#);
        let entries: Vec<_> = (0..count).map(entry).collect();
        source("m.safetensors", "safetensors", &header_of(&format!("{{{}}}", entries.join(","))))
    };
    let blank = |bytes: usize| source("config.json", "verbatim", &vec![b' '; bytes]);
    let nothing = json!({"name": "config.json", "kind": "verbatim", "bytes": ""});
    // Each inflates to less than 200 MB, which was once the only bound.
    let bombs = [
        ("a shape of 90 million sizes", vec![with_shape(&list("1", 180_000_000))]),
        ("a shape of a million sizes", vec![with_shape(&list("1", 2_000_000))]),
        ("a million tensors", vec![tensors(1_000_000)]),
        ("thousands of tensors", vec![tensors(40_000)]),
        ("150 MB of spaces", vec![sound.clone(), blank(150_000_000)]),
        ("many times 3 MB of spaces", std::iter::repeat_n(blank(3_000_000), 50).collect()),
        ("nothing", vec![sound.clone(), nothing]),
    ];
    for (name, sources) in bombs {
        with_sources(&coded, &forged, &json!(sources));
        let bytes = fs::metadata(&forged).expect("written").len();
        let run = within(BASE + 200 * bytes, &["decompress", text(&forged), "-o", text(&out)]);
        println!("{name}: {bytes} bytes, {}", start(&run.stderr));
        run.fails(2, &["df11.sources"]);
        assert!(!out.exists());
        within(BASE + 200 * bytes, &["verify", text(&forged)]);
    }
}

#[test]
fn a_source_that_deflates_to_nearly_nothing_comes_back_all_the_same() {
    let place = Place::new();
    let (source, coded, back) = (folder(&place), place.at("coded"), place.at("back"));
    fs::write(source.join("config.json"), format!("{{{}}}", " ".repeat(20 << 20))).expect("written");
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    df11(["decompress", text(&coded), "-o", text(&back)]).fine();
    crate::support::models::assert_same_tree(&source, &back);
}

#[test]
fn patterns_that_take_minutes_to_compile_are_refused_at_once() {
    let place = Place::new();
    let (source, patterns) = (folder(&place), place.at("patterns.json"));
    let of = |patterns: &mut dyn Iterator<Item = String>| -> Value {
        Value::Object(patterns.map(|pattern| (pattern, json!([]))).collect())
    };
    let dear = [
        of(&mut (0..10_000).map(|i| format!("{}{i}", r"\w".repeat(10)))),
        of(&mut (0..10_000).map(|i| format!("a{{900}}{i}"))),
        of(&mut (0..200_000).map(|i| i.to_string())),
        of(&mut std::iter::once(r"\w".repeat(1_000_000))),
        of(&mut std::iter::once(r"[^\W]".repeat(1_000_000))),
    ];
    for dictionary in dear {
        fs::write(&patterns, dictionary.to_string()).expect("written");
        let bytes = fs::metadata(&patterns).expect("written").len();
        let arguments = ["estimate", text(&source), "--pattern-dict", text(&patterns)];
        let began = Instant::now();
        within(BASE + (64 << 20) + JSON_FACTOR * bytes, &arguments).fails(2, &["all patterns together"]);
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_few_rows_of_shapes_stand_for_no_more_than_fits() {
    let place = Place::new();
    let shapes = place.at("shapes.json");
    let long = "x".repeat(60_000);
    for (row, words) in [
        (format!(r#"["{long}{{0..1000000}}", "BF16", [1]]"#), "tensors at most"),
        (format!(r#"["x{{0..1000000}}", "BF16", {}]"#, list("1", 10_000)), "in place of"),
    ] {
        fs::write(&shapes, format!(r#"{{"tensors": [{row}]}}"#)).expect("written");
        for arguments in [&["estimate", text(&shapes)][..], &["synth", text(&shapes), "-o", text(&place.at("out"))]] {
            within(BASE + (64 << 20), arguments).fails(2, &[words]);
        }
    }
}

#[test]
fn a_long_name_or_shape_is_shown_and_does_not_end_the_program() {
    let place = Place::new();
    let path = place.at("m.safetensors");
    let name = "x".repeat(70_000);
    safetensors(&path, &format!(r#"{{"{name}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}}}"#));
    df11(["inspect", text(&path)]).fine();
    safetensors(&path, &format!(r#"{{"a":{{"dtype":"U8","shape":{},"data_offsets":[0,0]}}}}"#, list("0", 140_000)));
    df11(["inspect", text(&path)]).fine();
}

/// The sizes fit each other, and the file is as long as it claims. Only memory is missing.
#[test]
fn a_unit_too_large_for_the_memory_is_an_error_and_no_abort() {
    let place = Place::new();
    let path = place.at("m.safetensors");
    let (mut header, mut end) = (Map::new(), 0_u64);
    for (leaf, shape, bytes) in [
        ("encoded_exponent", json!([1]), 1),
        ("sign_mantissa", json!([4_000_000_000_u64]), 4_000_000_000),
        ("luts", json!([2, 256]), 512),
        ("gaps", json!([320]), 320),
        ("output_positions", json!([8]), 8),
        ("split_positions", json!([0]), 0),
    ] {
        let dtype = if leaf == "split_positions" { "I64" } else { "U8" };
        let offsets = [end, end + bytes];
        header.insert(format!("w.{leaf}"), json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}));
        end += bytes;
    }
    safetensors(&path, &Value::Object(header).to_string());
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
    let length = file.metadata().expect("there").len();
    if file.set_len(length + end).is_err() {
        return eprintln!("SKIPPED: no file of {end} bytes here");
    }
    let out = place.at("out");
    for verb in [&["inspect"][..], &["verify"], &["decompress", "-o", text(&out)]] {
        let run = within(BASE, &[&verb[..1], &[text(&path)], &verb[1..]].concat());
        run.fails(2, &["not enough memory for w.sign_mantissa", "4000000000 bytes"]);
    }
}
