//! Every form comes back as it was, byte for byte.

use std::fs;
use std::path::Path;

use crate::support::models::{Contents, assert_same_tree, tree};
use crate::support::{assert_same_words, reference, safetensors, vectors, words};
use crate::{Place, df11, miniature, text};

fn weight_files(folder: &Path) -> Vec<String> {
    tree(folder).into_keys().filter(|name| name.ends_with(".safetensors")).collect()
}

#[test]
fn a_directory_becomes_a_file_for_each_unit_and_comes_back() {
    let place = Place::new();
    let (source, coded, back) = (place.at("tiny"), place.at("tiny-DF11"), place.at("back"));
    miniature::write_directory(&source);
    let before = tree(&source);

    let run = df11(["compress", text(&source), "-o", text(&coded)]).fine();
    assert!(run.stdout.contains("tiny-DF11: 4 units in 8 files, each decoded and compared: "), "{}", run.stdout);
    let expected = ["lm_head", "model", "model_embed_tokens", "model_layers_0", "model_layers_1"];
    assert_eq!(weight_files(&coded), expected.map(|name| format!("{name}.safetensors")));

    let run = df11(["verify", text(&coded)]).fine();
    assert!(
        run.stdout.contains(": complete: 4 units of ") && run.stdout.contains("equal to their checksums"),
        "{}",
        run.stdout
    );
    let run = df11(["verify", text(&coded), "--against", text(&source)]).fine();
    assert!(run.stdout.contains("bit for bit those of "), "{}", run.stdout);

    let run = df11(["decompress", text(&coded), "-o", text(&back)]).fine();
    assert!(run.stdout.contains("every file byte for byte the source"), "{}", run.stdout);
    assert_same_tree(&source, &back);
    assert!(before == tree(&source), "the source was modified");
    assert_eq!(run.stderr, "");
}

#[test]
fn a_directory_becomes_one_file_and_comes_back() {
    let place = Place::new();
    let (source, coded, back) = (place.at("tiny"), place.at("coded"), place.at("back"));
    miniature::write_directory(&source);
    df11(["compress", text(&source), "-o", text(&coded), "--single-file"]).fine();
    assert_eq!(weight_files(&coded), ["model.safetensors"]);
    df11(["verify", text(&coded), "--against", text(&source)]).fine();
    df11(["decompress", text(&coded), "-o", text(&back)]).fine();
    assert_same_tree(&source, &back);
}

#[test]
fn a_file_becomes_a_file_and_comes_back() {
    let place = Place::new();
    let (source, coded, back) = (place.at("a.safetensors"), place.at("b.safetensors"), place.at("c.safetensors"));
    miniature::write_file(&source);
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    assert!(fs::metadata(&coded).expect("written").len() < fs::metadata(&source).expect("written").len());
    df11(["verify", text(&coded), "--against", text(&source)]).fine();
    df11(["decompress", text(&coded), "-o", text(&back)]).fine();
    assert!(fs::read(&source).expect("read") == fs::read(&back).expect("read"));
}

#[test]
fn the_bundled_sample_shrinks_and_comes_back() {
    let place = Place::new();
    let (source, coded, back) = (vectors("minilm-sample"), place.at("coded"), place.at("back"));
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    let bytes = |folder: &Path| tree(folder).values().map(Vec::len).sum::<usize>() as f64;
    let share = bytes(&coded) / bytes(&source);
    assert!(share < 0.70, "{share}");
    df11(["decompress", text(&coded), "-o", text(&back)]).fine();
    assert_same_tree(&source, &back);
}

#[test]
fn what_is_written_is_what_the_reference_decoder_reads() {
    let place = Place::new();
    let (source, coded) = (vectors("minilm-sample").join("model.safetensors"), place.at("coded.safetensors"));
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    let file = safetensors::read(&coded).expect("a strict file");
    let unit = "embeddings.position_embeddings";
    assert!(file.unit_names().into_iter().eq([unit, "encoder.layer.0"]), "{:?}", file.unit_names());
    let decoded = reference::decode(&file.unit(unit).expect("a unit")).expect("it decodes");
    let source = safetensors::read(&source).expect("a strict file");
    assert_same_words(unit, &words(&source.tensors[&format!("{unit}.weight")].bytes), &decoded);
}

#[test]
fn the_same_bytes_are_written_by_any_number_of_threads_and_without_verification() {
    let place = Place::new();
    let source = place.at("tiny");
    miniature::write_directory(&source);
    df11(["compress", text(&source), "-o", text(&place.at("1")), "-T", "1"]).fine();
    df11(["compress", text(&source), "-o", text(&place.at("3")), "-T", "3", "--backend", "portable"]).fine();
    df11(["compress", text(&source), "-o", text(&place.at("fast")), "--no-verify"]).fine();
    assert_same_tree(&place.at("1"), &place.at("3"));
    assert_same_tree(&place.at("1"), &place.at("fast"));
}

#[test]
fn published_files_verify_and_come_back() {
    for name in ["edge-long-codes", "llama-sharded", "llama-single-file"] {
        let place = Place::new();
        let (source, coded) =
            (vectors("official").join(name).join("bf16"), vectors("official").join(name).join("df11"));
        let run = df11(["verify", text(&coded)]).fine();
        assert!(run.stdout.contains("structure alone (the files hold no checksums)"), "{}", run.stdout);
        df11(["verify", text(&coded), "--against", text(&source)]).fine();

        let expected = safetensors::read_directory(&source).expect("the source opens").tensors;
        let back = place.at("like");
        df11(["decompress", text(&coded), "-o", text(&back), "--like", text(&source)]).fine();
        let found = safetensors::read_directory(&back).expect("the restored files open").tensors;
        assert!(expected == found, "{name} with --like");

        let back = place.at("alone");
        df11(["decompress", text(&coded), "-o", text(&back)]).fine();
        let found = safetensors::read_directory(&back).expect("the restored files open").tensors;
        assert!(expected.keys().eq(found.keys()), "{name}: {:?}", found.keys());
        assert!(expected.iter().all(|(tensor, expected)| expected.bytes == found[tensor].bytes), "{name}: bytes");
    }
}

#[test]
fn published_files_are_written_anew_byte_for_byte() {
    let place = Place::new();
    let fixture = vectors("official").join("llama-sharded");
    let (source, coded) = (fixture.join("bf16"), place.at("coded"));
    let run = df11(["compress", text(&source), "-o", text(&coded), "--code", "published"]).fine();
    assert_eq!(run.stderr, "");
    assert_same_tree(&fixture.join("df11"), &coded);
    let dry = df11(["compress", "--dry-run", text(&source), "--code", "published"]).fine();
    assert!(dry.stdout.contains("model.layers.1"), "{}", dry.stdout);
    let refused = df11(["compress", text(&source), "-o", text(&place.at("all")), "--code", "published", "--all"]);
    refused.fails(2, &["--code published", "--all"]);
    let refused = df11(["compress", text(&source), "-o", text(&place.at("x")), "--code", "zip"]);
    refused.fails(2, &["canonical", "published"]);
    assert_eq!(place.names(), ["coded"]);
}

#[test]
fn a_flat_result_says_that_the_shape_is_unknown() {
    let place = Place::new();
    let coded = vectors("official").join("edge-long-codes").join("df11");
    let run = df11(["decompress", text(&coded), "-o", text(&place.at("back"))]).fine();
    assert!(run.stderr.contains("note: ") && run.stderr.contains("--like"), "{}", run.stderr);
}

#[test]
fn units_are_chosen_by_a_pattern_dictionary() {
    let place = Place::new();
    let (source, coded, back) = (place.at("tiny"), place.at("coded"), place.at("back"));
    miniature::write_directory(&source);
    let patterns = place.at("patterns.json");
    fs::write(&patterns, r#"{"lm_head": [], "model\\.layers\\.\\d+": ["mlp.up_proj", "self_attn.q_proj"]}"#)
        .expect("written");
    df11(["compress", text(&source), "-o", text(&coded), "--pattern-dict", text(&patterns)]).fine();
    let units = |file: &str| {
        let tensors = Contents::read(&coded.join(file)).tensors.into_iter().map(|tensor| tensor.name);
        tensors.filter_map(|name| name.strip_suffix(".luts").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(
        weight_files(&coded),
        ["lm_head", "model", "model_layers_0", "model_layers_1"].map(|name| format!("{name}.safetensors"))
    );
    assert_eq!(units("model.safetensors"), [""; 0]);
    assert_eq!(units("model_layers_1.safetensors"), ["model.layers.1"]);
    df11(["decompress", text(&coded), "-o", text(&back)]).fine();
    assert_same_tree(&source, &back);
}
