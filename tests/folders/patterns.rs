//! Patterns that match nothing, or are there twice: every job, and every form of INPUT, says so.

use std::fs;

use serde_json::json;

use crate::makers::{Files, beside, llama, transformer};
use crate::support::models::{Tensor, weights};
use crate::{Place, df11, text};

/// A pipeline of a transformer and a decoder without anything to code.
fn pipeline(place: &Place) -> std::path::PathBuf {
    let main = "diffusion_pytorch_model.safetensors";
    let vae: Vec<Tensor> = (0..3).map(|block| weights(&format!("blocks.{block}.norm.bias"), &[64], block)).collect();
    let files = Files::default()
        .with_json("model_index.json", &json!({"_class_name": "P", "transformer": ["d", "T"], "vae": ["d", "V"]}))
        .with_json("transformer/config.json", &json!({"_class_name": "T"}))
        .with_weights(&format!("transformer/{main}"), &transformer(3))
        .with_json("vae/config.json", &json!({"_class_name": "V"}))
        .with_weights(&format!("vae/{main}"), &vae);
    place.source(&files)
}

#[test]
fn a_pattern_that_matches_nothing_beside_others_is_named() {
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    let patterns = place.at("patterns.json");
    let some = json!({"lm_head": [], r"model\.layer\.\d+": ["mlp.up_proj"]}).to_string();
    fs::write(&patterns, some).expect("written");
    let run = place.there_and_back(&source, &["--pattern-dict", text(&patterns)]);
    assert!(run.stderr.contains(r"no module of the model matches model\.layer\.\d+"), "{}", run.stderr);
    for verb in [&["compress", "--dry-run"][..], &["estimate"]] {
        df11(verb.iter().chain(&[text(&source), "--pattern-dict", text(&patterns)]))
            .ends(0, &["no module of the model matches"]);
    }
}

#[test]
fn patterns_of_which_none_matches_are_refused_in_both_codes_and_by_the_prediction() {
    let place = Place::new();
    let model = place.source(&beside().with_weights("model.safetensors", &llama()));
    let other = Place::new();
    let patterns = place.at("patterns.json");
    for source in [model, pipeline(&other)] {
        for none in [json!({r"layers\.\d+": ["mlp.up_proj"]}), json!({})] {
            fs::write(&patterns, none.to_string()).expect("written");
            let (input, output, words) =
                (text(&source), place.at("output"), ["none of them matches a module", "whole path"]);
            for code in ["canonical", "published"] {
                let coding = ["--pattern-dict", text(&patterns), "--code", code];
                df11(["compress", input, "-o", text(&output)].iter().chain(&coding)).ends(2, &words);
                assert!(!output.exists());
                df11(["compress", "--dry-run", input].iter().chain(&coding)).ends(2, &words);
            }
            df11(["estimate", input, "--pattern-dict", text(&patterns)]).ends(2, &words);
        }
    }
}

#[test]
fn of_a_pipeline_a_pattern_that_matches_nothing_is_named_once() {
    let place = Place::new();
    let source = pipeline(&place);
    let patterns = place.at("patterns.json");
    let some = json!({r"transformer_blocks\.\d+": ["attn.to_q", "attn.to_k"], "no.such": []});
    fs::write(&patterns, some.to_string()).expect("written");
    let coded = place.at("coded");
    let with_patterns = ["--pattern-dict", text(&patterns)];
    let compress = df11(["compress", text(&source), "-o", text(&coded)].iter().chain(&with_patterns));
    let foretell = df11(["compress", "--dry-run", text(&source)].iter().chain(&with_patterns));
    for run in [compress.ends(0, &[]), foretell.ends(0, &[])] {
        assert_eq!(run.stderr.matches("no.such").count(), 1, "{}", run.stderr);
        assert!(!run.stderr.contains("matches transformer_blocks"), "{}", run.stderr);
        assert_eq!(run.stderr.matches("vae: has nothing to code, and was copied").count(), 1, "{}", run.stderr);
    }
}

#[test]
fn a_pattern_that_is_there_twice_is_refused() {
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    let patterns = place.at("patterns.json");
    fs::write(&patterns, r#"{"lm_head": [], "model.embed_tokens": [], "lm_head": ["x"]}"#).expect("written");
    for verb in ["compress", "estimate", "verify", "decompress"] {
        let output = place.at("output");
        let to = ["-o", text(&output)];
        let to = if verb.ends_with("compress") { &to[..] } else { &[] };
        df11([verb, text(&source), "--pattern-dict", text(&patterns)].iter().chain(to))
            .ends(2, &["patterns.json: pattern `lm_head` is there twice", "keep one of them"]);
    }
    fs::write(&patterns, "").expect("written");
    df11(["estimate", text(&source), "--pattern-dict", text(&patterns)]).ends(2, &["patterns.json: is empty"]);
}

#[test]
fn patterns_for_shapes_alone_are_refused_as_for_a_model() {
    let place = Place::new();
    let (shapes, patterns) = (place.at("shapes.json"), place.at("patterns.json"));
    let tensors = json!([["a.weight", "F32", [64, 64]], ["b.weight", "BF16", [64, 64]], ["b.gaps", "U8", [3]]]);
    fs::write(&shapes, json!({ "tensors": tensors }).to_string()).expect("written");
    for (pattern, words) in
        [("a", "expected a BF16 tensor"), ("b", "nothing of that name"), ("c", "none of them matches")]
    {
        fs::write(&patterns, json!({ pattern: [] }).to_string()).expect("written");
        df11(["estimate", text(&shapes), "--pattern-dict", text(&patterns)]).ends(2, &[words]);
    }
}

#[test]
fn a_prediction_refuses_the_flags_that_compress_refuses() {
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    df11(["compress", "--dry-run", text(&source), "--code", "published", "--all"]).ends(2, &["exclude each other"]);
}
