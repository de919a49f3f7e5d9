//! Files that are missing, empty, of another kind or cut short: the message names that file, and
//! the next step, whatever the verb.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::makers::{INDEX, TWO, beside, llama};
use crate::support::models::{Contents, tree};
use crate::{Place, df11, text};

/// Damages a file.
type Damage = fn(&Path);

const EMPTY: Damage = |path| fs::write(path, b"").expect("written");
const PAGE: Damage = |path| fs::write(path, b"<!doctype html><html>").expect("written");
const LIST: Damage = |path| fs::write(path, b"[1, 2, 3]").expect("written");
const MISSING: Damage = |path| fs::remove_file(path).expect("removed");
const CUT: Damage = |path| {
    let bytes = fs::read(path).expect("read");
    fs::write(path, &bytes[..bytes.len() / 2]).expect("written");
};
const FOLDER: Damage = |path| {
    fs::remove_file(path).expect("removed");
    fs::create_dir(path).expect("created");
};
#[cfg(unix)]
const NOWHERE: Damage = |path| {
    fs::remove_file(path).expect("removed");
    std::os::unix::fs::symlink("nowhere", path).expect("linked");
};

/// Checks that each of these verbs refuses the folder that `make` writes, once `file` in it is
/// damaged, with these words and the name of the file.
#[track_caller]
fn blamed(make: impl Fn(&Place) -> PathBuf, verbs: &[&str], file: &str, damage: Damage, words: &[&str]) {
    let place = Place::new();
    let folder = make(&place);
    damage(&folder.join(file));
    for verb in verbs {
        let out = place.at("out");
        let mut arguments = vec![*verb, text(&folder)];
        if ["compress", "decompress"].contains(verb) {
            arguments.extend(["-o", text(&out)]);
        }
        let run = df11(arguments);
        assert!(run.stderr.contains(&format!("{file}: ")), "{verb} {file}: {}", run.stderr);
        run.ends(2, words);
        assert!(!out.exists());
    }
}

fn source(place: &Place) -> PathBuf {
    place.source(&beside().with_index(INDEX, &TWO, &llama()))
}

fn coded(place: &Place, code: &str) -> PathBuf {
    let (source, coded) = (source(place), place.at("coded"));
    df11(["compress", text(&source), "-o", text(&coded), "--code", code]).ends(0, &[]);
    coded
}

#[test]
fn of_a_source_the_damaged_file_is_named() {
    let verbs = ["compress", "estimate", "inspect"];
    for file in ["config.json", INDEX] {
        blamed(source, &verbs, file, EMPTY, &["is empty; get the file again"]);
        blamed(source, &verbs, file, PAGE, &["is not JSON: it is a web page", "download the file again"]);
        blamed(source, &verbs, file, CUT, &["EOF while parsing", "get the file again"]);
        blamed(source, &verbs, file, LIST, &["expected a", "get the file again"]);
        blamed(source, &verbs, file, FOLDER, &["is a folder"]);
        #[cfg(unix)]
        blamed(source, &verbs, file, NOWHERE, &["is a link to nothing"]);
    }
    for damage in [EMPTY, CUT] {
        blamed(source, &verbs, TWO[1], damage, &["not a readable safetensors file", "; get the file again"]);
    }
    blamed(source, &verbs, TWO[1], PAGE, &["it is a web page", "download the file again"]);
}

#[test]
fn of_a_published_model_the_damaged_file_is_named() {
    let verbs = ["decompress", "verify", "inspect"];
    let published = |place: &Place| coded(place, "published");
    blamed(published, &verbs, "config.json", EMPTY, &["is empty; get the file again"]);
    blamed(published, &verbs, "config.json", CUT, &["EOF while parsing", "get the file again"]);
    blamed(published, &verbs, "config.json", FOLDER, &["is a folder"]);
    #[cfg(unix)]
    blamed(published, &verbs, "config.json", NOWHERE, &["is a link to nothing"]);
    for file in ["model.safetensors", "model_layers_1.safetensors"] {
        blamed(published, &verbs, file, EMPTY, &["the file has 0 bytes", "; get the file again"]);
        blamed(published, &verbs, file, CUT, &["truncated; get the file again"]);
    }
}

#[test]
fn of_our_own_model_the_damaged_file_is_named_by_every_verb() {
    for file in ["config.json", "tokenizer.json", "model_layers_1.safetensors", "model.safetensors"] {
        let place = Place::new();
        let coded = coded(&place, "canonical");
        MISSING(&coded.join(file));
        let named = format!("{file}: is missing");
        df11(["verify", text(&coded)]).ends(1, &[&named, "get it again"]);
        df11(["inspect", text(&coded)]).ends(0, &["\nnot complete: missing ", file]);
        df11(["decompress", text(&coded), "-o", text(&place.at("out"))]).ends(2, &[&named, "--partial restores it"]);
    }
    for file in ["config.json", "tokenizer.json", "model_layers_1.safetensors"] {
        let place = Place::new();
        let coded = coded(&place, "canonical");
        CUT(&coded.join(file));
        let named = format!("{file}: is not the file that was written");
        df11(["verify", text(&coded)]).ends(1, &[&named]);
        let run = df11(["inspect", text(&coded)]).ends(0, &[]);
        assert!(!run.stdout.contains("\ncomplete\n"), "{file}: {}", run.stdout);
        df11(["decompress", text(&coded), "-o", text(&place.at("out"))]).ends(2, &[&named, "--partial restores it"]);
    }
}

#[test]
fn a_main_file_without_its_record_is_said_to_have_lost_it() {
    let place = Place::new();
    let coded = coded(&place, "canonical");
    let main = coded.join("model.safetensors");
    let mut contents = Contents::read(&main);
    contents.metadata.retain(|key, _| !key.starts_with("df11."));
    contents.write(&main, 0);
    let lost = ["model.safetensors: the record of the source", "it is missing"];
    df11(["verify", text(&coded)]).ends(1, &lost);
    df11(["inspect", text(&coded)]).ends(0, &["\ncompleteness unknown\n"]);
    let out = place.at("out");
    df11(["decompress", text(&coded), "-o", text(&out)]).ends(2, &lost).ends(2, &["--partial restores it"]);
    df11(["decompress", text(&coded), "-o", text(&out), "--partial"]).ends(0, &["NOT the whole source"]);
}

#[test]
fn a_record_of_version_1_misses_config_json_and_is_not_called_damaged() {
    let place = Place::new();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/record-v1/coded");
    let coded = place.at("coded");
    fs::create_dir(&coded).expect("created");
    for (name, bytes) in tree(&vectors).iter().filter(|(name, _)| !name.contains('/')) {
        fs::write(coded.join(name), bytes).expect("written");
    }
    MISSING(&coded.join("config.json"));
    df11(["verify", text(&coded)]).ends(1, &["config.json: is missing"]);
    df11(["inspect", text(&coded)]).ends(0, &["not complete: missing config.json"]);
    let run = df11(["decompress", text(&coded), "-o", text(&place.at("out"))]).ends(2, &["config.json: is missing"]);
    assert!(!run.stderr.contains("damaged"), "{}", run.stderr);
}

/// Changes `dfloat11_config` of a published folder.
fn with_config(coded: &Path, change: impl Fn(&mut Value)) {
    let path = coded.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    change(&mut config["dfloat11_config"]);
    fs::write(path, config.to_string()).expect("written");
}

#[test]
fn what_dfloat11_config_lacks_is_assumed_as_published_with_a_note() {
    let place = Place::new();
    let coded = coded(&place, "published");
    with_config(&coded, |config| drop(config.as_object_mut().expect("an object").remove("threads_per_block")));
    let note = "config.json: its dfloat11_config lacks threads_per_block; what the published tool writes is assumed";
    df11(["verify", text(&coded), "--against", text(&place.at("source"))]).ends(0, &[note, ": complete: "]);
    df11(["inspect", text(&coded)]).ends(0, &[note, "\ncomplete\n"]);
    df11(["decompress", text(&coded), "-o", text(&place.at("out"))]).ends(0, &[note, "; complete)"]);
    // A Llama needs no patterns either.
    with_config(&coded, |config| *config = json!({"version": "0.5.0"}));
    let note = "lacks threads_per_block, bytes_per_thread, pattern_dict";
    df11(["verify", text(&coded), "--against", text(&place.at("source"))]).ends(0, &[note, ": complete: "]);
    with_config(&coded, |config| *config = json!({"pattern_dict": [1]}));
    df11(["decompress", text(&coded), "-o", text(&place.at("again"))])
        .ends(2, &["config.json: expected a pattern dictionary"]);
    with_config(&coded, |config| *config = json!({"threads_per_block": [256]}));
    df11(["verify", text(&coded)]).ends(2, &["config.json: dfloat11_config: threads_per_block is [256]"]);
    with_config(&coded, |config| *config = json!("0.5.0"));
    df11(["verify", text(&coded)]).ends(2, &["config.json: expected a JSON object: dfloat11_config is"]);
}

#[test]
fn verify_tells_what_decompress_will_need() {
    let place = Place::new();
    let coded = coded(&place, "published");
    MISSING(&coded.join("config.json"));
    df11(["verify", text(&coded)]).ends(0, &["decompress will say: the shapes of", "--like"]);
    df11(["decompress", text(&coded), "-o", text(&place.at("out"))]).ends(0, &["note: the shapes of", "--like"]);

    let place = Place::new();
    let patterns = place.at("patterns.json");
    fs::write(&patterns, json!({r"model\.layers\.\d+": ["mlp.up_proj", "mlp.down_proj"]}).to_string())
        .expect("written");
    let (source, coded) = (source(&place), place.at("coded"));
    let compress = ["compress", text(&source), "-o", text(&coded), "--code", "published", "--pattern-dict"];
    df11(compress.iter().chain(&[text(&patterns)])).ends(0, &[]);
    MISSING(&coded.join("config.json"));
    let needed = ["decompress will need more than the model", "their names are unknown", "--pattern-dict"];
    df11(["verify", text(&coded)]).ends(0, &needed);
    let with_patterns = df11(["verify", text(&coded), "--pattern-dict", text(&patterns)]).ends(0, &[]);
    assert!(!with_patterns.stderr.contains("need more"), "{}", with_patterns.stderr);
}

#[test]
fn a_file_with_nothing_to_code_says_so_with_the_next_step() {
    use crate::support::models::{Tensor, weights};
    let place = Place::new();
    let few = place.at("few.safetensors");
    Contents { tensors: vec![weights("model.norm.weight", &[64], 1)], ..Contents::default() }.write(&few, 0);
    df11(["inspect", text(&few)]).ends(0, &["few.safetensors: has no units", "--dry-run"]);
    df11(["bench", text(&few)]).ends(2, &["few.safetensors: holds no DFloat11 unit and no BF16 matrix"]);
    let other = place.at("other.safetensors");
    let ints = Tensor { dtype: "I8".into(), bytes: vec![0; 4096], ..weights("w.weight", &[64, 64], 1) };
    Contents { tensors: vec![ints], ..Contents::default() }.write(&other, 0);
    for verb in ["inspect", "estimate"] {
        let code = if verb == "inspect" { 0 } else { 2 };
        df11([verb, text(&other)])
            .ends(code, &["other.safetensors: holds no BF16 values: 1 of I8", "give the BF16 model"]);
    }
    df11(["bench", text(&other)]).ends(2, &["other.safetensors: holds no DFloat11 unit and no BF16 matrix"]);
}
