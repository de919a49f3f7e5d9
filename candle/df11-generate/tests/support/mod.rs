//! What the tests of both programs share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

/// The folder of a small model.
pub fn folder(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../df11-candle/tests/vectors").join(model)
}

pub fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a run with --json printed.
pub fn json_of(output: Output) -> Value {
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The message of a run that must fail.
pub fn refused(output: Output) -> String {
    assert_eq!((output.status.code(), text_of(&output.stdout)), (Some(2), String::new()));
    let message = text_of(&output.stderr);
    assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    message
}

/// A copy of a model with a tokenizer whose words are `w0` to `w127`, and other fields in
/// config.json.
pub fn with_tokenizer(model: &str, fields: Value) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let words: serde_json::Map<_, _> = (0..128).map(|word| (format!("w{word}"), word.into())).collect();
    let tokenizer = json!({
        "version": "1.0", "added_tokens": [], "pre_tokenizer": { "type": "WhitespaceSplit" },
        "model": { "type": "WordLevel", "vocab": words, "unk_token": "w3" },
        // Where special tokens are asked for, w1 begins a text and w2 ends it: as BERT has it.
        "post_processor": if model == "bert" {
            json!({ "type": "BertProcessing", "cls": ["w1", 1], "sep": ["w2", 2] })
        } else {
            Value::Null
        },
    });
    fs::write(copy.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs::copy(folder(model).join("model.safetensors"), copy.path().join("model.safetensors")).unwrap();
    let mut config: Value = serde_json::from_slice(&fs::read(folder(model).join("config.json")).unwrap()).unwrap();
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    copy
}
