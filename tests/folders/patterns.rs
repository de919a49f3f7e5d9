//! Patterns that match nothing.

use std::fs;

use serde_json::json;

use crate::makers::{beside, llama};
use crate::{Place, df11, text};

#[test]
fn a_pattern_that_matches_nothing_beside_others_is_named() {
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    let patterns = place.at("patterns.json");
    let some = json!({"lm_head": [], r"model\.layer\.\d+": ["mlp.up_proj"]}).to_string();
    fs::write(&patterns, some).expect("written");
    let run = place.there_and_back(&source, &["--pattern-dict", text(&patterns)]);
    assert!(run.stderr.contains(r"no module of the model matches model\.layer\.\d+"), "{}", run.stderr);
    df11(["compress", "--dry-run", text(&source), "--pattern-dict", text(&patterns)])
        .ends(0, &["no module of the model matches"]);
}

#[test]
fn patterns_of_which_none_matches_are_refused_in_both_codes() {
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    let patterns = place.at("patterns.json");
    for none in [json!({r"layers\.\d+": ["mlp.up_proj"]}), json!({})] {
        fs::write(&patterns, none.to_string()).expect("written");
        for code in ["canonical", "published"] {
            let output = place.at("output");
            let run = df11([
                "compress",
                text(&source),
                "-o",
                text(&output),
                "--pattern-dict",
                text(&patterns),
                "--code",
                code,
            ]);
            run.ends(2, &["none of them matches a module", "whole path"]);
            assert!(!output.exists());
        }
    }
}
