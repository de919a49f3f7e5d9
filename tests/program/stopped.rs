//! A first SIGTERM ends every verb at any moment, within a second or two. INPUT stays whole, and
//! only work that a next run can go on from is left.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::models::{Contents, tree, weights};
use crate::{Place, df11, miniature, program, text};

/// Two seconds, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(8);
/// The number of moments tried for each verb.
const MOMENTS: u32 = 7;

/// How a run ended that got a signal after a while, or had ended before, and what it printed.
fn stopped_after(wait: Duration, arguments: &[&str]) -> (std::process::ExitStatus, String) {
    let mut child = program().args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    std::thread::sleep(wait);
    // SAFETY: passes numbers only. The process is ours until it is waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    let sent = Instant::now();
    while child.try_wait().expect("asked").is_none() {
        if sent.elapsed() > SOON {
            child.kill().expect("killed");
            panic!("{arguments:?}, stopped after {wait:?}, goes on");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("ended");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Stops a verb at moments spread over its time, and a little before and after.
fn stopped_at_many_moments(place: &Place, arguments: &[&str], input: &Path) {
    let before = if input.is_dir() { tree(input) } else { Default::default() };
    let (out, partial) = (place.at("out"), place.at("out.partial"));
    let clear = || {
        for path in [&out, &partial] {
            let _ = fs::remove_dir_all(path);
            let _ = fs::remove_file(path);
        }
    };
    clear();
    let began = Instant::now();
    df11(arguments).fine();
    let whole = out.is_dir().then(|| tree(&out));
    let time = began.elapsed();
    let mut stopped = 0;
    for moment in 0..MOMENTS {
        clear();
        let (status, said) = stopped_after(time * moment / (MOMENTS - 2), arguments);
        stopped += u32::from(status.signal() == Some(libc::SIGTERM));
        assert!(status.success() || status.signal() == Some(libc::SIGTERM), "{arguments:?}: {status} {said}");
        assert_eq!(out.exists(), status.success() && arguments.contains(&text(&out)), "{arguments:?}: {said}");
        if partial.exists() {
            assert!(said.contains("--resume"), "{arguments:?} leaves something: {said}");
            df11(arguments.iter().chain(&["--resume"])).fine();
            assert!(whole == Some(tree(&out)), "{arguments:?}");
        }
        assert!(!input.is_dir() || before == tree(input), "{arguments:?}");
    }
    println!("{stopped} of {MOMENTS} runs were stopped: {arguments:?}");
    assert!(stopped > 0, "{arguments:?}");
}

/// Units of a million weights, a tensor of F32 that must be searched, and large other files.
fn write_model(path: &Path) {
    fs::create_dir(path).expect("created");
    let mut tensors: Vec<_> = (0..4).map(|i| weights(&format!("m{i}.weight"), &[1024, 1024], i as u64)).collect();
    tensors.extend((0..2000).map(|i| weights(&format!("many.{i}.norm.weight"), &[4], i as u64)));
    Contents { tensors, ..Contents::default() }.write(&path.join("model.safetensors"), 0);
    fs::write(path.join("config.json"), "{}").expect("written");
    fs::create_dir(path.join("beside")).expect("created");
    for name in ["a.bin", "beside/b.bin", "c.bin"] {
        fs::write(path.join(name), vec![7; 20 << 20]).expect("written");
    }
}

#[test]
fn every_verb_ends_at_a_first_signal_at_any_moment() {
    let place = Place::new();
    let (source, coded, out) = (place.at("m"), place.at("coded"), place.at("out"));
    write_model(&source);
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    let shapes = place.at("shapes.json");
    fs::write(&shapes, json!({"tensors": [["m.{0..30}.weight", "BF16", [1024, 1024]]]}).to_string()).expect("written");
    let (source, coded, out) = (text(&source), text(&coded), text(&out));
    let file = place.at("m/model.safetensors");
    for (arguments, input) in [
        (&["compress", source, "-o", out][..], source),
        (&["compress", source, "-o", out, "--single-file"], source),
        (&["compress", source, "-o", out, "--code", "published"], source),
        (&["compress", text(&file), "-o", out], text(&file)),
        (&["compress", source, "--dry-run"], source),
        (&["decompress", coded, "-o", out], coded),
        (&["verify", coded, "--against", source], coded),
        (&["inspect", coded], coded),
        (&["estimate", source], source),
        (&["synth", text(&shapes), "-o", out], text(&shapes)),
    ] {
        stopped_at_many_moments(&place, arguments, Path::new(input));
    }
}

/// A file of 64 GB without contents, beside the model: copying it takes minutes.
fn with_endless_copy(place: &Place) -> PathBuf {
    let source = place.at("m");
    miniature::write_directory(&source);
    let endless = fs::File::create(source.join("vocab.bin")).expect("created");
    endless.set_len(64 << 30).expect("a sparse file");
    source
}

#[test]
fn copying_a_large_file_is_ended_and_leaves_nothing() {
    let place = Place::new();
    let source = with_endless_copy(&place);
    let out = place.at("out");
    // Files are copied before the first unit is coded: the record lists their checksums.
    let (status, said) = stopped_after(Duration::from_millis(500), &["compress", text(&source), "-o", text(&out)]);
    assert_eq!(status.signal(), Some(libc::SIGTERM), "{said}");
    assert_eq!(place.names(), ["m"]);
}

#[test]
fn who_looks_through_a_large_tensor_before_any_work_is_ended_and_leaves_nothing() {
    let place = Place::new();
    let (source, out) = (place.at("m.safetensors"), place.at("out"));
    // 64 GB of zeros that may be BF16 in disguise: all are read before the output is begun.
    let header = r#"{"a.weight":{"dtype":"F32","shape":[131072,131072],"data_offsets":[0,68719476736]},"b.weight":{"dtype":"BF16","shape":[1,1],"data_offsets":[68719476736,68719476738]}}"#;
    fs::write(&source, [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()).expect("written");
    let file = fs::OpenOptions::new().write(true).open(&source).expect("opened");
    file.set_len(8 + header.len() as u64 + (64 << 30) + 2).expect("a sparse file");
    let (status, said) = stopped_after(Duration::from_millis(500), &["compress", text(&source), "-o", text(&out)]);
    assert_eq!(status.signal(), Some(libc::SIGTERM), "{said}");
    assert_eq!(place.names(), ["m.safetensors"]);
}

#[test]
fn who_waits_for_a_pipe_is_ended() {
    let place = Place::new();
    let (source, pipe) = (place.at("m"), place.at("pipe"));
    miniature::write_directory(&source);
    let name = CString::new(pipe.as_os_str().as_bytes()).expect("no zero byte");
    // SAFETY: the name ends with a zero byte and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let out = place.at("out");
    let arguments = ["compress", text(&source), "-o", text(&out), "--pattern-dict", text(&pipe)];
    let (status, said) = stopped_after(Duration::from_millis(300), &arguments);
    assert_eq!(status.signal(), Some(libc::SIGTERM), "{said}");
    assert_eq!(place.names(), ["m", "pipe"]);
}
