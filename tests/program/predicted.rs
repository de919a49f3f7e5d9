//! Estimates and dry runs, and models made of shapes alone.

use super::support::{architectures, vectors};
use super::{Place, df11, miniature, text};

#[test]
fn estimate_predicts_what_compress_writes() {
    let sample = vectors("minilm-sample").join("model.safetensors");
    let place = Place::new();
    let predicted = df11(["estimate", "--json", text(&sample)]).fine().json();
    df11(["compress", text(&sample), "-o", text(&place.at("out"))]).fine();
    let written = std::fs::metadata(place.at("out")).expect("written").len() as f64;
    let error = (predicted["output_bytes"].as_f64().expect("a number") - written).abs() / written;
    assert!(error < 0.003, "{error}");
    assert!(df11(["estimate", text(&sample)]).fine().stdout.contains("2 units and "));
    assert!(df11(["estimate", "--headers-only", text(&sample)]).fine().stdout.contains("from headers alone"));
}

#[test]
fn estimate_takes_shapes_for_a_model() {
    let model = vectors("architectures").join("llama/llama-3.1-8b.json");
    let told = df11(["estimate", text(&model)]).fine().stdout;
    assert!(told.contains("34 units") && told.contains("68.1 %"), "{told}");
}

#[test]
fn a_dry_run_lists_everything_and_writes_nothing() {
    let place = Place::new();
    let source = place.at("source");
    miniature::write_directory(&source);
    let before = place.names();
    let told = df11(["compress", "--dry-run", text(&source)]).fine().stdout;
    assert!(
        told.contains("model.layers.1") && told.contains("model.norm.weight") && told.contains("predicted"),
        "{told}"
    );
    df11(["compress", "--dry-run", text(&source), "-o", text(&place.at("out"))]).fine();
    assert_eq!(place.names(), before);
    df11(["compress", text(&source)]).fails(2, &["--output"]);
}

#[test]
fn all_codes_what_the_published_loader_cannot_read_and_says_so() {
    let place = Place::new();
    let source = place.at("source");
    let fused = architectures::models(|file| file == "miniature-fused");
    fused[0].write(&source);
    let run = df11(["compress", "--all", text(&source), "-o", text(&place.at("out"))]).fine();
    assert!(run.stderr.contains("only df11 reads this model"), "{}", run.stderr);
    df11(["verify", text(&place.at("out")), "--against", text(&source)]).fine();
}

#[test]
fn a_synthetic_model_compresses_like_a_trained_one() {
    let place = Place::new();
    let shapes = vectors("architectures").join("llama/miniature.json");
    let (model, coded) = (place.at("model"), place.at("coded"));
    df11(["synth", text(&shapes), "-o", text(&model), "--layers", "1", "--seed", "7"]).fine();
    df11(["synth", text(&shapes), "-o", text(&place.at("again")), "--layers", "1", "--seed", "7", "-T", "1"]).fine();
    let weights = |folder: &str| std::fs::read(place.at(folder).join("model.safetensors")).expect("written");
    assert!(weights("model") == weights("again"));
    let config = std::fs::read_to_string(model.join("config.json")).expect("written");
    assert!(config.contains("\"num_hidden_layers\": 1") && config.contains("LlamaForCausalLM"), "{config}");
    df11(["compress", text(&model), "-o", text(&coded)]).fine();
    let units = df11(["inspect", "--json", text(&coded)]).fine().json()["units"].clone();
    let units = units.as_array().expect("units").clone();
    assert_eq!(units.len(), 3);
    for unit in units {
        let entropy = unit["entropy"]["exponent"].as_f64().expect("a number");
        assert!((2.5..2.8).contains(&entropy), "{unit}");
    }
}
