//! Files that are not safetensors, and what people give for a model of a hub: each is called by its
//! name, with the next step.

use std::fs;

use crate::makers::{Files, INDEX, TWO, beside, llama};
use crate::support::models::assert_same_tree;
use crate::{Place, df11, text};

/// Files that lie under the name of a weight file, each with what the message says.
const FOREIGN: [(&str, &[u8], &[&str]); 13] = [
    (
        "LFS",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 4976698672\n",
        &["Git LFS pointer", "git lfs pull"],
    ),
    ("HTML", b"<!doctype html>\n<html><head><title>Log in</title>", &["web page", "download the file again"]),
    ("HTML after a mark", b"\xef\xbb\xbf \n<HTML lang=en>", &["web page"]),
    ("XML", b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", &["web page"]),
    (
        "zip",
        b"PK\x03\x04\x00\x00\x08\x08\x00\x00\x00\x00\x00\x00archive/data.pkl",
        &["zip archive", "PyTorch", "as safetensors first"],
    ),
    ("pickle", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", &["pickle", "as safetensors first"]),
    ("GGUF", b"GGUF\x03\x00\x00\x00\x23\x01\x00\x00\x00\x00\x00\x00", &["GGUF", "BF16 safetensors"]),
    ("gzip", b"\x1f\x8b\x08\x08\x5f\x11\x22\x66\x00\x03model", &["gzip", "unpack"]),
    ("gzip without a date", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab", &["gzip", "unpack"]),
    ("JSON", b"{\"architectures\": [\"LlamaForCausalLM\"]}", &["JSON", "give the folder"]),
    ("JSON list", b"[\n  {\"a\": 1}\n]", &["JSON"]),
    ("a server's message", b"Entry not found", &["a text", "download the file again"]),
    ("another", b"Invalid username or password.\n", &["a text"]),
];

#[test]
fn a_file_that_is_no_safetensors_is_called_by_its_name() {
    for (what, bytes, words) in FOREIGN {
        let place = Place::new();
        let source = place.source(&beside().with("model.safetensors", bytes));
        let file = source.join("model.safetensors");
        for input in [&source, &file] {
            let named = ["model.safetensors", "not a readable safetensors file"];
            for verb in ["inspect", "estimate", "verify", "bench"] {
                df11([verb, text(input)]).ends(2, &named).ends(2, words);
            }
            for verb in ["compress", "decompress"] {
                let run = df11([verb, text(input), "-o", text(&place.at("output"))]).ends(2, &named).ends(2, words);
                assert!(!run.stderr.contains("header") && !place.at("output").exists(), "{what}: {}", run.stderr);
            }
        }
    }
}

#[test]
fn a_safetensors_file_is_never_taken_for_another_kind() {
    // A header of 0x280 bytes begins as a pickle does, one of 0x3c or 0x7b bytes as a text does.
    for length in [0x3c_u64, 0x7b, 0x5b, 0x280, 0x0403_4b50, 0x0008_8b1f] {
        let place = Place::new();
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"{\"w\":");
        let source = place.source(&Files::default().with("model.safetensors", bytes));
        df11(["inspect", text(&source)]).ends(2, &["the header claims", "truncated"]);
    }
}

#[test]
fn pointers_of_git_lfs_under_an_index_are_called_by_their_name() {
    let pointer =
        |number| format!("version https://git-lfs.github.com/spec/v1\noid sha256:{number:064}\nsize 4976698672\n");
    let files = beside().with_index(INDEX, &TWO, &llama()).with(TWO[0], pointer(1)).with(TWO[1], pointer(2));
    let place = Place::new();
    df11(["inspect", text(&place.source(&files))]).ends(2, &[TWO[0], "Git LFS pointer", "git lfs pull"]);
}

#[test]
fn the_cache_of_a_hub_names_its_snapshots_the_current_one_first() {
    let place = Place::new();
    let model = beside().with_weights("model.safetensors", &llama());
    for revision in ["0123abcd", "ffff0000"] {
        model.write(&place.at("hub/models--org--name/snapshots").join(revision));
    }
    fs::create_dir_all(place.at("hub/models--org--name/refs")).expect("created");
    fs::write(place.at("hub/models--org--name/refs/main"), "ffff0000").expect("written");
    model.write(&place.at("hub/models--org--other/snapshots/77770000"));
    let one = place.at("hub/models--org--name");
    for verb in ["inspect", "estimate", "verify"] {
        let run = df11([verb, text(&one)]).ends(2, &["cache of a hub", "give a snapshot in it: "]);
        let [current, older] = ["ffff0000", "0123abcd"].map(|revision| run.stderr.find(revision).expect("named"));
        assert!(current < older, "{}", run.stderr);
        df11([verb, text(&place.at("hub"))]).ends(2, &["cache of a hub", "ffff0000", "77770000"]);
    }
    let run = df11(["inspect", text(&one)]);
    let named = run.stderr.split("in it: ").nth(1).and_then(|list| list.split(',').next()).expect("a snapshot");
    df11(["inspect", named]).ends(0, &["complete"]);
}

#[test]
fn the_name_or_address_of_a_model_on_a_hub_is_answered_with_how_to_download_it() {
    let download = "hf download org/Name-1.5B`";
    for given in ["org/Name-1.5B", "https://huggingface.co/org/Name-1.5B/tree/main", "hf://org/Name-1.5B"] {
        for verb in ["inspect", "estimate", "verify", "bench"] {
            df11([verb, given]).ends(2, &[given, "does not exist", download]);
        }
        let place = Place::new();
        for verb in ["compress", "decompress"] {
            df11([verb, given, "-o", text(&place.at("output"))]).ends(2, &["does not exist", download]);
        }
    }
    // These are mistyped paths.
    for given in ["./org/name", "model", "../org/name", "/org/name", "src/no-such-model", "org/model.safetensors"] {
        let run = df11(["inspect", given]).ends(2, &["cannot open"]);
        assert!(!run.stderr.contains("hf download"), "{}", run.stderr);
    }
}

#[test]
fn one_shard_of_a_set_is_coded_with_a_note_that_names_the_folder() {
    let place = Place::new();
    let source = place.source(&beside().with_index(INDEX, &TWO, &llama()));
    let run = df11(["compress", text(&source.join(TWO[0])), "-o", text(&place.at("one.safetensors"))]);
    run.ends(0, &[TWO[0], "one of 2 files of a model", "give their folder"]);
    let run = place.there_and_back(&source, &[]);
    assert!(!run.stderr.contains("one of 2 files"), "{}", run.stderr);
    assert_same_tree(&source, &place.at("back"));
}
