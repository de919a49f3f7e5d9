//! What people have on their disks: shards, links, pipelines, single files, duplicates, and what is
//! no BF16 model at all.

mod support;

use df11::jobs::{CompressOptions, DecompressOptions, VerifyOptions, compress, decompress, verify};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use support::architectures::{Model, models};
use support::models::Contents;
use support::safetensors;
use support::with;
use tempfile::TempDir;

type Filled = Vec<(String, String, Vec<u64>, Vec<u8>)>;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn model(name: &str) -> Model {
    models(|file| file == "miniature").into_iter().find(|model| model.name.starts_with(name)).expect("of the folder")
}

/// Every file below a directory.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).expect("a folder").map(|entry| entry.expect("an entry")) {
        if entry.path().is_dir() {
            let below = Path::new(&entry.file_name()).to_owned();
            files.extend(self::files(&entry.path()).into_iter().map(|(path, bytes)| (below.join(path), bytes)));
        } else {
            files.insert(entry.file_name().into(), fs::read(entry.path()).expect("read"));
        }
    }
    files
}

/// Compresses, verifies against the source, decompresses. Returns what was written, what came back,
/// and the notes.
fn there_and_back(source: &Path, work: &Path) -> (PathBuf, PathBuf, Vec<String>) {
    let (df11, restored) = (work.join("df11"), work.join("restored"));
    let report = compress(source, &df11, &CompressOptions::default(), &()).expect("compressed");
    assert!(report.units > 0);
    let against = Some(source.to_owned());
    let verified = verify(&df11, &with!(VerifyOptions::default(), against), &()).expect("verified");
    assert!(verified.failures.is_empty() && verified.compared > Some(0), "{:?}", verified.failures);
    decompress(&df11, &restored, &DecompressOptions::default(), &()).expect("decompressed");
    (df11, restored, report.notes.iter().map(ToString::to_string).collect())
}

fn refusal(source: &Path, work: &Path) -> String {
    let error = compress(source, &work.join("df11"), &CompressOptions::default(), &()).expect_err("refused");
    assert!(!error.is_failed_check() && !work.join("df11").exists());
    error.to_string()
}

/// Writes the tensors as `count` shards, with the index that transformers writes.
fn write_shards(tensors: &Filled, source: &Path, count: usize, indexed: bool) {
    let mut map = serde_json::Map::new();
    for (number, shard) in tensors.chunks(tensors.len().div_ceil(count)).enumerate() {
        let name = format!("model-{:05}-of-{count:05}.safetensors", number + 1);
        fs::write(source.join(&name), safetensors::to_bytes(shard)).expect("written");
        map.extend(shard.iter().map(|(tensor, ..)| (tensor.clone(), name.clone().into())));
    }
    if indexed {
        let index = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map}).to_string();
        fs::write(source.join("model.safetensors.index.json"), index).expect("written");
    }
}

#[test]
fn shards_come_back_with_and_without_their_index() {
    for indexed in [true, false] {
        let work = folder();
        let source = work.path().join("source");
        model("qwen3/").write(&source);
        fs::remove_file(source.join("model.safetensors")).expect("removed");
        write_shards(&model("qwen3/").filled(), &source, 3, indexed);
        let (_, restored, notes) = there_and_back(&source, work.path());
        assert_eq!(files(&source), files(&restored));
        assert!(notes.is_empty(), "{notes:?}");
    }
}

#[test]
fn a_missing_shard_is_named() {
    let work = folder();
    write_shards(&model("qwen3/").filled(), work.path(), 3, true);
    fs::remove_file(work.path().join("model-00002-of-00003.safetensors")).expect("removed");
    assert!(refusal(work.path(), folder().path()).contains("model-00002-of-00003.safetensors"));
}

#[test]
fn the_same_weights_in_another_form_are_left_out_with_a_note() {
    for sharded in [true, false] {
        let work = folder();
        let source = work.path().join("source");
        model("mistral").write(&source);
        if sharded {
            fs::remove_file(source.join("model.safetensors")).expect("removed");
            write_shards(&model("mistral").filled(), &source, 2, false);
        }
        let expected = files(&source);
        fs::write(source.join("consolidated.safetensors"), safetensors::to_bytes(&model("mistral").filled()))
            .expect("written");
        let (_, restored, notes) = there_and_back(&source, work.path());
        assert_eq!(files(&restored), expected);
        assert!(notes.iter().any(|note| note.contains("consolidated.safetensors")), "{notes:?}");
    }
}

#[test]
fn the_same_weights_of_other_libraries_are_left_out_with_a_note() {
    let work = folder();
    let source = work.path().join("source");
    model("llama").write(&source);
    // A file that is named like them, but is none, stays.
    fs::write(source.join("training_args.bin"), "x").expect("written");
    let expected = files(&source);
    fs::create_dir(source.join("original")).expect("created");
    let others = [
        "pytorch_model-00001-of-00002.bin",
        "pytorch_model.bin.index.json",
        "tf_model.h5",
        "flax_model.msgpack",
        "model-Q4_K_M.gguf",
        "original/consolidated.00.pth",
    ];
    others.iter().for_each(|name| fs::write(source.join(name), "large").expect("written"));
    let (_, restored, notes) = there_and_back(&source, work.path());
    assert_eq!(files(&restored), expected);
    for name in others {
        assert!(notes.iter().any(|note| note.starts_with(name)), "{name}: {notes:?}");
    }
}

#[test]
fn a_coded_model_in_few_shards_with_an_index_is_read_like_any() {
    let work = folder();
    let source = work.path().join("source");
    model("llama").write(&source);
    let (df11, ..) = there_and_back(&source, work.path());
    let resharded = work.path().join("resharded");
    fs::create_dir(&resharded).expect("created");
    let (mut shards, mut map) = ([Contents::default(), Contents::default()], serde_json::Map::new());
    for (number, name) in files(&df11).into_keys().enumerate() {
        if name.extension().is_none_or(|extension| extension != "safetensors") {
            fs::copy(df11.join(&name), resharded.join(&name)).expect("copied");
            continue;
        }
        let file = Contents::read(&df11.join(&name));
        let shard = format!("model-0000{}-of-00002.safetensors", number % 2 + 1);
        map.extend(file.tensors.iter().map(|tensor| (tensor.name.clone(), shard.clone().into())));
        shards[number % 2].tensors.extend(file.tensors);
        shards[number % 2].metadata.extend(file.metadata);
    }
    for (number, shard) in shards.iter().enumerate() {
        shard.write(&resharded.join(format!("model-0000{}-of-00002.safetensors", number + 1)), 0);
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": map}).to_string();
    fs::write(resharded.join("model.safetensors.index.json"), index).expect("written");
    let report = verify(&resharded, &VerifyOptions::default(), &()).expect("verified");
    assert!(
        report.failures.is_empty() && report.checksums == Some(model("llama").tensors.len()),
        "{:?}",
        report.failures
    );
    let again = work.path().join("again");
    decompress(&resharded, &again, &DecompressOptions::default(), &()).expect("decompressed");
    assert_eq!(files(&source), files(&again));
}

#[test]
fn a_download_cache_of_links_is_followed_and_not_touched() {
    if cfg!(not(unix)) {
        return eprintln!("skipped: a download cache of links (this system's links need privileges)");
    }
    let work = folder();
    let (blobs, source) = (work.path().join("blobs"), work.path().join("snapshots/0123abcd"));
    model("llama").write(&blobs);
    fs::create_dir_all(&source).expect("created");
    #[cfg(unix)]
    for (number, name) in files(&blobs).into_keys().enumerate() {
        let blob = blobs.join(format!("{number:064x}"));
        fs::rename(blobs.join(&name), &blob).expect("renamed");
        std::os::unix::fs::symlink(
            Path::new("../../blobs").join(blob.file_name().expect("a name")),
            source.join(&name),
        )
        .expect("linked");
    }
    let before = files(&source);
    let (_, restored, _) = there_and_back(&source, work.path());
    assert_eq!((&before, &before), (&files(&source), &files(&restored)));
}

#[test]
fn a_pipeline_is_coded_part_by_part() {
    let work = folder();
    let source = work.path().join("source");
    for (part, family) in [("transformer", "sd3.5/"), ("vae", "sd3.5-vae/"), ("text_encoder", "sd3.5-text/")] {
        model(family).write(&source.join(part));
    }
    for (name, text) in
        [("model_index.json", "{\"_class_name\": \"StableDiffusion3Pipeline\"}"), ("tokenizer/vocab.json", "{}")]
    {
        fs::create_dir_all(source.join(name).parent().expect("a folder")).expect("created");
        fs::write(source.join(name), text).expect("written");
    }
    let safety = source.join("safety");
    fs::create_dir(&safety).expect("created");
    let halves = vec![("w.weight".to_owned(), "F16".to_owned(), vec![256, 256], vec![0x3C; 2 * 256 * 256])];
    fs::write(safety.join("model.safetensors"), safetensors::to_bytes(&halves)).expect("written");
    let expected = files(&source);
    fs::write(source.join("sd3.5_large.safetensors"), safetensors::to_bytes(&halves)).expect("written");
    let (df11, restored, notes) = there_and_back(&source, work.path());
    assert_eq!(files(&restored), expected);
    for part in ["transformer", "vae", "text_encoder"] {
        let coded = safetensors::read_directory(&df11.join(part)).expect("readable");
        assert!(!coded.unit_names().is_empty(), "{part}");
        assert!(fs::read_to_string(df11.join(part).join("config.json")).expect("read").contains("pattern_dict"));
    }
    for noted in ["safety", "sd3.5_large.safetensors"] {
        assert!(notes.iter().any(|note| note.contains(noted)), "{notes:?}");
    }
}

#[test]
fn a_single_file_of_comfyui_keeps_its_prefix_and_carries_its_patterns() {
    let work = folder();
    let source = work.path().join("flux1-dev.safetensors");
    let mut tensors = model("flux").filled();
    tensors.iter_mut().for_each(|(name, ..)| *name = format!("model.diffusion_model.{name}"));
    fs::write(&source, safetensors::to_bytes(&tensors)).expect("written");
    let (df11, restored, _) = there_and_back(&source, work.path());
    assert_eq!(fs::read(&source).expect("read"), fs::read(restored).expect("read"));
    let coded = safetensors::read(&df11).expect("readable");
    assert!(coded.unit_names().contains("model.diffusion_model.transformer_blocks.1"));
    assert!(coded.metadata["df11.config"].contains(r"model\\.diffusion_model\\.transformer_blocks\\.\\d+"));
}

#[test]
fn what_is_no_bf16_model_is_refused_with_the_way_on() {
    let at = |name: &str, bytes: &[u8]| {
        let work = folder();
        fs::write(work.path().join(name), bytes).expect("written");
        refusal(work.path(), folder().path())
    };
    assert!(at("pytorch_model.bin", b"x").contains("pytorch_model.bin"));
    assert!(at("model-Q4_K_M.gguf", b"x").contains("GGUF"));
    assert!(at("config.json", b"{}").contains("no .safetensors"));
    let codes = vec![
        ("q.weight".to_owned(), "I8".to_owned(), vec![256, 256], vec![1; 256 * 256]),
        ("q.scale".to_owned(), "F16".to_owned(), vec![256], vec![1; 512]),
    ];
    let message = at("model.safetensors", &safetensors::to_bytes(&codes));
    assert!(message.contains("1 of I8") && message.contains("BF16"), "{message}");
    let work = folder();
    let source = work.path().join("source");
    model("llama").write(&source);
    let (df11, ..) = there_and_back(&source, work.path());
    assert!(refusal(&df11, folder().path()).contains("DFloat11 model already"));
}

#[test]
fn quantised_tensors_beside_bf16_pass_through() {
    let work = folder();
    let source = work.path().join("source");
    fs::create_dir(&source).expect("created");
    let mut tensors = model("llama").filled();
    for (name, dtype, _, bytes) in tensors.iter_mut().filter(|(name, ..)| name.contains("mlp")) {
        *dtype = if name.contains("up_proj") { "I8" } else { "F8_E4M3" }.to_owned();
        bytes.truncate(bytes.len() / 2);
    }
    fs::write(source.join("model.safetensors"), safetensors::to_bytes(&tensors)).expect("written");
    let (df11, restored, _) = there_and_back(&source, work.path());
    assert_eq!(files(&source), files(&restored));
    let config = fs::read_to_string(df11.join("config.json")).expect("read");
    assert!(config.contains("self_attn.q_proj") && !config.contains("mlp"), "{config}");
}
