//! Whether a DFloat11 folder is complete: by its record, or by what names and config.json tell.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::makers::{Files, beside, config, llama, transformer};
use crate::support::models::{Contents, Tensor, tree};
use crate::{Place, df11, text};

/// A published DFloat11 folder of a Llama of three blocks.
fn published(place: &Place) -> PathBuf {
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    let coded = place.at("coded");
    df11(["compress", text(&source), "-o", text(&coded), "--code", "published"]).ends(0, &[]);
    coded
}

/// The tensors of all weight files of a folder, by name.
fn tensors(folder: &Path) -> Vec<Tensor> {
    let files = tree(folder).into_iter().filter(|(name, _)| name.ends_with(".safetensors"));
    let mut tensors: Vec<Tensor> = files.flat_map(|(_, bytes)| Contents::of(&bytes).tensors).collect();
    tensors.sort_by(|one, other| one.name.cmp(&other.name));
    tensors
}

#[test]
fn a_published_llama_is_complete_and_comes_back() {
    let place = Place::new();
    let coded = published(&place);
    df11(["verify", text(&coded)]).ends(0, &[": complete: 5 units"]);
    df11(["inspect", text(&coded)]).ends(0, &["\ncomplete\n"]);
    df11(["decompress", text(&coded), "-o", text(&place.at("back"))]).ends(0, &["; complete)"]);
    assert!(tensors(&place.at("source")) == tensors(&place.at("back")));
}

/// Checks what each verb says of a published folder that lacks something, and that `--partial`
/// restores the rest.
#[track_caller]
fn lacks(place: &Place, coded: &Path, missing: &[&str]) {
    df11(["verify", text(coded)]).ends(1, &["not complete: missing "]).ends(1, missing);
    df11(["inspect", text(coded)]).ends(0, &["\nnot complete: missing "]).ends(0, missing);
    let back = place.at("back");
    df11(["decompress", text(coded), "-o", text(&back)]).ends(2, &["not complete", "--partial"]).ends(2, missing);
    assert!(!back.exists());
    df11(["decompress", text(coded), "-o", text(&back), "--partial"])
        .ends(0, &["NOT the whole source"])
        .ends(0, missing);
    let (all, found) = (tensors(&place.at("source")), tensors(&back));
    assert!(!found.is_empty() && found.len() < all.len());
    // The shapes of another architecture are known from nowhere.
    let is_of_source = |found: &Tensor| all.iter().any(|own| own.name == found.name && own.bytes == found.bytes);
    assert!(found.iter().all(is_of_source), "other weights than the source's");
}

#[test]
fn a_published_folder_that_lacks_a_file_is_not_complete() {
    for (file, missing) in [
        ("model_layers_1.safetensors", "model.layers.1"),
        ("model_layers_0.safetensors", "model.layers.0"),
        ("model_layers_2.safetensors", "model.layers.2"),
        ("lm_head.safetensors", "lm_head.weight"),
        ("model_embed_tokens.safetensors", "model.embed_tokens.weight"),
        ("model.safetensors", "model.norm.weight"),
    ] {
        let place = Place::new();
        let coded = published(&place);
        fs::remove_file(coded.join(file)).expect("removed");
        lacks(&place, &coded, &[missing]);
    }
}

#[test]
fn a_published_folder_without_any_unit_is_not_complete() {
    let place = Place::new();
    let coded = published(&place);
    for name in tree(&coded).keys().filter(|name| name.ends_with(".safetensors") && *name != "model.safetensors") {
        fs::remove_file(coded.join(name)).expect("removed");
    }
    df11(["verify", text(&coded)]).ends(1, &["not complete", "all 3 blocks"]);
    df11(["decompress", text(&coded), "-o", text(&place.at("back"))]).ends(2, &["not complete", "all 3 blocks"]);
}

#[test]
fn a_gap_in_the_blocks_of_any_architecture_is_told() {
    let place = Place::new();
    let files = Files::default().with_json("config.json", &json!({"_class_name": "T"}));
    let source = place.source(&files.with_weights("diffusion_pytorch_model.safetensors", &transformer(3)));
    let coded = place.at("coded");
    df11(["compress", text(&source), "-o", text(&coded), "--code", "published"]).ends(0, &[]);
    df11(["verify", text(&coded)]).ends(0, &[": completeness unknown: 3 units"]);
    df11(["inspect", text(&coded)]).ends(0, &["\ncompleteness unknown\n"]);
    fs::remove_file(coded.join("transformer_blocks_1.safetensors")).expect("removed");
    lacks(&place, &coded, &["transformer_blocks.1"]);
}

#[test]
fn config_json_tells_how_many_blocks_another_architecture_has() {
    let place = Place::new();
    let mut other = config();
    other["model_type"] = "other".into();
    let source = place.source(&beside().with_json("config.json", &other).with_weights("model.safetensors", &llama()));
    let coded = place.at("coded");
    df11(["compress", text(&source), "-o", text(&coded), "--code", "published"]).ends(0, &[]);
    df11(["verify", text(&coded)]).ends(0, &["completeness unknown"]);
    fs::remove_file(coded.join("model_layers_2.safetensors")).expect("removed");
    lacks(&place, &coded, &["model.layers.2"]);
}

#[test]
fn a_file_alone_without_a_record_is_of_unknown_completeness() {
    let place = Place::new();
    let coded = published(&place);
    df11(["verify", text(&coded.join("model_layers_1.safetensors"))]).ends(0, &["completeness unknown"]);
}

#[test]
fn our_record_tells_complete_from_not_complete() {
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    place.there_and_back(&source, &[]);
    let coded = place.at("coded");
    fs::remove_file(coded.join("model_layers_1.safetensors")).expect("removed");
    let found = df11(["verify", "--json", text(&coded)]).ends(1, &[]).json();
    assert_eq!(found["completeness"]["state"], "not complete");
    assert_eq!(found["completeness"]["missing"][0], "model_layers_1.safetensors");
    df11(["inspect", text(&coded)]).ends(0, &["not complete: missing model_layers_1.safetensors"]);
    df11(["decompress", text(&coded), "-o", text(&place.at("again"))]).ends(2, &["not whole", "--partial"]);
}

#[test]
fn a_bf16_model_is_complete_by_its_index_or_by_the_tensors_of_a_llama() {
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    df11(["inspect", text(&source)]).ends(0, &["\ncomplete\n"]);
    let less: Vec<Tensor> = llama().into_iter().filter(|tensor| !tensor.name.contains("layers.1.mlp")).collect();
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &less));
    df11(["inspect", text(&source)]).ends(0, &["not complete: missing ", "model.layers.1.mlp.up_proj.weight"]);
}

#[test]
fn what_is_not_the_model_that_a_verb_needs_is_called_by_its_name() {
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    let (coded, out) = (place.at("coded"), place.at("out"));
    df11(["compress", text(&source), "-o", text(&coded)]).ends(0, &[]);
    let other = Place::new();
    // A BF16 model where a coded one is needed, and the other way round.
    df11(["verify", text(&source)]).ends(2, &["holds no DFloat11 unit", "compress this one first"]);
    for flag in ["--against", "--like"] {
        let to = ["-o", text(&out)];
        let (verb, to) = if flag == "--like" { ("decompress", &to[..]) } else { ("verify", &[][..]) };
        let coded = if flag == "--like" { published(&other) } else { coded.clone() };
        df11([verb, text(&coded), flag, text(&coded)].iter().chain(to)).ends(2, &["give the BF16 model here"]);
    }
    // One file of a folder.
    let main = coded.join("model.safetensors");
    let alone = ["holds the record of a model of several files; give the folder", "--partial"];
    df11(["decompress", text(&main), "-o", text(&out)]).ends(2, &alone);
    df11(["decompress", text(&main), "-o", text(&out), "--partial"]).ends(0, &["NOT the whole source"]);
    let unit = coded.join("model_layers_1.safetensors");
    let note = "is one of the files of a model, whose record is in model.safetensors";
    df11(["verify", text(&unit)]).ends(0, &[note]);
    df11(["decompress", text(&unit), "-o", text(&place.at("unit"))]).ends(0, &[note]);
    // What an interrupted run has left.
    let partial = place.at("other.partial");
    fs::create_dir_all(partial.join("made")).expect("created");
    fs::write(partial.join("df11.lock"), b"").expect("written");
    for verb in ["verify", "inspect", "estimate"] {
        df11([verb, text(&partial)]).ends(2, &["an interrupted run has left", "--resume continues"]);
    }
}
