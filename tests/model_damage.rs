//! The damage matrix of a model: bits flipped in every part of the file, every length cut, tensors swapped, renamed and left out, through every
//! backend. With our record each is refused, or gives the source back byte for byte: there is no third way. Without one, as in files of other
//! writers, values may differ, on every backend alike, or the border between two matrices; what is written is a sound file all the same, and of
//! the source's names and dtypes unless the header was what was damaged.
//!
//! Every bit takes minutes, so bits and lengths are some way apart. `DF11_DAMAGE_STRIDE=1` takes them all;
//! `cargo test --test model_damage -- --nocapture` prints the counts that tests/README.md records.

mod support;

use df11::backend::Backend;
use df11::model::{CompressOptions, DecompressOptions, PatternDict, VerifyOptions, compress, decompress, verify};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::model_damages::{Counts, Damage, print, small_model, stride};
use support::models::{Contents, Tensor};
use support::on_all_processors;
use tempfile::TempDir;

const STRIDE: usize = 13;
const STRIDE_WITHOUT_RECORD: usize = 61;

struct Model {
    work: TempDir,
    source: Vec<u8>,
    coded: Vec<u8>,
    backends: Vec<Backend>,
    counts: Mutex<BTreeMap<&'static str, Counts>>,
    files: AtomicUsize,
}

impl Model {
    fn new() -> Model {
        // in memory where there is such a place: every run writes files through to the disk
        let memory = Path::new("/dev/shm");
        let work = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let work = work.expect("a temporary folder");
        let [source, coded] = ["source", "coded"].map(|name| work.path().join(name));
        small_model().write(&source, 5);
        let report = compress(&source, &coded, &CompressOptions::default(), &()).expect("a sound model");
        assert!(report.units >= 1, "{report:?}");
        let [source, coded] = [source, coded].map(|path| fs::read(path).expect("read"));
        let backends = Backend::list().into_iter().filter(|listing| listing.available.is_ok());
        let backends = backends.map(|listing| Backend::named(listing.name).expect("it is listed")).collect();
        Model { work, source, coded, backends, counts: Mutex::default(), files: AtomicUsize::new(0) }
    }

    /// The same, as a writer that knows nothing of our record would have written it.
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

    /// Runs all damages, several at a time, and prints what became of them.
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

    /// What a backend makes of the file; nothing is left behind.
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

#[test]
fn a_damaged_model_is_refused_or_comes_back_as_it_was() {
    let model = Model::new();
    model.every_damage(STRIDE, |damage| {
        let (input, what) = (model.path(), damage.what());
        fs::write(&input, damage.of(&model.coded)).expect("written");
        let mut counts = Counts::default();
        for backend in &model.backends {
            let options = DecompressOptions { backend: backend.clone(), ..DecompressOptions::default() };
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

/// The tensors of a file, which is well-formed.
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
            let options =
                DecompressOptions { backend: backend.clone(), pattern_dict, like, ..DecompressOptions::default() };
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
