//! A file that changes while a job reads it ends the job, which names the file and leaves OUTPUT
//! absent. This holds for any file, any change, and any moment.

mod support;

use df11::Error;
use df11::jobs::{CompressOptions, DecompressOptions, Progress, VerifyOptions, compress, decompress, verify};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::models::{Contents, assert_same_tree, tree, weights};
use support::with;

/// Longer than a clock tick of any file system.
const TICK: Duration = Duration::from_millis(30);

/// Does something when the unit with this number begins.
struct At<'a> {
    unit: usize,
    asked: AtomicUsize,
    act: &'a (dyn Fn() + Sync),
}

impl Progress for At<'_> {
    fn unit(&self, _: &str) {
        if self.asked.fetch_add(1, Ordering::Relaxed) == self.unit {
            std::thread::sleep(TICK);
            (self.act)();
        }
    }
}

type Change = fn(&Path);

/// Each leaves a file with other contents, or none.
const CHANGES: [(&str, Change); 5] = [
    ("another file of the same size and date moved over it", |path| {
        let other = path.with_extension("other");
        fs::write(&other, changed(path)).expect("written");
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).expect("a date");
        fs::File::options().append(true).open(&other).and_then(|file| file.set_modified(modified)).expect("dated");
        fs::rename(other, path).expect("moved");
    }),
    ("edited in place", |path| fs::write(path, changed(path)).expect("written")),
    ("made longer", |path| fs::write(path, [fs::read(path).expect("read"), vec![b' ']].concat()).expect("written")),
    ("cut", |path| {
        let half = fs::metadata(path).expect("there").len() / 2;
        fs::File::options().write(true).open(path).and_then(|file| file.set_len(half)).expect("cut");
    }),
    ("removed", |path| fs::remove_file(path).expect("removed")),
];

/// The file with its last byte changed.
fn changed(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).expect("read");
    *bytes.last_mut().expect("a byte") ^= 1;
    bytes
}

/// Two shards, an index, a configuration, and files beside them.
fn sharded(path: &Path) {
    fs::create_dir_all(path.join("assets")).expect("created");
    let mut map = serde_json::Map::new();
    for shard in 1..=2 {
        let name = format!("model-{shard:05}-of-00002.safetensors");
        let tensors: Vec<_> =
            ["q", "k"].iter().map(|part| weights(&format!("l.{shard}.{part}.weight"), &[128, 130], shard)).collect();
        map.extend(tensors.iter().map(|tensor| (tensor.name.clone(), json!(name))));
        Contents { tensors, ..Contents::default() }.write(&path.join(name), 0);
    }
    let text = |name: &str, text: &str| fs::write(path.join(name), text).expect("written");
    text("model.safetensors.index.json", &json!({"metadata": {}, "weight_map": map}).to_string());
    text("config.json", "{\"model_type\": \"x\"}\n");
    text("tokenizer.json", "{}\n");
    text("assets/chat.jinja", "hello\n");
    text("README.md", "# A model\n");
}

fn named(error: &Error, path: &Path) -> bool {
    error.to_string().contains(path.to_str().expect("UTF-8"))
}

/// Makes each change of each file at the beginning and at the end of a compression.
fn every_change(make: fn(&Path), options: &CompressOptions) {
    let work = tempfile::tempdir().expect("a folder");
    let [source, output] = ["source", "out"].map(|name| work.path().join(name));
    make(&source);
    let units = AtomicUsize::new(0);
    struct Count<'a>(&'a AtomicUsize);
    impl Progress for Count<'_> {
        fn unit(&self, _: &str) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    compress(&source, &output, options, &Count(&units)).expect("untouched");
    fs::remove_dir_all(&output).or_else(|_| fs::remove_file(&output)).expect("removed");
    let files = match source.is_dir() {
        true => tree(&source).into_keys().map(|name| source.join(name)).collect(),
        false => vec![source.clone()],
    };
    for path in files {
        for (what, change) in CHANGES {
            for unit in [0, units.load(Ordering::Relaxed) - 1] {
                let at = At { unit, asked: AtomicUsize::new(0), act: &|| change(&path) };
                let error = compress(&source, &output, options, &at).expect_err(what);
                assert!(named(&error, &path), "{} {what} at unit {unit}: {error}", path.display());
                assert!(!output.exists(), "{} {what}", path.display());
                for left in [&source, &work.path().join("out.partial")] {
                    let _ = fs::remove_dir_all(left).or_else(|_| fs::remove_file(left));
                }
                make(&source);
            }
        }
    }
}

#[test]
fn whatever_file_of_a_sharded_model_changes_compression_ends_and_names_it() {
    every_change(sharded, &CompressOptions::default());
}

#[test]
fn so_it_does_where_all_goes_into_one_file_and_where_a_card_is_written() {
    every_change(sharded, &with!(CompressOptions::default(), single_file: true, model_card: true));
}

#[test]
fn a_single_file_that_changes_ends_its_compression() {
    every_change(
        |path| {
            let tensors = vec![weights("a.weight", &[128, 130], 1), weights("b.weight", &[128, 130], 2)];
            Contents { tensors, ..Contents::default() }.write(path, 0);
        },
        &CompressOptions::default(),
    );
}

#[test]
fn whatever_file_of_a_pipeline_changes_compression_ends_and_names_it() {
    every_change(
        |path| {
            for part in ["text_encoder", "transformer"] {
                fs::create_dir_all(path.join(part)).expect("created");
                let tensors = vec![weights("a.weight", &[128, 130], 1), weights("b.weight", &[128, 130], 2)];
                Contents { tensors, ..Contents::default() }.write(&path.join(part).join("model.safetensors"), 0);
                fs::write(path.join(part).join("config.json"), "{\"a\": 1}").expect("written");
            }
            fs::create_dir_all(path.join("scheduler")).expect("created");
            fs::write(path.join("scheduler/scheduler_config.json"), "{}").expect("written");
            fs::write(path.join("model_index.json"), "{}").expect("written");
        },
        &CompressOptions::default(),
    );
}

#[test]
fn of_a_hundred_shards_those_that_are_not_kept_open_are_watched_like_the_others() {
    let work = tempfile::tempdir().expect("a folder");
    let [source, output] = ["source", "out"].map(|name| work.path().join(name));
    let shard = |number: usize| source.join(format!("model-{number:05}-of-00100.safetensors"));
    fs::create_dir(&source).expect("created");
    for number in 1..=100 {
        let mut tensors = vec![weights(&format!("n.{number}.norm"), &[8], number as u64)];
        if number % 50 == 1 {
            tensors.push(weights(&format!("head_{number}.weight"), &[128, 130], number as u64));
        }
        Contents { tensors, ..Contents::default() }.write(&shard(number), 0);
    }
    for path in [shard(1), shard(64), shard(65), shard(66), shard(100)] {
        let sound = fs::read(&path).expect("read");
        for (what, change) in CHANGES {
            let at = At { unit: 0, asked: AtomicUsize::new(0), act: &|| change(&path) };
            let error = compress(&source, &output, &CompressOptions::default(), &at).expect_err(what);
            assert!(named(&error, &path), "{} {what}: {error}", path.display());
            assert!(!output.exists());
            fs::write(&path, &sound).expect("restored");
            let _ = fs::remove_dir_all(work.path().join("out.partial"));
        }
    }
    let report = compress(&source, &output, &CompressOptions::default(), &()).expect("untouched");
    assert_eq!(report.units, 2);
    let back = work.path().join("back");
    assert!(decompress(&output, &back, &DecompressOptions::default(), &()).expect("restored").byte_exact);
    assert_same_tree(&source, &back);
}

#[test]
fn a_job_whose_source_changed_goes_on_only_with_the_source_that_it_began_with() {
    let work = tempfile::tempdir().expect("a folder");
    let [source, output] = ["source", "out"].map(|name| work.path().join(name));
    sharded(&source);
    let shard = source.join("model-00002-of-00002.safetensors");
    let sound = fs::read(&shard).expect("read");
    // When both units are finished, and the main file begins.
    let at = At { unit: 2, asked: AtomicUsize::new(0), act: &|| fs::write(&shard, changed(&shard)).expect("written") };
    let error = compress(&source, &output, &CompressOptions::default(), &at).expect_err("changed");
    assert!(
        matches!(&error, Error::Kept { error, .. } if matches!(**error, Error::ChangedMeanwhile { .. })),
        "{error}"
    );
    fs::write(&shard, sound).expect("restored");
    let resume = with!(CompressOptions::default(), resume: true);
    compress(&source, &output, &resume, &()).expect("resumed");
    let back = work.path().join("back");
    decompress(&output, &back, &DecompressOptions::default(), &()).expect("restored");
    assert_same_tree(&source, &back);
}

#[test]
fn a_model_that_changes_while_it_is_decompressed_or_verified_is_not_called_sound() {
    let work = tempfile::tempdir().expect("a folder");
    let [source, coded, output] = ["source", "coded", "out"].map(|name| work.path().join(name));
    sharded(&source);
    compress(&source, &coded, &CompressOptions::default(), &()).expect("compressed");
    let weights: Vec<PathBuf> = tree(&coded).into_keys().map(|name| coded.join(name)).collect();
    for path in weights.iter().filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")) {
        let sound = fs::read(path).expect("read");
        for (what, change) in CHANGES {
            for unit in [0, 1] {
                let act = || change(path);
                let at = || At { unit, asked: AtomicUsize::new(0), act: &act };
                let error = decompress(&coded, &output, &DecompressOptions::default(), &at()).expect_err(what);
                assert!(!output.exists() && !work.path().join("out.partial").exists(), "{what}: {error}");
                fs::write(path, &sound).expect("restored");
                let found = verify(&coded, &VerifyOptions::default(), &at());
                assert!(!found.is_ok_and(|report| report.failures.is_empty()), "{} {what}", path.display());
                fs::write(path, &sound).expect("restored");
            }
        }
    }
}
