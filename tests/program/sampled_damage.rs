//! A sample of the damage matrix of `model_damage.rs`, with all its swaps, through the program:
//! `verify` and `decompress` refuse, or the source comes back byte for byte. No signal ends them,
//! and a refusal leaves nothing. The same holds for every file of a directory, which the message
//! names.
//!
//! `DF11_DAMAGE_STRIDE=13 cargo test --test program sampled -- --nocapture` takes more, and prints
//! the counts that tests/README.md records.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::model_damages::{Counts, Damage, FileDamage, print, small_model, stride};
use crate::support::models::{assert_same_tree, tree};
use crate::support::{on_all_processors, vectors};
use crate::{Run, df11, text};

/// About two thousand runs; every process takes some milliseconds.
const STRIDE: usize = 101;
/// The same for all files of a directory.
const STRIDE_OF_FILES: usize = 1009;

#[test]
fn a_damaged_model_is_refused_or_comes_back_as_it_was() {
    // A folder in memory if possible, because every run writes files through to the disk.
    let memory = Path::new("/dev/shm");
    let work = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let work = work.expect("a temporary folder");
    let [source, coded] = ["source", "coded"].map(|name| work.path().join(name));
    small_model().write(&source, 5);
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    let [source, coded] = [source, coded].map(|path| fs::read(path).expect("read"));
    let (counts, number) = (Mutex::new(BTreeMap::<_, Counts>::new()), AtomicUsize::new(0));
    on_all_processors(&Damage::all(&coded, stride(STRIDE)), |damage| {
        let folder = work.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        let [input, output] = ["bad", "output"].map(|name| folder.join(name));
        fs::create_dir(&folder).expect("a new folder");
        fs::write(&input, damage.of(&coded)).expect("written");
        let what = damage.what();
        let ended_well = |run: &Run| {
            assert!((0..=2).contains(&run.code), "{what}: exit code {}", run.code);
            assert!(run.code == 0 || run.stderr.starts_with("error: "), "{what}: {}", run.stderr);
            assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
            run.code == 0
        };
        let verified = ended_well(&df11(["verify", text(&input)]));
        let restored = ended_well(&df11(["decompress", text(&input), "-o", text(&output)]));
        let left = fs::read_dir(&folder).expect("listed").count();
        assert_eq!(left, if restored { 2 } else { 1 }, "{what}: something was left behind");
        assert!(restored || !verified, "{what}: verified, and not decompressed");
        if restored {
            assert!(fs::read(&output).expect("read") == source, "{what}: another model");
        }
        fs::remove_dir_all(&folder).expect("removed");
        let mut counts = counts.lock().expect("no thread panicked");
        let counts = counts.entry(damage.kind(&coded)).or_default();
        counts.runs += 1;
        *(if restored { &mut counts.same } else { &mut counts.refused }) += 1;
    });
    print(&counts.into_inner().expect("no thread panicked"));
}

#[test]
fn of_a_directory_every_file_that_is_missing_or_changed_is_named() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let (source, coded) = (vectors("record-v1").join("source"), work.path().join("coded"));
    df11(["compress", text(&source), "-o", text(&coded), "--model-card"]).fine();
    let run = df11(["verify", text(&coded)]).fine();
    assert!(run.stdout.contains("7 files as written") && run.stderr.is_empty(), "{}{}", run.stdout, run.stderr);
    let (sound, number) = (tree(&coded), AtomicUsize::new(0));
    on_all_processors(&FileDamage::all(&sound, stride(STRIDE_OF_FILES)), |damage| {
        let folder = work.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        let [input, output] = ["bad", "output"].map(|name| folder.join(name));
        damage.write(&sound, &input);
        let what = &damage.what;
        let verified = df11(["verify", text(&input)]);
        let restored = df11(["decompress", text(&input), "-o", text(&output)]);
        match (damage.kind(), &damage.bytes) {
            ("main file", _) => assert_eq!(verified.code == 0, restored.code == 0, "{what}"),
            ("model card", Some(_)) => {
                let (verified, restored) = (verified.fine(), restored.fine());
                assert!(verified.stderr.contains("README.md") && restored.stderr.contains("README.md"), "{what}");
            }
            _ => {
                verified.fails(1, &[&damage.name]);
                let restored = restored.fails(2, &[&damage.name]);
                assert!(!output.exists(), "{what}");
                if damage.bytes.is_none() {
                    assert!(restored.stderr.contains("--partial"), "{what}: {}", restored.stderr);
                }
                let run = df11(["decompress", "--partial", text(&input), "-o", text(&output)]).fine();
                assert!(
                    run.stderr.contains(&format!("{}: ", damage.name)) && run.stdout.contains("NOT the whole"),
                    "{what}"
                );
            }
        }
        fs::remove_dir_all(&folder).expect("removed");
    });
}

#[test]
fn of_a_model_of_version_1_no_more_is_said_than_is_known() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let (model, back) = (vectors("record-v1"), work.path().join("back"));
    let run = df11(["verify", text(&model.join("coded"))]).fine();
    assert!(run.stdout.contains("files beside the weights not checked (a record of version 1)"), "{}", run.stdout);
    let run = df11(["decompress", text(&model.join("coded")), "-o", text(&back)]).fine();
    assert!(run.stdout.contains("other files unchecked"), "{}", run.stdout);
    assert!(!run.stdout.contains("every file"), "{}", run.stdout);
    assert_same_tree(&model.join("source"), &back);
}
