//! What a job tells of its progress: the bytes that it announced, moving within a unit, every unit
//! once, and apart from that what an earlier run did and what it reads beside its work.

mod support;

use std::path::Path;
use std::sync::Mutex;

use df11::jobs::{
    CodeKind, CompressOptions, DecompressOptions, InspectOptions, Progress, VerifyOptions, compress, decompress,
    inspect, verify,
};
use support::models::{Contents, Tensor, tensor, weights};
use support::with;
use tempfile::tempdir;

/// One call of a job.
#[derive(Clone, Debug, PartialEq)]
enum Call {
    Begin(u64),
    Unit(String),
    Advance(u64),
    Kept(u64),
    Reading(String, u64, u64),
}

/// The calls so far, and the number of named units at which the job is stopped.
struct Heard(Mutex<Vec<Call>>, usize);

impl Heard {
    fn note(&self, call: Call) {
        self.0.lock().expect("no panic").push(call);
    }
}

impl Progress for Heard {
    fn begin(&self, total_bytes: u64) {
        self.note(Call::Begin(total_bytes));
    }
    fn unit(&self, name: &str) {
        self.note(Call::Unit(name.to_owned()));
    }
    fn advance(&self, bytes: u64) {
        self.note(Call::Advance(bytes));
    }
    fn kept(&self, bytes: u64) {
        self.note(Call::Kept(bytes));
    }
    fn reading(&self, name: &str, bytes: u64, total: u64) {
        self.note(Call::Reading(name.to_owned(), bytes, total));
    }
    fn is_stopped(&self) -> bool {
        self.0.lock().expect("no panic").iter().filter(|call| matches!(call, Call::Unit(_))).count() >= self.1
    }
}

/// The calls of a job that is stopped once it has named a number of units.
fn calls(units: usize, job: impl FnOnce(&dyn Progress)) -> Vec<Call> {
    let heard = Heard(Mutex::default(), units);
    job(&heard);
    heard.0.into_inner().expect("no panic")
}

/// Runs a job, and checks that it announced its work once, did all of it, and named each unit once.
/// Returns the units, and the bytes of the longest step.
#[track_caller]
fn heard(job: impl FnOnce(&dyn Progress)) -> (Vec<String>, u64) {
    let calls = calls(usize::MAX, job);
    let begun: Vec<u64> =
        calls.iter().filter_map(|call| if let Call::Begin(n) = call { Some(*n) } else { None }).collect();
    let steps: Vec<u64> =
        calls.iter().filter_map(|call| if let Call::Advance(n) = call { Some(*n) } else { None }).collect();
    assert_eq!(begun, [steps.iter().sum::<u64>()], "announced, done");
    let units = calls.into_iter().filter_map(|call| if let Call::Unit(name) = call { Some(name) } else { None });
    let units: Vec<String> = units.collect();
    let mut once = units.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), units.len(), "{units:?}");
    (units, steps.into_iter().max().unwrap_or(0))
}

/// Blocks with a norm, a tensor of BF16 values spelled as F32, and a unit that coding does not
/// shrink.
fn tensors() -> Vec<Tensor> {
    let mut tensors: Vec<Tensor> = (0..3)
        .flat_map(|block| ["q", "k"].map(|name| weights(&format!("b.{block}.{name}.weight"), &[128, 64], block)))
        .collect();
    tensors.push(weights("norm.weight", &[64], 9));
    let spelled = weights("head.weight", &[128, 64], 10);
    let as_f32 = spelled.bytes.chunks(2).flat_map(|word| [0, 0, word[0], word[1]]).collect();
    tensors.push(tensor("head.weight", "F32", &[128, 64], as_f32));
    let noise = (0..2 * 128 * 64_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    tensors.push(tensor("noise.weight", "BF16", &[128, 64], noise));
    tensors
}

fn source(folder: &Path) {
    std::fs::create_dir(folder).expect("created");
    Contents { tensors: tensors(), ..Contents::default() }.write(&folder.join("model.safetensors"), 0);
}

#[test]
fn every_job_does_the_work_that_it_announced_and_names_a_unit_once() {
    let work = tempdir().expect("a folder");
    let at = |name: &str| work.path().join(name);
    source(&at("source"));
    let file = at("source").join("model.safetensors");
    let own = CompressOptions::default;
    let forms: [(&str, &Path, CompressOptions); 5] = [
        ("directory", &at("source"), own()),
        ("one file", &at("source"), with!(own(), single_file: true)),
        ("a file", &file, own()),
        ("not verified", &at("source"), with!(own(), verify: false)),
        ("published", &at("source"), with!(own(), code: CodeKind::Published)),
    ];
    for (form, input, options) in &forms {
        let coded = at(form);
        let (units, _) = heard(|progress| drop(compress(input, &coded, options, progress).expect(form)));
        for unit in ["b.0", "b.1", "b.2"] {
            assert!(units.iter().any(|name| name == unit), "{form}: {units:?}");
        }
        for partial in [false, true] {
            let options = with!(DecompressOptions::default(), partial, force: true);
            let back = at(&format!("{form} back"));
            let (units, _) = heard(|progress| drop(decompress(&coded, &back, &options, progress).expect(form)));
            assert!(units.iter().any(|name| name == "b.1"), "{form}: {units:?}");
        }
        heard(|progress| drop(verify(&coded, &VerifyOptions::default(), progress).expect(form)));
        heard(|progress| drop(inspect(&coded, &InspectOptions::default(), progress).expect(form)));
    }
    heard(|progress| drop(inspect(&at("source"), &InspectOptions::default(), progress).expect("BF16")));
}

#[test]
fn the_progress_moves_within_a_unit() {
    let work = tempdir().expect("a folder");
    let at = |name: &str| work.path().join(name);
    let bytes = 4096 * 5120 * 2;
    Contents { tensors: vec![weights("only.weight", &[4096, 5120], 1)], ..Contents::default() }.write(&at("bf16"), 0);
    let (_, longest) = heard(|progress| {
        drop(compress(&at("bf16"), &at("coded"), &CompressOptions::default(), progress).expect("coded"))
    });
    assert!(longest <= bytes * 7 / 10, "{longest} of {bytes}");
    let (_, longest) = heard(|progress| {
        drop(decompress(&at("coded"), &at("back"), &DecompressOptions::default(), progress).expect("decoded"));
    });
    assert!(longest <= bytes / 4, "{longest} of {bytes}");
    let (_, longest) =
        heard(|progress| drop(verify(&at("coded"), &VerifyOptions::default(), progress).expect("verified")));
    assert!(longest <= bytes / 4, "{longest} of {bytes}");
}

#[test]
fn a_resumed_run_tells_apart_what_was_done_before() {
    let work = tempdir().expect("a folder");
    let at = |name: &str| work.path().join(name);
    source(&at("source"));
    let stopped = calls(2, |progress| {
        compress(&at("source"), &at("coded"), &CompressOptions::default(), progress).expect_err("stopped");
    });
    assert!(!stopped.iter().any(|call| matches!(call, Call::Kept(_))), "{stopped:?}");
    let resumed = calls(usize::MAX, |progress| {
        let options = with!(CompressOptions::default(), resume: true);
        compress(&at("source"), &at("coded"), &options, progress).expect("resumed");
    });
    let kept: u64 = resumed.iter().map(|call| if let Call::Kept(bytes) = call { *bytes } else { 0 }).sum();
    let done: u64 = resumed.iter().map(|call| if let Call::Advance(bytes) = call { *bytes } else { 0 }).sum();
    // One block, of two matrices, was finished.
    assert_eq!(kept, 2 * 2 * 128 * 64);
    assert!(done > 0 && resumed.contains(&Call::Begin(kept + done)), "{resumed:?}");
}

#[test]
fn what_is_read_beside_the_work_is_reported_as_it_goes() {
    let work = tempdir().expect("a folder");
    let at = |name: &str| work.path().join(name);
    source(&at("source"));
    let (rows, columns) = (5120, 2048);
    let large = rows * columns * size_of::<f32>() as u64;
    std::fs::write(at("source").join("vocab.bin"), vec![7; large as usize]).expect("written");
    let as_f32 = (0..rows * columns).flat_map(|index| ((index as u32 % 512) << 16).to_le_bytes()).collect();
    let wide =
        Contents { tensors: vec![tensor("wide.weight", "F32", &[rows, columns], as_f32)], ..Contents::default() };
    wide.write(&at("wide"), 0);

    let own = CompressOptions::default();
    let copied =
        calls(usize::MAX, |progress| drop(compress(&at("source"), &at("coded"), &own, progress).expect("coded")));
    let verified =
        calls(usize::MAX, |progress| drop(verify(&at("coded"), &VerifyOptions::default(), progress).expect("sound")));
    let restored = calls(usize::MAX, |progress| {
        decompress(&at("coded"), &at("back"), &DecompressOptions::default(), progress).expect("restored");
    });
    let searched =
        calls(usize::MAX, |progress| drop(compress(&at("wide"), &at("narrow"), &own, progress).expect("coded")));
    for (calls, expected) in
        [(copied, "vocab.bin"), (verified, "vocab.bin"), (restored, "vocab.bin"), (searched, "wide.weight")]
    {
        let steps: Vec<u64> = calls
            .iter()
            .filter_map(|call| match call {
                Call::Reading(name, bytes, total) => Some((name, bytes, total)),
                _ => None,
            })
            .map(|(name, bytes, total)| {
                assert_eq!((name.as_str(), *total), (expected, large));
                *bytes
            })
            .collect();
        assert!(steps.len() > 2 && steps[0] < steps[1] && steps.is_sorted(), "{expected}: {steps:?}");
    }
}
