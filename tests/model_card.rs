//! A directory with a model card can be uploaded as it is, and still gives back the source's files
//! and no other.

mod support;

use df11::error::{Error, Exclusive};
use df11::jobs::{CodeKind, CompressOptions, DecompressOptions, compress, decompress};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use support::architectures::models;
use support::models::{assert_same_tree, tree};
use support::with;

const SOURCE_CARD: &str = "---\nlanguage: en\nlicense: llama3.1\npipeline_tag: text-generation\nlibrary_name: transformers\ntags:\n- old\n---\n\n# The original\n";

/// What a loader reads beside weights and config.json, and what an uploader must not lose.
const BESIDE: [&str; 9] = [
    "LICENSE",
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
];

fn write(family: &str, folder: &Path) {
    models(|file| file == "miniature")
        .into_iter()
        .find(|model| model.name.starts_with(family))
        .expect("there")
        .write(folder);
    for name in BESIDE {
        fs::write(folder.join(name), format!("what is in {name}")).expect("written");
    }
}

/// Compresses with a card, decompresses, compares every file. Returns the card and all files.
fn with_card(source: &Path, work: &Path, more: CompressOptions) -> (String, BTreeMap<String, Vec<u8>>) {
    let (coded, back) = (work.join("Name-DF11"), work.join("back"));
    let report = compress(source, &coded, &with!(more, model_card: true), &()).expect("compressed");
    let files = tree(&coded);
    assert_eq!(report.files, files.len());
    decompress(&coded, &back, &DecompressOptions::default(), &()).expect("decompressed");
    assert_same_tree(source, &back);
    (fs::read_to_string(coded.join("README.md")).expect("a card"), files)
}

fn front_matter(card: &str) -> &str {
    card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).expect("front matter").0
}

fn work() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The path of a model in a hub's download cache.
fn cached(work: &Path, name: &str) -> PathBuf {
    work.join(format!("models--{name}")).join("snapshots/0e9e39f249a16976918f6564b8830bc894c89659")
}

#[test]
fn a_card_says_what_hubs_ask_for_and_the_source_comes_back_with_its_own() {
    let work = work();
    let source = cached(work.path(), "meta-llama--Llama-3.1-8B");
    write("llama", &source);
    fs::write(source.join("README.md"), SOURCE_CARD).expect("written");
    let (card, files) = with_card(&source, work.path(), CompressOptions::default());
    assert_eq!(
        front_matter(&card),
        "base_model: meta-llama/Llama-3.1-8B\nbase_model_relation: quantized\nlicense: llama3.1\npipeline_tag: text-generation\n\
         library_name: transformers\ntags:\n- dfloat11\n- df11"
    );
    for said in
        ["# Name-DF11", "from_pretrained(here, device_map", "df11 decompress Name-DF11", "README.source.md", " %)"]
    {
        assert!(card.contains(said), "`{said}` is not in:\n{card}");
    }
    assert_eq!(files["README.source.md"], SOURCE_CARD.as_bytes());
    for name in BESIDE {
        assert_eq!(files[name], fs::read(source.join(name)).expect("read"), "{name}");
    }
    assert!(files.contains_key("config.json") && files.contains_key("tokenizer_config.json"));
}

#[test]
fn a_source_without_a_card_comes_back_without_one() {
    let work = work();
    let source = work.path().join("my model");
    write("whisper", &source);
    for single_file in [false, true] {
        let work = work.path().join(format!("{single_file}"));
        fs::create_dir(&work).expect("created");
        let (card, files) = with_card(&source, &work, with!(CompressOptions::default(), single_file));
        assert!(front_matter(&card).starts_with("base_model: OWNER/my-model\n"), "{card}");
        assert!(!front_matter(&card).contains("license") && !files.contains_key("README.source.md"));
        assert!(card.contains("bfloat16_model=model"), "not a causal language model: {card}");
    }
}

#[test]
fn an_edited_card_is_still_no_file_of_the_source() {
    let work = work();
    let [source, coded, back] = ["source", "coded", "back"].map(|name| work.path().join(name));
    write("llama", &source);
    compress(&source, &coded, &with!(CompressOptions::default(), model_card: true), &()).expect("compressed");
    let card = fs::read_to_string(coded.join("README.md")).expect("a card");
    fs::write(coded.join("README.md"), card.replace("OWNER/", "me/").replace('\n', "\r\n") + "More of it.\r\n")
        .expect("edited");
    decompress(&coded, &back, &DecompressOptions::default(), &()).expect("decompressed");
    assert_same_tree(&source, &back);
}

#[test]
fn a_pipeline_has_one_card_that_names_its_coded_parts() {
    let work = work();
    let source = work.path().join("pipeline");
    write("sd3.5/", &source.join("transformer"));
    write("sd3.5-text/", &source.join("text_encoder"));
    fs::write(source.join("text_encoder/README.md"), "of the part").expect("written");
    fs::write(source.join("README.md"), SOURCE_CARD).expect("written");
    fs::write(source.join("model_index.json"), "{}").expect("written");
    let (card, files) = with_card(&source, work.path(), CompressOptions::default());
    assert!(
        card.contains("bfloat16_model=pipe.transformer") && card.contains("bfloat16_model=pipe.text_encoder"),
        "{card}"
    );
    assert_eq!(files["text_encoder/README.md"], b"of the part");
    assert_eq!(files.keys().filter(|name| name.ends_with("README.source.md")).count(), 1);
}

#[test]
fn where_the_published_loader_cannot_read_the_model_the_card_says_so() {
    let work = work();
    let source = work.path().join("source");
    models(|file| file == "miniature-fused")[0].write(&source);
    let (card, _) = with_card(&source, work.path(), with!(CompressOptions::default(), all: true));
    assert!(card.contains("cannot read this model") && !card.contains("from_pretrained"), "{card}");
}

#[test]
fn without_being_asked_for_nothing_changes() {
    let work = work();
    let [source, coded] = ["source", "coded"].map(|name| work.path().join(name));
    write("llama", &source);
    fs::write(source.join("README.md"), SOURCE_CARD).expect("written");
    compress(&source, &coded, &CompressOptions::default(), &()).expect("compressed");
    assert_eq!(fs::read_to_string(coded.join("README.md")).expect("read"), SOURCE_CARD);
    assert!(!coded.join("README.source.md").exists());
}

#[test]
fn what_would_not_come_back_is_refused() {
    let work = work();
    let (source, coded) = (work.path().join("source"), work.path().join("coded"));
    write("llama", &source);
    let refusal = |input: &Path, model_card| {
        let options = with!(CompressOptions::default(), model_card);
        compress(input, &coded, &options, &()).expect_err("refused").to_string()
    };
    assert!(refusal(&source.join("model.safetensors"), true).contains("one file"));
    let published = with!(CompressOptions::default(), model_card: true, code: CodeKind::Published);
    let error = compress(&source, &coded, &published, &()).expect_err("refused");
    assert!(matches!(error, Error::OptionsExclude { which: Exclusive::PublishedAndCard }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("`model_card`") && message.contains("the published code"), "{message}");
    fs::write(source.join("README.source.md"), "the user's own").expect("written");
    assert!(refusal(&source, true).contains("README.source.md"));
    fs::remove_file(source.join("README.source.md")).expect("removed");
    fs::write(source.join("README.md"), "<!-- df11 model card -->\n").expect("written");
    assert!(refusal(&source, false).contains("README.md"));
}

#[test]
fn what_a_card_takes_over_is_told_and_a_readme_of_any_bytes_comes_back() {
    let work = work();
    let source = work.path().join("source");
    write("llama", &source);
    let large = [SOURCE_CARD.as_bytes(), &vec![b'x'; 5 << 20]].concat();
    for (turn, readme, kept, told) in [
        (
            0,
            "---\r\n# why\r\n\"license\": 'mit'\r\nlanguage: en\r\n---\r\n".as_bytes(),
            Some("license: mit\n"),
            "`language`, comments",
        ),
        (
            1,
            "\u{feff}\n---\nlicense: mit\rbase_model: evil/cr\n---\n".as_bytes(),
            Some("license: mit\n"),
            "`base_model`",
        ),
        (2, "---\nlicense: \"mit\nbase_model: evil\n---\n".as_bytes(), None, "is no YAML"),
        (3, b"---\nlicense: m\xeft\n---\n", None, "is not UTF-8"),
        (4, &large, None, "more than 4194304 bytes"),
        (5, b"---\nlicense: yes\n---\n", Some("license: \"yes\"\n"), ""),
    ] {
        fs::write(source.join("README.md"), readme).expect("written");
        let coded = work.path().join(format!("coded {turn}"));
        let options = with!(CompressOptions::default(), model_card: true);
        let report = compress(&source, &coded, &options, &()).expect("compressed");
        let card = fs::read_to_string(coded.join("README.md")).expect("a card");
        let expected = format!(
            "base_model: OWNER/source\nbase_model_relation: quantized\n{}tags:\n- dfloat11\n- df11",
            kept.unwrap_or("")
        );
        assert_eq!(front_matter(&card), expected);
        let note = report.notes.iter().map(ToString::to_string).find(|note| note.starts_with("README.md"));
        assert!(
            note.as_ref().map_or(told.is_empty(), |note| !told.is_empty() && note.contains(told)),
            "{turn}: {note:?}"
        );
        assert!(fs::read(coded.join("README.source.md")).expect("kept") == readme);
        let back = work.path().join(format!("back {turn}"));
        decompress(&coded, &back, &DecompressOptions::default(), &()).expect("decompressed");
        assert_same_tree(&source, &back);
    }
}

#[test]
fn no_name_of_a_folder_says_more_in_a_card_than_a_name() {
    let work = work();
    for (turn, name) in ["-rf", "<script>alert(1)<", "a`\u{2028}---\nx: y\n# b", "$(touch x)"].into_iter().enumerate() {
        let name = name.replace('/', "");
        let folder = work.path().join(turn.to_string());
        let (source, coded) = (folder.join(&name), folder.join("coded").join(&name));
        write("whisper", &source);
        fs::create_dir(folder.join("coded")).expect("created");
        let options = with!(CompressOptions::default(), model_card: true);
        compress(&source, &coded, &options, &()).expect("compressed");
        let card = fs::read_to_string(coded.join("README.md")).expect("a card");
        let fields: Vec<&str> = front_matter(&card).lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
        assert_eq!(fields, ["base_model", "base_model_relation", "tags"], "{card}");
        for hostile in ["<script", "\u{2028}", "x: y", "$(", "decompress -"] {
            assert!(!card.contains(hostile), "`{hostile}` is in:\n{card}");
        }
    }
}
