//! Killed at any moment: OUTPUT is old, new or absent, the source is whole, and the next run ends
//! in the same bytes.
//!
//! A kill comes after a random part of the time that the job takes. Every other kill comes right
//! after one of its steps: its folder exists, its list of files exists, or the work is finished.
//! These moments are short, and chance would hardly ever hit them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::interrupted::write_model;
use crate::support::models::{assert_same_tree, tree};
use crate::support::random::Random;
use crate::{Place, df11, program, text};

/// The number of kills. The environment may set another: `DF11_KILLS=500`.
const KILLS: usize = 32;

/// What shows, in the folder in which a run works, that the run has reached a step.
const STEPS: [&str; 4] = ["", "df11.lock", "made", "done"];

/// A job to kill: its verb, its INPUT, and whether a run can go on from what it has finished.
struct Job {
    verb: &'static str,
    input: PathBuf,
    /// The result of the whole job.
    whole: PathBuf,
    can_resume: bool,
    takes: Duration,
}

impl Job {
    fn arguments<'a>(&'a self, output: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        [self.verb, text(&self.input), "-o", text(output), "-q"].into_iter().chain(more.iter().copied()).collect()
    }
}

fn jobs(place: &Place) -> Vec<Job> {
    let (m, file, coded) = (place.at("m"), place.at("m/model.safetensors"), place.at("coded"));
    write_model(&m);
    fs::create_dir(m.join("below")).expect("created");
    fs::write(m.join("below/notes.txt"), "theirs").expect("written");
    df11(["compress", text(&m), "-o", text(&coded)]).fine();
    [("compress", &m, true), ("compress", &file, false), ("decompress", &coded, false)]
        .into_iter()
        .enumerate()
        .map(|(number, (verb, input, can_resume))| {
            let whole = place.at(&format!("whole{number}"));
            let mut job = Job { verb, input: input.clone(), whole, can_resume, takes: Duration::ZERO };
            let began = Instant::now();
            df11(job.arguments(&job.whole, &[])).fine();
            job.takes = began.elapsed();
            job
        })
        .collect()
}

fn same(expected: &Path, found: &Path) -> bool {
    if expected.is_dir() {
        found.is_dir() && tree(expected) == tree(found)
    } else {
        fs::read(expected).ok() == fs::read(found).ok()
    }
}

/// Makes an OUTPUT for the job to replace: the same weights, other bytes.
fn make_old(job: &Job, old: &Path) {
    if job.whole.is_dir() {
        fs::create_dir(old).expect("created");
        tree(&job.whole).into_iter().filter(|(name, _)| !name.contains('/')).for_each(|(name, bytes)| {
            fs::write(old.join(name), bytes).expect("written");
        });
        fs::write(old.join("README.md"), "old").expect("written");
    } else {
        fs::write(old, "old").expect("written");
    }
}

#[test]
fn killed_at_any_moment_output_is_old_new_or_absent_and_the_next_run_ends_in_the_same_bytes() {
    let kills = std::env::var("DF11_KILLS").map_or(KILLS, |number| number.parse().expect("a number"));
    let place = Place::new();
    let jobs = jobs(&place);
    let source = tree(&place.at("m"));
    let coded = tree(&place.at("coded"));
    let (output, partial, old) = (place.at("out"), place.at("out.partial"), place.at("old"));
    let mut random = Random::new(14);
    let (mut found, mut gone_on, mut remained) = ([0; 3], 0, 0);
    for kill in 0..kills {
        let job = &jobs[kill % jobs.len()];
        let force = random.below(2) == 1;
        if force {
            make_old(job, &old);
            make_old(job, &output);
        }
        let force_flag: &[&str] = if force { &["--force"] } else { &[] };
        let mut child = program()
            .args(job.arguments(&output, force_flag))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let began = Instant::now();
        let mut wait = job.takes.mul_f64(random.below(1100) as f64 / 1000.0);
        if kill % 2 == 1 {
            let step = partial.join(STEPS[random.below(STEPS.len() as u64) as usize]);
            while !step.exists() && child.try_wait().expect("a child").is_none() {}
            wait = began.elapsed() + Duration::from_micros(random.below(400));
        }
        while began.elapsed() < wait {
            std::hint::spin_loop();
        }
        child.kill().and_then(|()| child.wait()).expect("ended");

        let outcome = match output.exists() {
            false => 0,
            true if same(&job.whole, &output) => 1,
            true if force && same(&old, &output) => 2,
            true => panic!("kill {kill}: OUTPUT is neither old nor new"),
        };
        assert!(!(force && outcome == 0), "kill {kill}: OUTPUT was there, and is not");
        found[outcome] += 1;
        assert!(
            tree(&place.at("m")) == source && tree(&place.at("coded")) == coded,
            "kill {kill}: the source has changed"
        );

        // Without options, the next run names what is in its way, if anything is.
        let is_left = partial.exists();
        remained += usize::from(is_left);
        let plain = df11(job.arguments(&output, &[]));
        if plain.code == 0 {
            assert!(outcome == 0, "kill {kill}: OUTPUT was replaced without --force");
        } else {
            let named = if output.exists() { &output } else { &partial };
            plain.fails(2, &[text(named)]);
            assert!(!is_left || partial.exists(), "kill {kill}: what is left was removed by a run that was refused");
            let resume = job.can_resume && random.below(2) == 1;
            let mut flags = vec!["--force"];
            if resume {
                flags.push("--resume");
                gone_on += 1;
                // With --resume alone, unless there is an OUTPUT, or what was one.
                if outcome == 0 {
                    flags.remove(0);
                }
            }
            df11(job.arguments(&output, &flags)).fine();
        }
        if job.whole.is_dir() {
            assert_same_tree(&job.whole, &output)
        } else {
            assert!(same(&job.whole, &output))
        }
        for path in [&output, &old] {
            if path.is_dir() {
                fs::remove_dir_all(path)
            } else if path.exists() {
                fs::remove_file(path)
            } else {
                Ok(())
            }
            .expect("removed");
        }
        assert_eq!(place.names(), ["coded", "m", "whole0", "whole1", "whole2"], "kill {kill}: something is left");
    }
    let [absent, new, old] = found;
    println!(
        "{kills} kills: OUTPUT absent {absent} times, new {new}, old {old}; a folder was left {remained} times, gone on with {gone_on} times; \
         sources whole, and the same bytes in the end"
    );
}
