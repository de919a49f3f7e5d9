//! A sample of the damage matrix of `model_damage.rs`, and every swap of it, through the program: `verify` and `decompress` refuse, or the source
//! comes back byte for byte; no signal ends them, and a refusal leaves nothing behind.
//!
//! `DF11_DAMAGE_STRIDE=13 cargo test --test program sampled -- --nocapture` takes more and prints the counts that tests/README.md records.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::model_damages::{Counts, Damage, print, small_model, stride};
use crate::support::on_all_processors;
use crate::{Run, df11, text};

/// Some two thousand runs; every process takes some milliseconds.
const STRIDE: usize = 101;

#[test]
fn a_damaged_model_is_refused_or_comes_back_as_it_was() {
    // in memory where there is such a place: every run writes files through to the disk
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
