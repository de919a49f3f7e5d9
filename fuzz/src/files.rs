//! Model files from strangers: an error, or the right weights. These are the targets of the facade.
//! Building it for a fuzzer takes minutes, so they have a feature of their own.

use crate::support::draw::{Bytes, Draw};
use crate::support::models::{Contents, tensor, tree, weights};
use crate::support::safetensors;
use crate::support::with;
use crate::targets::Target;
use df11::jobs::{
    CompressOptions, DecompressOptions, InspectOptions, VerifyOptions, compress, decompress, inspect, verify,
};
use df11::safetensors::Header;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Every target here.
pub const ALL: [Target; 2] = [("safetensors_header", safetensors_header), ("model_directory", model_directory)];

/// Most bytes of data that a header is tried with.
const MOST_DATA: u64 = 1 << 16;

/// A header of any JSON is refused, or its tensors fill the data without holes. It is never refused
/// if a plain reader finds it whole.
pub fn safetensors_header(data: &[u8]) {
    let mut draw = Bytes::new(data);
    let wish = draw.below(MOST_DATA);
    let json = draw.rest();
    // The data that the header itself asks for, so that the check goes beyond the size.
    let value: Option<Map<String, Value>> = serde_json::from_slice(json).ok();
    let ends = value.iter().flat_map(Map::values).filter_map(|entry| entry.get("data_offsets")?.get(1)?.as_u64());
    let data_bytes = ends.max().filter(|&end| end < MOST_DATA).unwrap_or(wish);
    let mut file = (json.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(json);
    file.resize(file.len() + data_bytes as usize, 0);
    let plain = safetensors::parse(&file);
    match (Header::parse(json, data_bytes), plain) {
        (Ok(header), plain) => {
            let mut end = 0;
            for (name, info) in &header.tensors {
                assert_eq!(info.begin, end, "{name}");
                assert!(info.end >= info.begin, "{name}");
                end = info.end;
            }
            assert_eq!(end, data_bytes);
            if let Ok(plain) = plain {
                let mut names: Vec<_> = header.tensors.iter().map(|(name, _)| name).collect();
                names.sort_unstable();
                assert!(names.into_iter().eq(plain.tensors.keys()));
                assert_eq!(header.metadata, plain.metadata);
            }
        }
        (Err(fault), Ok(plain)) => {
            // Only a strict reader minds a key or field that comes twice, or a first byte that
            // begins no object.
            let fault = fault.to_string();
            let strict = fault.contains("twice") || fault.contains("duplicate") || fault.contains("first byte");
            assert!(strict || fault.contains("not valid"), "{fault}, but a plain reader finds {plain:?}");
        }
        (Err(_), Err(_)) => {}
    }
}

/// Files of a folder by name, or one file under the name "".
type Tree = BTreeMap<String, Vec<u8>>;

struct Sound {
    source: Tree,
    coded: Tree,
}

/// Small models, and what they are compressed to: a folder of one file, a folder of two shards, the
/// same in one file, and a file without a folder.
fn sound() -> &'static [Sound] {
    static SOUND: OnceLock<Vec<Sound>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let tensors = vec![
            weights("model.layers.0.mlp.up_proj.weight", &[40, 64], 1),
            weights("model.layers.0.mlp.down_proj.weight", &[64, 40], 2),
            weights("model.layers.0.norm.weight", &[64], 3),
            weights("lm_head.weight", &[50, 80], 4),
            tensor("steps", "I64", &[], 7_u64.to_le_bytes().to_vec()),
        ];
        let (some, others) = tensors.split_at(3);
        let file = |tensors: &[_]| {
            let work = tempfile::tempdir().expect("a temporary folder");
            Contents { tensors: tensors.to_vec(), ..Contents::default() }.write(&work.path().join("file"), 3);
            fs::read(work.path().join("file")).expect("it was written")
        };
        let config = br#"{"model_type": "llama", "hidden_size": 64}"#.to_vec();
        let shards = ["model-1.safetensors", "model-2.safetensors"];
        let map: Map<String, Value> = [(shards[0], some), (shards[1], others)]
            .into_iter()
            .flat_map(|(shard, tensors)| tensors.iter().map(move |tensor| (tensor.name.clone(), json!(shard))))
            .collect();
        let index = json!({ "weight_map": map }).to_string().into_bytes();
        let whole = Tree::from([("config.json".into(), config.clone()), ("model.safetensors".into(), file(&tensors))]);
        let sharded = Tree::from([
            ("config.json".into(), config),
            ("model.safetensors.index.json".into(), index),
            (shards[0].into(), file(some)),
            (shards[1].into(), file(others)),
        ]);
        let alone = Tree::from([(String::new(), file(&tensors))]);
        let forms = [(whole.clone(), false), (sharded, false), (whole, true), (alone, false)];
        forms.map(|(source, single_file)| Sound { coded: coded(&source, single_file), source }).into()
    })
}

fn coded(source: &Tree, single_file: bool) -> Tree {
    let work = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (work.path().join("source"), work.path().join("coded"));
    write(source, &from);
    let options = with!(CompressOptions::default(), single_file);
    compress(&from, &to, &options, &()).expect("a sound model is compressed");
    read(&to)
}

fn write(tree: &Tree, path: &Path) {
    if let Some(file) = tree.get("") {
        return fs::write(path, file).expect("written");
    }
    fs::create_dir(path).expect("created");
    tree.iter().for_each(|(name, bytes)| fs::write(path.join(name), bytes).expect("written"));
}

fn read(path: &Path) -> Tree {
    if path.is_file() { Tree::from([(String::new(), fs::read(path).expect("read"))]) } else { tree(path) }
}

/// A compressed model with a few damages is refused, or decompressed to its source; without a
/// record, it is only safe. A damaged source is refused, or compressed so that it comes back.
pub fn model_directory(data: &[u8]) {
    let mut draw = Bytes::new(data);
    let sound = &sound()[draw.below(4) as usize];
    let work = tempfile::tempdir().expect("a temporary folder");
    let [input, output, back] = ["input", "output", "back"].map(|name| work.path().join(name));
    let damage_source = draw.chance(25);
    let mut files = if damage_source { sound.source.clone() } else { sound.coded.clone() };
    for _ in 0..1 + draw.below(3) {
        damage(&mut files, &mut draw);
    }
    if files.is_empty() {
        return;
    }
    write(&files, &input);
    let _ = inspect(&input, &InspectOptions::default(), &());
    if damage_source {
        if let Ok(report) = compress(&input, &output, &CompressOptions::default(), &()) {
            // A weight file that the model does not name is left out, and a note says so.
            let left_out = |name: &str| report.notes.iter().any(|note| note.to_string().starts_with(name));
            files.retain(|name, _| name.is_empty() || !left_out(name));
            let report = decompress(&output, &back, &DecompressOptions::default(), &());
            let report = report.unwrap_or_else(|e| panic!("what was compressed does not come back: {e}"));
            assert!(report.byte_exact);
            same_files(&files, &read(&back));
        }
        return;
    }
    let restored = decompress(&input, &output, &DecompressOptions::default(), &());
    if restored.as_ref().is_ok_and(|report| report.byte_exact) {
        same_files(&sound.source, &read(&output));
    }
    let verified = verify(&input, &VerifyOptions::default(), &());
    if verified.is_ok_and(|report| report.checksums.is_some() && report.failures.is_empty()) {
        let report = restored.unwrap_or_else(|e| panic!("it is verified and does not come back: {e}"));
        assert!(report.byte_exact, "it is verified by a record that decompression does not see");
    }
    assert!(!work.path().join("output.partial").exists(), "something was left behind");
}

/// Compares the weights and what describes them. Files that a damage added beside them do not
/// count.
fn same_files(expected: &Tree, found: &Tree) {
    for (name, bytes) in expected {
        let part = name.is_empty() || name.ends_with(".safetensors") || name.ends_with(".json");
        assert!(!part || found.get(name) == Some(bytes), "{name} is not what it was");
    }
}

fn damage(files: &mut Tree, draw: &mut Bytes) {
    if files.is_empty() {
        return;
    }
    let name = files.keys().nth(draw.below(files.len() as u64) as usize).expect("a file").clone();
    let bytes = files.get_mut(&name).expect("a file");
    match draw.below(8) {
        0 | 1 if !bytes.is_empty() => {
            let at = if draw.chance(60) { draw.below(2000) as usize % bytes.len() } else { anywhere(bytes, draw) };
            bytes[at] ^= 1 << draw.below(8);
        }
        2 => bytes.truncate(anywhere(bytes, draw)),
        3 => bytes.extend(std::iter::repeat_n(draw.below(256) as u8, 1 + draw.below(99) as usize)),
        4 if !name.is_empty() => {
            let bytes = files.remove(&name).expect("a file");
            const NAMES: [&str; 5] =
                ["model.safetensors", "config.json", "x.safetensors", "x.json", "model_layers_0.safetensors"];
            if draw.chance(70) {
                files.insert(NAMES[draw.below(5) as usize].into(), bytes);
            }
        }
        _ => edit_json(&name, bytes, draw),
    }
}

fn anywhere(bytes: &[u8], draw: &mut Bytes) -> usize {
    draw.below(bytes.len().max(1) as u64) as usize
}

/// Changes one value in the JSON of a file or of its header, and keeps the header's length right.
fn edit_json(name: &str, bytes: &mut Vec<u8>, draw: &mut Bytes) {
    let is_json = name.ends_with(".json");
    let length = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length)) as usize;
    let Some(text) = (if is_json { Some(&bytes[..]) } else { bytes.get(8..8 + length.min(1 << 20)) }) else { return };
    let Ok(mut value) = serde_json::from_slice::<Value>(text) else { return };
    let mut places = 0;
    count(&value, &mut places);
    let mut place = draw.below(places);
    edit(&mut value, &mut place, draw);
    let text = value.to_string().into_bytes();
    if is_json {
        *bytes = text;
    } else {
        let data = bytes.split_off(8 + length);
        *bytes = [&(text.len() as u64).to_le_bytes()[..], &text, &data].concat();
    }
}

fn count(value: &Value, places: &mut u64) {
    *places += 1;
    match value {
        Value::Array(list) => list.iter().for_each(|value| count(value, places)),
        Value::Object(map) => map.values().for_each(|value| count(value, places)),
        _ => {}
    }
}

/// Changes the value number `place`, in the order of `count`.
fn edit(value: &mut Value, place: &mut u64, draw: &mut Bytes) {
    if *place == 0 {
        *value = changed(value, draw);
    }
    *place = place.wrapping_sub(1);
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| edit(value, place, draw)),
        Value::Object(map) => map.values_mut().for_each(|value| edit(value, place, draw)),
        _ => {}
    }
}

fn changed(value: &Value, draw: &mut Bytes) -> Value {
    const TEXTS: [&str; 12] = [
        "",
        "..",
        "../x",
        "a/b",
        "model.safetensors",
        "lm_head.weight",
        "BF16",
        "U8",
        "(a+)+$",
        "(\\d{999}){999}",
        ".*",
        "(",
    ];
    let text = |draw: &mut Bytes| json!(TEXTS[draw.below(TEXTS.len() as u64) as usize]);
    match (value, draw.below(4)) {
        (Value::Number(number), 0 | 1) => {
            let number = number.as_u64().unwrap_or(0);
            json!(number.wrapping_add(draw.below(5)).wrapping_sub(2))
        }
        (Value::Number(_), 2) => json!(u64::MAX >> draw.below(64)),
        (Value::String(old), 0) if old.starts_with(['{', '[']) => {
            // JSON within JSON: the record.
            let mut inner = old.clone().into_bytes();
            edit_json("inner.json", &mut inner, draw);
            json!(String::from_utf8_lossy(&inner))
        }
        (Value::String(old), 0 | 1) => {
            let mut letters: Vec<char> = old.chars().collect();
            if !letters.is_empty() {
                let at = draw.below(letters.len() as u64) as usize;
                letters[at] = char::from(32 + draw.below(95) as u8);
            }
            json!(letters.into_iter().collect::<String>())
        }
        (Value::Array(list), 0 | 1) => {
            let mut list = list.clone();
            if !list.is_empty() {
                let at = draw.below(list.len() as u64) as usize;
                if draw.chance(50) { drop(list.remove(at)) } else { list.push(list[at].clone()) }
            }
            list.into()
        }
        (Value::Object(map), 0..3) if !map.is_empty() => {
            let mut entries: Vec<(String, Value)> = map.clone().into_iter().collect();
            let (at, other) = (draw.below(entries.len() as u64) as usize, draw.below(entries.len() as u64) as usize);
            match draw.below(4) {
                0 => drop(entries.remove(at)),
                // Names change places.
                1 => {
                    let name = entries[at].0.clone();
                    entries[at].0 = std::mem::replace(&mut entries[other].0, name);
                }
                2 => entries[at].1 = entries[other].1.clone(),
                _ => entries[at].0.push_str(TEXTS[draw.below(TEXTS.len() as u64) as usize]),
            }
            Value::Object(entries.into_iter().collect())
        }
        (_, 2) => text(draw),
        (_, 3) => {
            [json!(null), json!([]), json!({}), json!(-1), json!(1e300), json!(true)][draw.below(6) as usize].clone()
        }
        (other, _) => other.clone(),
    }
}
