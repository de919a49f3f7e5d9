//! Which files of a BF16 folder are the model, and what happens to the others.

use std::fs;

use df11::Model;
use serde_json::json;

use crate::makers::{Files, INDEX, THREE, TWO, beside, index_of, llama, transformer};
use crate::support::models::{Tensor, assert_same_tree, tensor, tree, weights};
use crate::{Place, df11, text};

const DIFFUSERS: &str = "diffusion_pytorch_model.safetensors";

/// Checks that a folder comes back whole.
#[track_caller]
fn comes_back(files: &Files, more: &[&str]) -> crate::Run {
    let place = Place::new();
    let source = place.source(files);
    let run = place.there_and_back(&source, more);
    assert_same_tree(&source, &place.at("back"));
    run
}

/// Checks that these files, and no others, are left out.
#[track_caller]
fn comes_back_without(files: &Files, left_out: &[&str]) {
    let place = Place::new();
    let source = place.source(files);
    let run = place.there_and_back(&source, &[]);
    let mut expected = tree(&source);
    for name in left_out {
        expected.remove(*name).expect("it was there");
        assert!(run.stderr.contains(name) && run.stderr.contains("left out"), "{name}: {}", run.stderr);
    }
    let said = df11(["decompress", text(&place.at("coded")), "-o", text(&place.at("again"))]).ends(0, left_out);
    said.ends(0, &["but for those left out", "so not restored"]);
    assert_eq!(expected.keys().collect::<Vec<_>>(), tree(&place.at("back")).keys().collect::<Vec<_>>());
    assert!(expected == tree(&place.at("back")));
}

/// Checks that every verb refuses a folder with the same words.
#[track_caller]
fn refused(files: &Files, words: &[&str]) {
    let place = Place::new();
    let source = place.source(files);
    let output = place.at("output");
    let said = |run: crate::Run| run.ends(2, words).stderr;
    let by_compress = said(df11(["compress", text(&source), "-o", text(&output)]));
    for verb in [["compress", "--dry-run"], ["inspect", "--json"], ["estimate", "--json"]] {
        assert_eq!(said(df11([verb[0], verb[1], text(&source)])), by_compress);
    }
    assert!(!output.exists());
}

#[test]
fn every_missing_shard_is_named_with_the_index_that_names_it() {
    let whole = beside().with_index(INDEX, &THREE, &llama());
    refused(&whole.clone().without(THREE[1]), &[INDEX, "names 3 weight files", THREE[1], "complete?"]);
    refused(&whole.without(THREE[0]).without(THREE[2]), &[INDEX, THREE[0], THREE[2], "2 of them"]);
}

#[test]
fn the_index_of_a_variant_is_an_index() {
    let old = [
        "diffusion_pytorch_model-00001-of-00002.bf16.safetensors",
        "diffusion_pytorch_model-00002-of-00002.bf16.safetensors",
    ];
    let new = ["model.bf16-00001-of-00002.safetensors", "model.bf16-00002-of-00002.safetensors"];
    let config = Files::default().with_json("config.json", &json!({"_class_name": "T"}));
    comes_back(
        &config.clone().with_index("diffusion_pytorch_model.safetensors.index.bf16.json", &old, &transformer(2)),
        &[],
    );
    comes_back(&config.clone().with_index("model.safetensors.index.bf16.json", &new, &transformer(2)), &[]);
    comes_back(&config.clone().with_shards(&old, &transformer(2)), &[]);
    let other = ["model.ema-00001-of-00002.safetensors", "model.ema-00002-of-00002.safetensors"];
    let two = config.with_index("model.safetensors.index.bf16.json", &new, &transformer(2)).with_index(
        "model.safetensors.index.ema.json",
        &other,
        &transformer(2),
    );
    refused(&two, &["2 lists of shards", "index.bf16.json", "index.ema.json", "leave one"]);
}

#[test]
fn a_release_in_a_form_of_its_own_is_coded() {
    let names = ["consolidated-00001-of-00002.safetensors", "consolidated-00002-of-00002.safetensors"];
    let params = Files::default().with_json("params.json", &json!({"dim": 64}));
    comes_back(&params.clone().with_index("consolidated.safetensors.index.json", &names, &llama()), &[]);
    comes_back(&params.clone().with_shards(&names, &llama()), &[]);
    comes_back(&params.with_weights("consolidated.safetensors", &llama()), &[]);
    comes_back(&Files::default().with_weights("flux1-dev.sft", &llama()), &[]);
    let both = beside().with_index(INDEX, &TWO, &llama()).with_weights("consolidated.safetensors", &llama());
    comes_back_without(&both, &["consolidated.safetensors"]);
}

/// An overlay of the second block, and shards that hold older tensors of the same names.
fn overlay() -> (Files, Vec<Tensor>) {
    let is_over = |tensor: &&Tensor| tensor.name.contains("o_proj");
    let over: Vec<Tensor> =
        llama().iter().filter(is_over).map(|tensor| weights(&tensor.name, &tensor.shape, 900)).collect();
    let mut index = index_of(&TWO, &llama());
    for tensor in &over {
        index["weight_map"][&tensor.name] = "model-overlay-00001.safetensors".into();
    }
    let files = beside().with_shards(&TWO, &llama()).with_weights("model-overlay-00001.safetensors", &over);
    (files.with_json(INDEX, &index), over)
}

#[test]
fn an_overlay_supersedes_what_the_index_does_not_name_and_everything_comes_back() {
    let (files, over) = overlay();
    for more in [&[][..], &["--single-file"], &["--all"]] {
        let run = comes_back(&files, more);
        assert!(run.stderr.contains("older copies"), "{}", run.stderr);
    }
    let place = Place::new();
    let source = place.source(&files);
    for more in ["--code=canonical", "--code=published"] {
        let coded = place.at(more);
        df11(["compress", text(&source), "-o", text(&coded), more]).ends(0, &[]);
        for model in [&source, &coded].map(|path| Model::open(path).expect("a model")) {
            assert_eq!(model.tensors().count(), llama().len());
            for tensor in &over {
                let matrix = model.matrix(&tensor.name).expect("a matrix");
                let mut found = vec![df11::bf16::ZERO; matrix.weights() as usize];
                matrix.decode(&df11::cpu::Level::best(), &mut found).expect("decoded");
                let bytes: Vec<u8> = found.iter().flat_map(|weight| weight.to_bits().to_le_bytes()).collect();
                assert!(bytes == tensor.bytes, "{} is not the overlay's", tensor.name);
            }
        }
    }
}

#[test]
fn a_tensor_that_is_called_as_a_superseded_one_is_refused() {
    let name = format!("model.norm.weight@{}", TWO[0]);
    let mut tensors = llama();
    tensors.push(tensor(&name, "BF16", &[1], vec![0, 0]));
    refused(&beside().with_shards(&TWO, &tensors), &["another name", "model.norm.weight@"]);
}

#[test]
fn of_two_sets_the_one_that_the_index_names_is_the_model() {
    let four = [1, 2, 3, 4].map(|number| format!("diffusion_pytorch_model-0000{number}-of-00004.safetensors"));
    let four = four.each_ref().map(String::as_str);
    let two =
        ["diffusion_pytorch_model-00001-of-00002.safetensors", "diffusion_pytorch_model-00002-of-00002.safetensors"];
    let config = Files::default().with_json("config.json", &json!({"_class_name": "T"}));
    let index = format!("{DIFFUSERS}.index.json");
    comes_back_without(&config.with_shards(&four, &transformer(4)).with_index(&index, &two, &transformer(4)), &four);
    let whole_too = beside().with_index(INDEX, &TWO, &llama()).with_weights("model.safetensors", &llama());
    comes_back_without(&whole_too, &["model.safetensors"]);
    // A variant of another precision holds the same weights.
    let half: Vec<Tensor> = llama().into_iter().map(|tensor| Tensor { dtype: "F16".into(), ..tensor }).collect();
    let variant = beside().with_weights("model.safetensors", &llama()).with_weights("model.fp16.safetensors", &half);
    comes_back_without(&variant, &["model.fp16.safetensors"]);
}

#[test]
fn an_index_of_files_that_are_gone_does_not_hide_the_whole_file() {
    let stale = beside().with_index(INDEX, &TWO, &llama()).without(TWO[0]).without(TWO[1]);
    comes_back(&stale.with_weights("model.safetensors", &llama()), &[]);
}

#[test]
fn a_sidecar_is_carried_along_as_it_is() {
    let mtp = [weights("mtp.fc.weight", &[64, 128], 501), weights("mtp.norm.weight", &[64], 502)];
    for files in [beside().with_index(INDEX, &TWO, &llama()), beside().with_weights("model.safetensors", &llama())] {
        let place = Place::new();
        let source = place.source(&files.with_weights("mtp.safetensors", &mtp));
        let run = place.there_and_back(&source, &[]);
        assert!(
            run.stderr.contains("without being the model's, ") && run.stderr.contains("mtp.safetensors"),
            "{}",
            run.stderr
        );
        assert_same_tree(&source, &place.at("back"));
        let [before, after] = [&source, &place.at("coded")].map(|folder| fs::read(folder.join("mtp.safetensors")));
        assert!(before.expect("read") == after.expect("tools find it under its own name"));
        fs::remove_file(place.at("coded").join("mtp.safetensors")).expect("removed");
        df11(["verify", text(&place.at("coded"))]).ends(1, &["mtp.safetensors: is missing", "FAILED"]);
    }
}

#[test]
fn a_file_with_some_tensors_of_the_model_is_carried_along_inside() {
    let old = [weights("model.norm.weight", &[64], 700), weights("old.head.weight", &[64, 64], 701)];
    let run = comes_back(&beside().with_index(INDEX, &TWO, &llama()).with_weights("older.safetensors", &old), &[]);
    assert!(run.stderr.contains("2 tensors"), "{}", run.stderr);
}

#[test]
fn a_sidecar_that_is_no_safetensors_is_left_out_with_the_reason() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 4976698672\n";
    comes_back_without(
        &beside().with_index(INDEX, &TWO, &llama()).with("mtp.safetensors", pointer),
        &["mtp.safetensors"],
    );
}

#[test]
fn a_sidecar_may_not_take_the_name_of_a_file_that_is_written() {
    let place = Place::new();
    let taken = [weights("mtp.norm.weight", &[64], 502)];
    let source = place.source(&beside().with_index(INDEX, &TWO, &llama()).with_weights("lm_head.safetensors", &taken));
    df11(["compress", text(&source), "-o", text(&place.at("coded"))]).ends(2, &["lm_head.safetensors", "rename it"]);
}

#[test]
fn a_coded_file_beside_its_source_is_left_out() {
    let place = Place::new();
    let source = place.source(&beside().with_weights("model.safetensors", &llama()));
    let file = source.join("model-df11.safetensors");
    df11(["compress", text(&source.join("model.safetensors")), "-o", text(&file)]).ends(0, &[]);
    let run = place.there_and_back(&source, &[]);
    assert!(run.stderr.contains("model-df11.safetensors is not part of the model"), "{}", run.stderr);
}

#[test]
fn files_of_other_tools_are_copied_and_listed() {
    let files = beside().with_weights("model.safetensors", &llama());
    let files = files.with("onnx/model.onnx", "x").with("rust_model.ot", "y").with("optimizer.pt", "z");
    let run = comes_back(&files.with("original/params.json", "{}"), &[]);
    for words in [
        "without being the model's, 5 bytes: ",
        "onnx/model.onnx",
        "rust_model.ot",
        "optimizer.pt",
        "original/params.json",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

#[test]
fn several_files_and_nothing_that_says_which_is_the_model_are_refused_by_every_verb() {
    let files = Files::default().with_weights("a.safetensors", &transformer(1)).with_weights("b.safetensors", &llama());
    refused(&files, &["2 .safetensors files", "give one of the files"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_found_before_the_first_unit_is_coded() {
    let place = Place::new();
    let snapshot = place.at("models--org--name/snapshots/0123abcd");
    let files = beside().with_weights("model.safetensors", &llama());
    files.write(&place.at("models--org--name/blobs"));
    fs::create_dir_all(&snapshot).expect("created");
    for name in files.0.keys() {
        std::os::unix::fs::symlink(format!("../../blobs/{name}"), snapshot.join(name)).expect("linked");
    }
    place.there_and_back(&snapshot, &[]);
    assert_same_tree(&place.at("models--org--name/blobs"), &place.at("back"));
    fs::remove_file(place.at("models--org--name/blobs/tokenizer.json")).expect("removed");
    let output = place.at("output");
    let run = df11(["compress", text(&snapshot), "-o", text(&output), "-v"]);
    let run = run.ends(2, &["tokenizer.json", "a link to nothing", "unfinished download?"]);
    assert!(!run.stderr.contains("lm_head") && !output.exists(), "{}", run.stderr);
}
