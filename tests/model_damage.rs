//! The damage matrix of a model: bits flipped in every part of the file, every length cut, tensors
//! swapped, renamed and left out, through every backend. With our record, each damage is refused,
//! or the source comes back byte for byte: there is no third outcome. Without a record, as in files
//! of other writers, values may differ, in the same way on every backend, or the border between two
//! matrices may. What is written is still a sound file, with the source's names and dtypes unless
//! the header was damaged.
//!
//! In a directory every file is damaged, copied ones and the model card included. Verify and
//! decompress each find every damage, with two exceptions: a changed card, which a note mentions,
//! and bits of the main file's header that mean nothing.
//!
//! Every bit takes minutes, so bits and lengths are some distance apart. `DF11_DAMAGE_STRIDE=1`
//! takes them all; `cargo test --test model_damage -- --nocapture` prints the counts that
//! tests/README.md records.

mod support;

use df11::backend::Choice;
use df11::jobs::{CompressOptions, DecompressOptions, PatternDict, VerifyOptions, compress, decompress, verify};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::model_damages::{Counts, Damage, FileDamage, print, small_model, stride};
use support::models::{Contents, Tensor, tree};
use support::with;
use support::{on_all_processors, vectors};
use tempfile::TempDir;

const STRIDE: usize = 23;
const STRIDE_WITHOUT_RECORD: usize = 97;
const STRIDE_OF_FILES: usize = 97;

struct Model {
    work: TempDir,
    source: Vec<u8>,
    coded: Vec<u8>,
    backends: Vec<Choice>,
    counts: Mutex<BTreeMap<&'static str, Counts>>,
    files: AtomicUsize,
}

impl Model {
    fn new() -> Model {
        let work = work_folder();
        let [source, coded] = ["source", "coded"].map(|name| work.path().join(name));
        small_model().write(&source, 5);
        let report = compress(&source, &coded, &CompressOptions::default(), &()).expect("a sound model");
        assert!(report.units >= 1, "{report:?}");
        let [source, coded] = [source, coded].map(|path| fs::read(path).expect("read"));
        let backends = Choice::list().into_iter().filter(|listing| listing.available.is_ok());
        let backends = backends.map(|listing| Choice::named(listing.name).expect("it is listed")).collect();
        Model { work, source, coded, backends, counts: Mutex::default(), files: AtomicUsize::new(0) }
    }

    /// The same model, as a writer that knows nothing of our record would have written it.
    fn without_record() -> Model {
        let mut model = Model::new();
        let mut contents = Contents::of(&model.coded);
        contents.metadata.retain(|key, _| !key.starts_with("df11."));
        model.coded = contents.to_bytes(0);
        model
    }

    fn path(&self) -> PathBuf {
        self.work.path().join(self.files.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Runs all damages, several at a time, and prints the outcomes.
    fn every_damage(&self, usual_stride: usize, run: impl Fn(&Damage) -> Counts + Sync) {
        on_all_processors(&Damage::all(&self.coded, stride(usual_stride)), |damage| {
            let new = run(damage);
            let mut counts = self.counts.lock().expect("no thread panicked");
            let counts = counts.entry(damage.kind(&self.coded)).or_default();
            counts.runs += self.backends.len() as u64;
            counts.refused += new.refused;
            counts.same += new.same;
            counts.other += new.other;
        });
        print(&self.counts.lock().expect("no thread panicked"));
    }

    /// What a backend makes of the file. Nothing is left.
    fn decompressed(&self, input: &Path, what: &str, options: DecompressOptions) -> Option<Vec<u8>> {
        let output = self.path();
        let restored = decompress(input, &output, &options, &());
        assert_eq!(restored.is_ok(), output.exists(), "{what}: refused and yet written, or nothing written");
        restored.ok().map(|_| {
            let bytes = fs::read(&output).expect("read");
            fs::remove_file(&output).expect("removed");
            bytes
        })
    }
}

/// A folder in memory if possible, because every run writes files through to the disk.
fn work_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let work = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    work.expect("a temporary folder")
}

#[test]
fn a_damaged_model_is_refused_or_comes_back_as_it_was() {
    let model = Model::new();
    model.every_damage(STRIDE, |damage| {
        let (input, what) = (model.path(), damage.what());
        fs::write(&input, damage.of(&model.coded)).expect("written");
        let mut counts = Counts::default();
        for backend in &model.backends {
            let options = with!(DecompressOptions::default(), backend: backend.clone());
            match model.decompressed(&input, &what, options) {
                Some(found) => {
                    assert!(found == model.source, "{what}, {backend}: another model");
                    counts.same += 1;
                }
                None => counts.refused += 1,
            }
        }
        let verified = verify(&input, &VerifyOptions::default(), &());
        let sound = verified.is_ok_and(|report| report.failures.is_empty());
        assert!(!sound || counts.refused == 0, "{what}: verified, and refused by a backend");
        fs::remove_file(&input).expect("removed");
        counts
    });
}

/// The tensors of a well-formed file.
fn by_name(file: &[u8]) -> BTreeMap<String, Tensor> {
    Contents::of(file).tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect()
}

#[test]
fn a_damaged_model_without_checksums_is_refused_or_differs_in_values_alone() {
    let model = Model::without_record();
    let [source, patterns] = [(); 2].map(|()| model.path());
    fs::write(&source, &model.source).expect("written");
    fs::write(&patterns, r#"{"b\\.0": ["x", "y"], "lm_head": []}"#).expect("written");
    let patterns = PatternDict::read(&patterns).expect("patterns");
    let expected = by_name(&model.source);
    model.every_damage(STRIDE_WITHOUT_RECORD, |damage| {
        let (input, what) = (model.path(), damage.what());
        fs::write(&input, damage.of(&model.coded)).expect("written");
        let (mut counts, mut first) = (Counts::default(), None);
        for backend in &model.backends {
            let (pattern_dict, like) = (Some(patterns.clone()), Some(source.clone()));
            let options = with!(DecompressOptions::default(), backend: backend.clone(), pattern_dict, like);
            let Some(found) = model.decompressed(&input, &what, options) else {
                counts.refused += 1;
                continue;
            };
            assert!(first.get_or_insert_with(|| found.clone()) == &found, "{what}, {backend}: not as another backend");
            let found = by_name(&found);
            *(if found == expected { &mut counts.same } else { &mut counts.other }) += 1;
            if damage.kind(&model.coded) == "data, a bit flipped" {
                let header = |tensors: &BTreeMap<String, Tensor>| -> (Vec<_>, usize) {
                    let names = tensors.values().map(|tensor| (tensor.name.clone(), tensor.dtype.clone()));
                    (names.collect(), tensors.values().map(|tensor| tensor.bytes.len()).sum())
                };
                assert!(header(&found) == header(&expected), "{what}, {backend}: other names, dtypes or sizes");
            }
        }
        fs::remove_file(&input).expect("removed");
        counts
    });
    let counts = model.counts.lock().expect("no thread panicked");
    let (same, other) = (counts["tensors in another order"].same, counts["data, a bit flipped"].other);
    assert!(same > 0 && other > 0, "{same} sound models, {other} of other values");
}

type Files = BTreeMap<String, Vec<u8>>;

/// Damages every file of the compressed `source`.
fn damaged_directory(source: &Path) {
    let work = work_folder();
    let coded = work.path().join("coded");
    let options = with!(CompressOptions::default(), model_card: true);
    compress(source, &coded, &options, &()).expect("a sound model");
    let (source, coded): (Files, Files) = (tree(source), tree(&coded));
    let (counts, number) = (Mutex::new(BTreeMap::<_, Counts>::new()), AtomicUsize::new(0));
    on_all_processors(&FileDamage::all(&coded, stride(STRIDE_OF_FILES)), |damage| {
        let folder = work.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        let [input, output, partial] = ["input", "output", "partial"].map(|name| folder.join(name));
        damage.write(&coded, &input);
        let (what, kind) = (&damage.what, damage.kind());
        let found = verify(&input, &VerifyOptions::default(), &());
        let restored = decompress(&input, &output, &DecompressOptions::default(), &());
        let fine = found.as_ref().is_ok_and(|report| report.failures.is_empty());
        assert_eq!(fine, restored.is_ok(), "{what}\n{found:?}\n{restored:?}");
        assert_eq!(fine, output.exists(), "{what}");
        if let Ok(report) = &restored {
            assert!(tree(&output) == source && report.byte_exact, "{what}: another model");
        }
        match (kind, &damage.bytes) {
            ("model card", Some(_)) => {
                let notes = found.expect("readable").notes;
                assert!(fine && notes.iter().any(|note| note.to_string().contains("README.md")), "{what}: {notes:?}");
            }
            // Bits of a header that mean nothing, and white space at the end of a list.
            ("main file", _) => {}
            ("list of a pipeline", _) if fine => {}
            // Its version became one that this df11 does not know.
            ("list of a pipeline", _)
                if found.as_ref().is_err_and(|error| error.to_string().contains("newer df11")) => {}
            _ => {
                assert!(!fine, "{what}: not found");
                let names = |error: &df11::Error| error.to_string().contains(damage.name.as_str());
                let failures = found.unwrap_or_else(|error| panic!("{what}: not a failure, but {error}")).failures;
                assert!(
                    failures.iter().all(df11::Error::is_failed_check) && failures.iter().any(names),
                    "{what}: {failures:?}"
                );
                assert!(restored.is_err_and(|error| names(&error)), "{what}: not named");
                let options = with!(DecompressOptions::default(), partial: true);
                let report = decompress(&input, &partial, &options, &()).expect(what);
                assert!(report.missing.iter().any(names) && !report.byte_exact, "{what}: {report:?}");
                let (expected, left) = (by_name_of(&source), by_name_of(&tree(&partial)));
                assert!(left.iter().all(|(name, tensor)| expected.get(name) == Some(tensor)), "{what}: other tensors");
                let lost = source.iter().filter(|(name, bytes)| tree(&partial).get(*name) != Some(*bytes)).count();
                assert!(lost <= source.len() / 2, "{what}: too little is left");
                assert!(kind == "file of a unit" || left.len() == expected.len(), "{what}: tensors are lost");
            }
        }
        fs::remove_dir_all(&folder).expect("removed");
        let mut counts = counts.lock().expect("no thread panicked");
        let counts = counts.entry(kind).or_default();
        counts.runs += 1;
        *(if fine { &mut counts.same } else { &mut counts.refused }) += 1;
    });
    print(&counts.into_inner().expect("no thread panicked"));
}

/// The tensors of all weight files.
fn by_name_of(files: &Files) -> BTreeMap<String, Tensor> {
    files.iter().filter(|(name, _)| name.ends_with(".safetensors")).flat_map(|(_, bytes)| by_name(bytes)).collect()
}

#[test]
fn of_a_directory_no_file_is_damaged_or_lost_unnoticed() {
    damaged_directory(&vectors("record-v1").join("source"));
}

#[test]
fn of_a_pipeline_no_file_is_damaged_or_lost_unnoticed() {
    let work = work_folder();
    let source = work.path().join("pipeline");
    for part in ["text_encoder", "transformer"] {
        for (name, bytes) in tree(&vectors("record-v1").join("source")) {
            let path = source.join(part).join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            fs::write(path, bytes).expect("copied");
        }
    }
    fs::create_dir(source.join("scheduler")).expect("created");
    for name in ["model_index.json", "README.md", "scheduler/scheduler_config.json"] {
        fs::write(source.join(name), "{}").expect("written");
    }
    damaged_directory(&source);
}
