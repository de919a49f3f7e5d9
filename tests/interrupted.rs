//! A job that is stopped leaves OUTPUT absent and keeps only whole files. When it goes on, it
//! writes the same bytes as a job that was never stopped.

mod support;

use df11::Error;
use df11::error::{JobDifference, OutputReason};
use df11::jobs::{
    CodeKind, CompressOptions, DecompressOptions, PatternDict, Progress, SynthOptions, compress, decompress, synth,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::architectures::models;
use support::models::{Contents, assert_same_tree, tree, weights};
use support::vectors;
use support::with;
use tempfile::TempDir;

const JOURNAL: &str = "journal";

/// What a run keeps for itself beside the files that it has finished.
const OF_THE_RUN: [&str; 3] = [JOURNAL, "df11.lock", "made"];

/// Asks to stop at the question with this number, and at all after it.
struct StopAt {
    asked: AtomicUsize,
    at: usize,
}

impl StopAt {
    fn the(at: usize) -> StopAt {
        StopAt { asked: AtomicUsize::new(0), at }
    }
}

impl Progress for StopAt {
    fn is_stopped(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.at
    }
}

struct Work(TempDir);

impl Work {
    fn new() -> Work {
        Work(tempfile::tempdir().expect("a folder"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("listed");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    fn write_model(&self, family: &str, below: &str) {
        let model = models(|file| file == "miniature").into_iter().find(|model| model.name.starts_with(family));
        model.expect("of the folder").write(&self.at(below));
    }

    /// A pipeline of two coded parts, one that is copied, and files beside them.
    fn write_pipeline(&self) {
        self.write_model("sd3.5/", "source/transformer");
        self.write_model("sd3.5-text/", "source/text_encoder");
        fs::create_dir(self.at("source/safety")).expect("created");
        let small = Contents { tensors: vec![weights("a.weight", &[4, 4], 1)], ..Contents::default() };
        small.write(&self.at("source/safety/model.safetensors"), 0);
        fs::write(self.at("source/model_index.json"), "{}").expect("written");
    }
}

fn resume() -> CompressOptions {
    with!(CompressOptions::default(), resume: true)
}

/// Checks what a stopped run has left: the finished files, each as it is in `whole`, and what the
/// run keeps for itself, and nothing else.
fn kept(partial: &Path, whole: &Path) -> usize {
    let (mut found, whole) = (tree(partial), tree(whole));
    for name in OF_THE_RUN {
        assert!(found.remove(name).is_some(), "no {name}");
    }
    for (name, bytes) in &found {
        let name = name.strip_prefix("output/").expect("all the rest is finished");
        assert!(whole.get(name) == Some(bytes), "{name} is not what it will be");
        assert!(name.ends_with(".safetensors"), "{name}");
    }
    found.len()
}

/// Stops compression at every place where it can stop, or at every `step`-th, and goes on.
fn stopped_anywhere(work: &Work, step: usize, options: &CompressOptions) {
    let resume = with!(options.clone(), resume: true);
    let (source, whole, output, partial) =
        (work.at("source"), work.at("whole"), work.at("out"), work.at("out.partial"));
    compress(&source, &whole, options, &()).expect("compressed");
    let expected = compress(&source, &output, options, &StopAt::the(usize::MAX)).expect("compressed");
    let (mut at, mut most_kept) = (0, 0);
    loop {
        fs::remove_dir_all(&output).expect("removed");
        let error = match compress(&source, &output, options, &StopAt::the(at)) {
            Ok(_) => break,
            Err(error) => error,
        };
        assert!(error.is_stopped() && !output.exists(), "{error}");
        match error {
            Error::Kept { files, .. } => {
                assert_eq!(kept(&partial, &whole), files, "stopped at {at}");
                most_kept = most_kept.max(files);
            }
            _ => assert!(!partial.exists(), "stopped at {at}: nothing was finished, and something is left"),
        }
        // Stops once more, a little later each time, before it may end.
        let _ = compress(&source, &output, &resume, &StopAt::the(7 + at % 5)).map(|_| fs::remove_dir_all(&output));
        let report = compress(&source, &output, &resume, &()).expect("resumed");
        assert_same_tree(&whole, &output);
        assert!(!partial.exists());
        let told = |report: &df11::jobs::CompressReport| {
            (report.units, report.files, report.source_bytes, report.output_bytes, report.notes.clone())
        };
        assert_eq!(told(&report), told(&expected), "stopped at {at}");
        at += step;
    }
    assert!(at > 10 && most_kept > 2, "{at} places to stop at, {most_kept} files kept");
}

#[test]
fn a_directory_stopped_anywhere_goes_on_to_the_same_bytes() {
    let work = Work::new();
    work.write_model("llama", "source");
    stopped_anywhere(&work, 1, &CompressOptions::default());
}

#[test]
fn a_pipeline_stopped_anywhere_goes_on_to_the_same_bytes() {
    let work = Work::new();
    work.write_pipeline();
    stopped_anywhere(&work, 3, &CompressOptions::default());
}

#[test]
fn the_published_form_stopped_anywhere_goes_on_to_the_same_bytes_and_tells_the_same() {
    let work = Work::new();
    work.write_model("llama", "source");
    // A unit of one exponent has no published code. The note comes when the unit is coded, and
    // again from a run that goes on after it.
    let mut file = Contents::read(&work.at("source/model.safetensors"));
    let head = file.tensor("lm_head.weight");
    head.bytes = 0x3F80_u16.to_le_bytes().repeat(head.bytes.len() / 2);
    file.write(&work.at("source/model.safetensors"), 0);
    let published = with!(CompressOptions::default(), code: CodeKind::Published);
    let report = compress(&work.at("source"), &work.at("out"), &published, &()).expect("compressed");
    assert!(report.notes.iter().any(|note| note.to_string().contains("lm_head")), "{:?}", report.notes);
    fs::remove_dir_all(work.at("out")).expect("removed");
    stopped_anywhere(&work, 1, &published);
}

#[test]
fn of_a_single_file_nothing_is_left_and_resuming_it_is_refused() {
    let work = Work::new();
    work.write_model("llama", "source");
    let single = with!(CompressOptions::default(), single_file: true);
    for input in [work.at("source"), work.at("source/model.safetensors")] {
        for at in 0..5 {
            let error = compress(&input, &work.at("out"), &single, &StopAt::the(at)).expect_err("stopped");
            assert!(matches!(error, Error::Stopped), "{error}");
            assert_eq!(work.names(), ["source"]);
        }
        let error = compress(&input, &work.at("out"), &with!(single.clone(), resume: true), &());
        let message = error.expect_err("refused").to_string();
        assert!(message.contains("single file is written all at once"), "{message}");
    }
}

#[test]
fn a_stopped_decompression_and_a_stopped_synthesis_leave_nothing() {
    let work = Work::new();
    work.write_model("llama", "source");
    compress(&work.at("source"), &work.at("coded"), &CompressOptions::default(), &()).expect("compressed");
    let shapes = vectors("architectures").join("llama/miniature.json");
    for at in 0..4 {
        let error = decompress(&work.at("coded"), &work.at("out"), &DecompressOptions::default(), &StopAt::the(at));
        assert!(matches!(error, Err(Error::Stopped)));
        let error = synth(&shapes, &work.at("out"), &SynthOptions::default(), &StopAt::the(at)).map(|_| ());
        assert!(matches!(error, Err(Error::Stopped)));
        assert_eq!(work.names(), ["coded", "source"]);
    }
}

/// A run of a small Llama, stopped after some of its files were finished.
fn stopped() -> Work {
    let work = Work::new();
    work.write_model("llama", "source");
    let error = compress(&work.at("source"), &work.at("out"), &CompressOptions::default(), &StopAt::the(9));
    assert!(matches!(error, Err(Error::Kept { files: 2.., .. })), "{error:?}");
    compress(&work.at("source"), &work.at("whole"), &CompressOptions::default(), &()).expect("compressed");
    work
}

fn refused(work: &Work, options: &CompressOptions, word: &str) -> OutputReason {
    let before = tree(&work.at("out.partial"));
    let error = compress(&work.at("source"), &work.at("out"), options, &()).expect_err("refused");
    let message = error.to_string();
    assert!(message.contains(word) && message.contains("out.partial"), "{message}");
    assert!(before == tree(&work.at("out.partial")), "what was finished was touched");
    match error {
        Error::Output { reason, .. } => reason,
        error => panic!("not refused for OUTPUT: {error:?}"),
    }
}

/// What tells the job that was interrupted from the one with these options.
fn difference(work: &Work, options: &CompressOptions, word: &str) -> JobDifference {
    match refused(work, options, word) {
        OutputReason::OtherJob { difference } => difference,
        reason => panic!("not refused for another job: {reason:?}"),
    }
}

#[test]
fn what_is_left_is_in_the_way_until_it_is_resumed_or_replaced() {
    let work = stopped();
    let reason = refused(&work, &CompressOptions::default(), "continue from there");
    assert!(matches!(reason, OutputReason::LeftFiles { files: 1.., .. }), "{reason:?}");
    let force = with!(CompressOptions::default(), force: true);
    compress(&work.at("source"), &work.at("out"), &force, &()).expect("begun anew");
    assert_same_tree(&work.at("whole"), &work.at("out"));
    assert_eq!(work.names(), ["out", "source", "whole"]);
}

#[test]
fn an_output_that_exists_is_replaced_by_a_resumed_run_only_by_force() {
    let work = stopped();
    fs::rename(work.at("out.partial"), work.at("aside")).expect("renamed");
    compress(&work.at("source"), &work.at("out"), &with!(CompressOptions::default(), verify: false), &())
        .expect("compressed");
    fs::write(work.at("out/README.md"), "old").expect("written");
    fs::rename(work.at("aside"), work.at("out.partial")).expect("renamed");
    let message = compress(&work.at("source"), &work.at("out"), &resume(), &()).expect_err("refused").to_string();
    assert!(message.contains("exists already"), "{message}");
    let both = with!(resume(), force: true);
    compress(&work.at("source"), &work.at("out"), &both, &()).expect("resumed");
    assert_same_tree(&work.at("whole"), &work.at("out"));
}

#[test]
fn another_job_is_not_resumed() {
    let work = stopped();
    let found = difference(&work, &with!(resume(), verify: false), "began with verification");
    assert_eq!(found, JobDifference::Verification { begun: true });
    let found = difference(&work, &with!(resume(), code: CodeKind::Published), "this one has `published`");
    assert_eq!(found, JobDifference::Code { begun: "canonical".into(), now: "published".into() });
    fs::write(work.at("patterns.json"), "{\"lm_head\": []}").expect("written");
    let pattern_dict = Some(PatternDict::read(&work.at("patterns.json")).expect("patterns"));
    assert_eq!(difference(&work, &with!(resume(), pattern_dict), "units"), JobDifference::Source);
    fs::write(work.at("source/config.json"), "{\"another\": 1}").expect("written");
    assert_eq!(difference(&work, &resume(), "another job"), JobDifference::Source);
}

#[test]
fn a_source_that_has_changed_is_not_resumed_whatever_its_dates_say() {
    let work = stopped();
    let path = work.at("source/model.safetensors");
    let mut bytes = fs::read(&path).expect("read");
    let modified = fs::metadata(&path).expect("there").modified().expect("a date");
    // Part of a tensor that was coded: `lm_head`, whose unit comes first.
    let header = u64::from_le_bytes(*bytes.first_chunk().expect("a length")) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).expect("a header");
    let begin = json["lm_head.weight"]["data_offsets"][0].as_u64().expect("an offset") as usize;
    bytes[8 + header + begin + 1000] ^= 1;
    fs::write(&path, bytes).expect("written");
    fs::File::options().append(true).open(&path).expect("opened").set_modified(modified).expect("dated");
    let reason = refused(&work, &resume(), "lm_head.weight");
    assert!(matches!(reason, OutputReason::OtherTensor { .. }), "{reason:?}");
}

#[test]
fn a_finished_file_that_was_damaged_is_written_again() {
    let work = stopped();
    let file = work.at("out.partial/output/lm_head.safetensors");
    let sound = fs::read(&file).expect("finished");
    for damage in [sound.len() - 1, sound.len() / 2, 20, 3] {
        let (partial, aside) = (work.at("out.partial"), work.at("aside"));
        fs::create_dir_all(aside.join("output")).expect("created");
        tree(&partial).into_iter().for_each(|(name, bytes)| fs::write(aside.join(name), bytes).expect("copied"));
        let mut bytes = sound.clone();
        bytes[damage] ^= 1;
        fs::write(&file, bytes).expect("written");
        let report = compress(&work.at("source"), &work.at("out"), &resume(), &()).expect("resumed");
        assert!(
            report.notes.iter().any(|note| note.to_string().contains("lm_head.safetensors was damaged")),
            "{:?}",
            report.notes
        );
        assert_same_tree(&work.at("whole"), &work.at("out"));
        fs::remove_dir_all(work.at("out")).expect("removed");
        fs::rename(aside, partial).expect("renamed");
    }
}

#[test]
fn what_a_killed_run_left_half_written_is_ignored() {
    let work = stopped();
    let partial = work.at("out.partial");
    fs::write(partial.join("77"), "half of a file").expect("written");
    let made = fs::read_to_string(partial.join("made")).expect("a list");
    fs::write(partial.join("made"), made + "\n\"no_such_unit.safetensors\"\n\"cut sho").expect("written");
    fs::write(partial.join("output/no_such_unit.safetensors"), "never noted").expect("written");
    let journal = fs::read(partial.join(JOURNAL)).expect("a journal");
    fs::write(partial.join(JOURNAL), &journal[..journal.len() - 10]).expect("written");
    compress(&work.at("source"), &work.at("out"), &resume(), &()).expect("resumed");
    assert_same_tree(&work.at("whole"), &work.at("out"));
}

#[test]
fn no_journal_whatever_it_holds_makes_a_wrong_model() {
    let work = stopped();
    let journal = fs::read(work.at("out.partial").join(JOURNAL)).expect("a journal");
    for length in (0..journal.len()).step_by(211) {
        let cut = Work::new();
        work_copy(&work, &cut);
        fs::write(cut.at("out.partial").join(JOURNAL), &journal[..length]).expect("written");
        match compress(&cut.at("source"), &cut.at("out"), &resume(), &()) {
            Ok(_) => assert_same_tree(&work.at("whole"), &cut.at("out")),
            Err(error) => assert!(error.to_string().contains("start over"), "{error}"),
        }
    }
}

fn work_copy(from: &Work, to: &Work) {
    for (name, bytes) in tree(from.0.path()).into_iter().filter(|(name, _)| !name.starts_with("whole")) {
        fs::create_dir_all(to.at(&name).parent().expect("a folder")).expect("created");
        fs::write(to.at(&name), bytes).expect("copied");
    }
}

/// Tries to begin the same job while it runs.
struct Meddler<'a>(&'a Work, AtomicUsize);

impl Progress for Meddler<'_> {
    fn unit(&self, _: &str) {
        for options in [resume(), with!(CompressOptions::default(), force: true)] {
            let error = compress(&self.0.at("source"), &self.0.at("out"), &options, &()).expect_err("refused");
            assert!(error.to_string().contains("another run is writing"), "{error}");
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn two_runs_never_write_the_same_output() {
    let work = Work::new();
    work.write_model("llama", "source");
    let meddler = Meddler(&work, AtomicUsize::new(0));
    compress(&work.at("source"), &work.at("out"), &CompressOptions::default(), &meddler).expect("compressed");
    assert!(meddler.1.into_inner() > 4);
}
