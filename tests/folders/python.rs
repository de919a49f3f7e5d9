//! JSON as Python writes it: bare NaN and Infinity, a byte order mark, keys that are there twice,
//! metadata that is null.

use std::fs;

use crate::makers::{Files, INDEX, TWO, beside, config, llama};
use crate::support::models::assert_same_tree;
use crate::{Place, text};

/// The config.json of the Llama with this text after its fields.
fn with_fields(more: &str) -> Files {
    let config = config().to_string();
    let text = format!("{}, {more}}}", config.strip_suffix('}').expect("an object"));
    beside().with("config.json", text).with_weights("model.safetensors", &llama())
}

#[test]
fn bare_nan_and_infinity_are_read_kept_and_restored() {
    let files =
        with_fields(r#""time_step_limit": [0.0, Infinity], "clip": NaN, "low": {"x": -Infinity}, "name": "NaN""#);
    for more in [&[][..], &["--code", "published"], &["--model-card"]] {
        let place = Place::new();
        let source = place.source(&files);
        let (coded, back) = (place.at("coded"), place.at("back"));
        let mut arguments = vec!["compress", text(&source), "-o", text(&coded)];
        arguments.extend(more);
        crate::df11(arguments).ends(0, &[]);
        let written = fs::read_to_string(coded.join("config.json")).expect("read").replace([' ', '\n'], "");
        for words in ["[0.0,Infinity]", "\"clip\":NaN", "{\"x\":-Infinity}", "\"name\":\"NaN\""] {
            assert!(written.contains(words), "{words}: {written}");
        }
        crate::df11(["verify", text(&coded), "--against", text(&source)]).ends(0, &["complete"]);
        crate::df11(["decompress", text(&coded), "-o", text(&back)]).ends(0, &[]);
        if !more.contains(&"published") {
            assert_same_tree(&source, &back);
        }
    }
}

#[test]
fn a_byte_order_mark_is_read_and_restored() {
    let place = Place::new();
    let mark = |value: serde_json::Value| format!("\u{feff}{value}");
    let index = crate::makers::index_of(&TWO, &llama());
    let files = beside().with_shards(&TWO, &llama()).with(INDEX, mark(index)).with("config.json", mark(config()));
    let source = place.source(&files);
    place.there_and_back(&source, &[]);
    assert_same_tree(&source, &place.at("back"));
}

#[test]
fn of_a_key_that_is_there_twice_the_last_value_counts() {
    let place = Place::new();
    let source = place.source(&with_fields(r#""rope_theta": 1, "rope_theta": 2"#));
    place.there_and_back(&source, &[]);
    assert_same_tree(&source, &place.at("back"));
    let written = fs::read(place.at("coded/config.json")).expect("read");
    let written: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(written["rope_theta"], 2);
}

#[test]
fn metadata_that_is_null_is_read_and_restored() {
    let place = Place::new();
    let whole = Files::default().with_weights("model.safetensors", &llama()).0.remove("model.safetensors");
    let whole = whole.expect("written");
    let (length, rest) = whole.split_first_chunk().expect("a header");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header = String::from_utf8(header.to_vec()).expect("text");
    let header = header.replace(r#""__metadata__":{"format":"pt"}"#, r#""__metadata__":null"#);
    assert!(header.contains("null"), "{header}");
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat();
    let source = place.source(&beside().with("model.safetensors", bytes));
    place.there_and_back(&source, &[]);
    assert_same_tree(&source, &place.at("back"));
}

#[test]
fn our_own_small_files_are_read_as_python_writes_json() {
    let place = Place::new();
    let shapes = place.at("shapes.json");
    let json =
        "\u{feff}{\"tensors\": [[\"a.weight\", \"BF16\", [8, 8]]], \"x\": NaN, \"config\": {\"limit\": [0, Infinity]}}";
    fs::write(&shapes, json).expect("written");
    crate::df11(["estimate", text(&shapes)]).ends(0, &[]);
    crate::df11(["synth", text(&shapes), "-o", text(&place.at("made"))]).ends(0, &[]);
    let written = fs::read_to_string(place.at("made/config.json")).expect("read").replace([' ', '\n'], "");
    assert_eq!(written, r#"{"limit":[0,Infinity]}"#);
}
