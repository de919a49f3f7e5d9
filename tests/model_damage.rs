//! The damage matrix of a model with our record: bits flipped in every part of the file, every length cut, tensors swapped, renamed and left out,
//! through every backend. Each is refused, or gives the source back byte for byte: there is no third way.
//!
//! Every bit takes minutes, so bits and lengths are `STRIDE` apart, which is prime: every part has its turn. `DF11_DAMAGE_STRIDE=1` takes them all;
//! `cargo test --test model_damage -- --nocapture` prints the counts that tests/README.md records.

mod support;

use df11::backend::Backend;
use df11::model::{CompressOptions, DecompressOptions, VerifyOptions, compress, decompress, verify};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::models::{Contents, tensor, weights};
use support::on_all_processors;
use tempfile::TempDir;

const STRIDE: usize = 13;

#[derive(Default)]
struct Counts {
    runs: u64,
    refused: u64,
    same: u64,
}

struct Model {
    work: TempDir,
    source: Vec<u8>,
    coded: Vec<u8>,
    counts: Mutex<BTreeMap<&'static str, Counts>>,
    files: AtomicUsize,
}

impl Model {
    fn new() -> Model {
        // in memory where there is such a place: every run writes files through to the disk
        let memory = Path::new("/dev/shm");
        let work = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let work = work.expect("a temporary folder");
        let tensors = vec![
            weights("b.0.x.weight", &[40, 48], 1),
            weights("b.0.y.weight", &[48, 40], 2),
            weights("lm_head.weight", &[40, 96], 3),
            weights("norm.weight", &[8], 4),
            tensor("steps", "I64", &[], 7_u64.to_le_bytes().to_vec()),
        ];
        let [source, coded] = ["source", "coded"].map(|name| work.path().join(name));
        Contents { tensors, ..Contents::default() }.write(&source, 5);
        let report = compress(&source, &coded, &CompressOptions::default(), &()).expect("a sound model");
        assert!(report.units >= 1, "{report:?}");
        let [source, coded] = [source, coded].map(|path| fs::read(path).expect("read"));
        Model { work, source, coded, counts: Mutex::default(), files: AtomicUsize::new(0) }
    }

    fn path(&self) -> PathBuf {
        self.work.path().join(self.files.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Every backend refuses the bytes, or all give the source back.
    fn run(&self, kind: &'static str, what: &str, damaged: &[u8]) {
        let [input, output] = [self.path(), self.path()];
        fs::write(&input, damaged).expect("written");
        let mut refusals = 0;
        let backends = Backend::list().into_iter().filter(|listing| listing.available.is_ok());
        let backends: Vec<_> = backends.map(|listing| Backend::named(listing.name).expect("it is listed")).collect();
        for backend in &backends {
            let options = DecompressOptions { backend: backend.clone(), ..DecompressOptions::default() };
            match decompress(&input, &output, &options, &()) {
                Ok(_) => {
                    assert!(fs::read(&output).expect("read") == self.source, "{what}, {backend}: another model");
                    fs::remove_file(&output).expect("removed");
                }
                Err(_) => {
                    assert!(!output.exists(), "{what}, {backend}: refused and yet written");
                    refusals += 1;
                }
            }
        }
        let verified = verify(&input, &VerifyOptions::default(), &());
        let sound = verified.is_ok_and(|report| report.failures.is_empty());
        assert!(!sound || refusals == 0, "{what}: verified, and refused by a backend");
        fs::remove_file(&input).expect("removed");
        let mut counts = self.counts.lock().expect("no thread panicked");
        let counts = counts.entry(kind).or_default();
        counts.runs += backends.len() as u64;
        counts.refused += refusals;
        counts.same += backends.len() as u64 - refusals;
    }

    fn header_bytes(&self) -> usize {
        8 + u64::from_le_bytes(self.coded[..8].try_into().expect("eight")) as usize
    }
}

#[test]
fn a_damaged_model_is_refused_or_comes_back_as_it_was() {
    let model = Model::new();
    let wish = std::env::var("DF11_DAMAGE_STRIDE").ok().map(|text| text.parse().expect("a number"));
    let stride: usize = wish.unwrap_or(STRIDE);
    let header = model.header_bytes();
    let bits: Vec<usize> = (0..8 * model.coded.len()).step_by(stride).collect();
    on_all_processors(&bits, |&bit| {
        let mut damaged = model.coded.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let kind = if bit / 8 < header { "header, a bit flipped" } else { "data, a bit flipped" };
        model.run(kind, &format!("bit {bit}"), &damaged);
    });
    let lengths: Vec<usize> = (0..model.coded.len()).step_by(stride).chain([model.coded.len() - 1]).collect();
    on_all_processors(&lengths, |&length| {
        model.run("file cut", &format!("{length} bytes"), &model.coded[..length]);
    });
    tensors(&model);
    names(&model);
    println!("{:<28}{:>8}{:>9}{:>8}", "damage", "runs", "refused", "same");
    for (kind, Counts { runs, refused, same }) in model.counts.into_inner().expect("no thread panicked") {
        println!("{kind:<28}{runs:>8}{refused:>9}{same:>8}");
    }
}

/// Tensors swapped under each other's names, left out, and cut.
fn tensors(model: &Model) {
    let path = model.path();
    fs::write(&path, &model.coded).expect("written");
    let sound = Contents::read(&path);
    let run = |kind, what: &str, contents: &Contents| {
        contents.write(&path, 0);
        model.run(kind, what, &fs::read(&path).expect("read"));
    };
    for at in 0..sound.tensors.len() {
        let name = sound.tensors[at].name.clone();
        for other in at + 1..sound.tensors.len() {
            let mut damaged = sound.clone();
            damaged.tensors[at].name = std::mem::replace(&mut damaged.tensors[other].name, name.clone());
            run("two tensors swapped", &format!("{name} and {}", damaged.tensors[at].name), &damaged);
        }
        let mut damaged = sound.clone();
        damaged.tensors.remove(at);
        run("a tensor left out", &name, &damaged);
        if sound.tensors[at].shape.len() == 1 && sound.tensors[at].shape[0] > 0 {
            let mut damaged = sound.clone();
            let tensor = &mut damaged.tensors[at];
            tensor.bytes.truncate(tensor.bytes.len() - tensor.bytes.len() / tensor.shape[0] as usize);
            tensor.shape[0] -= 1;
            run("a tensor cut", &name, &damaged);
        }
        let mut damaged = sound.clone();
        damaged.tensors[at].name.push('2');
        run("a tensor renamed", &name, &damaged);
    }
    // tensors in another order of the file are the same model
    let mut turned = sound.clone();
    turned.tensors.reverse();
    run("tensors in another order", "reversed", &turned);
}

/// Keys of the record left out, renamed, and holding each other's values.
fn names(model: &Model) {
    let path = model.path();
    fs::write(&path, &model.coded).expect("written");
    let sound = Contents::read(&path);
    let run = |what: &str, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut damaged = sound.clone();
        change(&mut damaged.metadata);
        damaged.write(&path, 0);
        model.run("record", what, &fs::read(&path).expect("read"));
    };
    let keys: Vec<&String> = sound.metadata.keys().filter(|key| key.starts_with("df11.")).collect();
    for &key in &keys {
        run(key, &|record| drop(record.remove(key)));
        run(key, &|record| drop(record.insert(key.clone(), json!(""))));
        run(key, &|record| {
            let value = record.remove(key).expect("it is there");
            record.insert(format!("{key}2"), value);
        });
        for &other in &keys {
            if key < other {
                run(&format!("{key} and {other}"), &|record| {
                    let value = record.insert(key.clone(), sound.metadata[other].clone()).expect("it is there");
                    record.insert(other.clone(), value);
                });
            }
        }
    }
}
