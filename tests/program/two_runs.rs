//! Two runs and one OUTPUT, and an OUTPUT that somebody else makes during a run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::interrupted::{send, write_model};
use crate::support::models::{assert_same_tree, tree};
use crate::{Place, Run, df11, ended, program, text};

/// A job: its arguments, and what it writes if nothing interferes.
struct Job {
    arguments: Vec<String>,
    whole: PathBuf,
}

/// A job for each verb that writes, and for each form: directories with and without a journal,
/// files.
fn jobs(place: &Place) -> Vec<Job> {
    let (m, file, coded, coded_file) = (place.at("m"), place.at("m/model.safetensors"), place.at("c"), place.at("cf"));
    write_model(&m);
    df11(["compress", text(&m), "-o", text(&coded)]).fine();
    df11(["compress", text(&file), "-o", text(&coded_file)]).fine();
    let shapes = place.at("shapes.json");
    fs::write(&shapes, r#"{"tensors": [["m{0..5}.weight", "BF16", [1024, 1024]]]}"#).expect("written");
    let jobs = [
        vec!["compress", text(&m)],
        vec!["compress", text(&m), "--single-file"],
        vec!["compress", text(&file)],
        vec!["decompress", text(&coded)],
        vec!["decompress", text(&coded_file)],
        vec!["synth", text(&shapes)],
    ];
    let job = |(number, arguments): (usize, Vec<&str>)| {
        let whole = place.at(&format!("whole{number}"));
        df11(arguments.iter().chain(&["-o", text(&whole)])).fine();
        Job { arguments: arguments.into_iter().map(String::from).collect(), whole }
    };
    jobs.into_iter().enumerate().map(job).collect()
}

impl Job {
    fn to<'a>(&'a self, output: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let arguments = self.arguments.iter().map(String::as_str);
        arguments.chain(["-o", text(output)]).chain(more.iter().copied()).collect()
    }

    /// Starts it, and stops it after it has begun to write.
    fn held(&self, output: &Path, more: &[&str]) -> Child {
        let slow = [self.to(output, more), vec!["-T", "1"]].concat();
        let mut child =
            program().args(slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let partial = output.with_file_name(format!("{}.partial", output.file_name().expect("a name").display()));
        let began = Instant::now();
        while !partial.join("made").exists() {
            assert!(child.try_wait().expect("a child").is_none(), "it ended before it was held");
            assert!(began.elapsed() < Duration::from_secs(60), "it does not begin");
        }
        send(libc::SIGSTOP, &child);
        child
    }

    #[track_caller]
    fn wrote(&self, output: &Path) {
        if output.is_dir() {
            assert_same_tree(&self.whole, output);
        } else {
            assert!(fs::read(&self.whole).expect("read") == fs::read(output).expect("read"), "{:?}", self.arguments);
        }
    }
}

/// Lets a stopped run go on to its end.
fn released(child: Child) -> Run {
    send(libc::SIGCONT, &child);
    ended(child.wait_with_output().expect("ended"))
}

#[test]
fn a_second_run_is_refused_at_once_and_the_first_is_not_disturbed() {
    let place = Place::new();
    let jobs = jobs(&place);
    fs::create_dir(place.at("folder")).expect("created");
    symlink(place.at(""), place.at("folder/up")).expect("linked");
    for (first, second) in jobs.iter().zip(jobs.iter().cycle().skip(1)) {
        let output = place.at("out");
        let child = first.held(&output, &[]);
        for spelled in ["out", "folder/../out", "folder/up/out", "out/"] {
            for flags in [&[][..], &["--force"]] {
                df11(first.to(&place.at(spelled), flags)).fails(2, &["another run is writing", "out.partial"]);
                df11(second.to(&place.at(spelled), flags)).fails(2, &["another run is writing", "out.partial"]);
            }
        }
        released(child).fine();
        first.wrote(&output);
        assert!(!place.at("out.partial").exists());
        if output.is_dir() { fs::remove_dir_all(&output) } else { fs::remove_file(&output) }.expect("removed");
    }
}

#[test]
fn a_lock_of_a_dead_run_stops_nobody() {
    let place = Place::new();
    for job in jobs(&place) {
        let output = place.at("out");
        let mut child = job.held(&output, &[]);
        send(libc::SIGKILL, &child);
        child.wait().expect("ended");
        // A compression would go on from what was finished before.
        df11(job.to(&output, &["--force"])).fine();
        job.wrote(&output);
        assert!(!place.at("out.partial").exists());
        if output.is_dir() { fs::remove_dir_all(&output) } else { fs::remove_file(&output) }.expect("removed");
    }
}

#[test]
fn an_output_that_appears_meanwhile_is_left_alone_and_the_work_is_kept() {
    let place = Place::new();
    for job in jobs(&place) {
        for is_folder in [false, true] {
            let (output, work) = (place.at("out"), place.at("out.partial/output"));
            let child = job.held(&output, &[]);
            if is_folder {
                fs::create_dir(&output).expect("created");
                fs::write(output.join("model.safetensors"), "precious").expect("written");
            } else {
                fs::write(&output, "precious").expect("written");
            }
            released(child).fails(2, &[text(&output), "appeared while the job ran", text(&work)]);
            let found =
                if is_folder { tree(&output)["model.safetensors"].clone() } else { fs::read(&output).expect("read") };
            assert!(found == b"precious", "{:?}", job.arguments);
            job.wrote(&work);
            // The output is named as long as it is there, and anyone who needs the work can have
            // it.
            let named = if is_folder == work.is_dir() { "out.partial" } else { text(&output) };
            df11(job.to(&output, &[])).fails(2, &[text(&output), named]);
            if is_folder { fs::remove_dir_all(&output) } else { fs::remove_file(&output) }.expect("removed");
            df11(job.to(&output, &[])).fails(2, &["finished", text(&place.at("out.partial"))]);
            fs::rename(&work, &output).expect("renamed");
            job.wrote(&output);
            fs::rename(&output, place.at("moved")).expect("renamed");
            df11(job.to(&output, &[])).fine();
            for path in [output, place.at("moved")] {
                if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
            }
        }
    }
}

#[test]
fn even_by_force_what_appears_meanwhile_is_replaced_only_if_it_is_a_model() {
    let place = Place::new();
    for job in jobs(&place) {
        let output = place.at("out");
        let child = job.held(&output, &["--force"]);
        fs::create_dir(&output).expect("created");
        fs::write(output.join("thesis.tex"), "precious").expect("written");
        released(child).fails(2, &[text(&output), text(&place.at("out.partial/output"))]);
        assert!(fs::read(output.join("thesis.tex")).expect("read") == b"precious", "{:?}", job.arguments);
        fs::remove_dir_all(&output).expect("removed");
        df11(job.to(&output, &["--force"])).fine();
        job.wrote(&output);
        if output.is_dir() { fs::remove_dir_all(&output) } else { fs::remove_file(&output) }.expect("removed");
    }
}
