//! Signals, kills and full disks: OUTPUT is absent or whole, and the next run goes on from what is
//! finished.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

use crate::support::models::{Contents, assert_same_tree, tree, weights};
use crate::{Place, df11, ended, miniature, program, shell, text};

const UNITS: usize = 6;

/// Six units of a million weights: each takes long enough to be interrupted.
pub fn write_model(path: &Path) {
    fs::create_dir(path).expect("created");
    let tensors = (0..UNITS).map(|unit| weights(&format!("m{unit}.weight"), &[1024, 1024], unit as u64)).collect();
    Contents { tensors, ..Contents::default() }.write(&path.join("model.safetensors"), 0);
    fs::write(path.join("config.json"), "{}").expect("written");
}

/// Starts a compression, and waits until it reaches a unit.
pub fn begun(
    source: &Path,
    output: &Path,
    more: &[&str],
    unit: usize,
) -> (Child, BufReader<std::process::ChildStderr>) {
    let slow = ["compress", text(source), "-o", text(output), "--backend", "portable", "-T", "1", "--verbose"];
    let mut child =
        program().args(slow).args(more).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut told = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    while line.trim_end() != format!("m{unit}") {
        line.clear();
        if told.read_line(&mut line).expect("told") == 0 {
            break;
        }
    }
    (child, told)
}

/// Sends the signal at once: a shell's `kill` would take longer than a unit if this test is
/// emulated.
pub fn send(signal: i32, child: &Child) {
    // SAFETY: passes numbers only. The process is ours until it is waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// Checks that every finished file is what it will be, and that nothing half finished has a name of
/// the model.
fn kept_are_whole(partial: &Path, whole: &Path) -> usize {
    let whole = tree(whole);
    let kept = tree(&partial.join("output"));
    assert!(kept.iter().all(|(name, bytes)| whole.get(name) == Some(bytes)), "{:?}", partial);
    kept.len()
}

#[test]
fn a_signal_keeps_what_is_finished_and_resume_goes_on() {
    let place = Place::new();
    let (source, whole, output, partial) = (place.at("m"), place.at("whole"), place.at("out"), place.at("out.partial"));
    write_model(&source);
    df11(["compress", text(&source), "-o", text(&whole)]).fine();
    for (signal, unit) in [(libc::SIGINT, 1), (libc::SIGTERM, 4)] {
        let (mut child, mut told) = begun(&source, &output, &[], unit);
        send(signal, &child);
        let mut rest = String::new();
        told.read_to_string(&mut rest).expect("told");
        let status: ExitStatus = child.wait().expect("ended");
        assert_eq!(status.signal(), Some(signal), "{status}: {rest}");
        assert!(rest.contains("out.partial") && rest.contains("--resume"), "{rest}");
        assert!(!output.exists());
        assert!(kept_are_whole(&partial, &whole) >= unit);
        let beside: Vec<_> = tree(&partial).into_keys().filter(|name| !name.starts_with("output/")).collect();
        assert_eq!(beside, ["df11.lock", "journal", "made"], "temporary files are left");
        df11(["compress", text(&source), "-o", text(&output)]).fails(2, &["out.partial", "--resume"]);
        df11(["compress", text(&source), "-o", text(&output), "--resume"]).fine();
        assert_same_tree(&whole, &output);
        fs::remove_dir_all(&output).expect("removed");
    }
}

#[test]
fn a_signal_before_anything_is_finished_leaves_nothing() {
    let place = Place::new();
    let source = place.at("m");
    write_model(&source);
    for verb in ["compress", "decompress"] {
        let (input, output) =
            (if verb == "compress" { source.join("model.safetensors") } else { place.at("whole") }, place.at("out"));
        let slow = [verb, text(&input), "-o", text(&output), "--backend", "portable", "-T", "1", "--verbose"];
        let mut child = program().args(slow).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut told = BufReader::new(child.stderr.take().expect("piped"));
        told.read_line(&mut String::new()).expect("told");
        send(libc::SIGINT, &child);
        assert!(!child.wait().expect("ended").success());
        assert!(!output.exists() && !place.at("out.partial").exists(), "{verb}: {:?}", place.names());
        df11(["compress", text(&source), "-o", text(&place.at("whole")), "--force"]).fine();
    }
}

#[test]
fn killed_at_any_unit_and_resumed_the_bytes_are_the_same() {
    let place = Place::new();
    let (source, whole, output, partial) = (place.at("m"), place.at("whole"), place.at("out"), place.at("out.partial"));
    write_model(&source);
    df11(["compress", text(&source), "-o", text(&whole)]).fine();
    // Killed again and again. Each run goes on where the one before was killed.
    for unit in 0..UNITS {
        let (mut child, _told) = begun(&source, &output, &["--resume"], unit);
        send(libc::SIGKILL, &child);
        child.wait().expect("ended");
        if output.exists() {
            break;
        }
        kept_are_whole(&partial, &whole);
    }
    df11(["compress", text(&source), "-o", text(&output), "--resume", "--force"]).fine();
    assert_same_tree(&whole, &output);
    assert_eq!(place.names(), ["m", "out", "whole"]);
}

#[test]
fn a_write_that_fails_keeps_what_is_finished_and_nothing_else() {
    let place = Place::new();
    let (file, tiny, coded) = (place.at("a.safetensors"), place.at("tiny"), place.at("coded.safetensors"));
    miniature::write_file(&file);
    miniature::write_directory(&tiny);
    df11(["compress", text(&file), "-o", text(&coded)]).fine();
    df11(["compress", text(&tiny), "-o", text(&place.at("whole"))]).fine();
    let before = tree(&place.at(""));
    // No file may grow past 64 blocks of 512 bytes. The signal for it ends any program that does
    // not expect it.
    let limited = r#"ulimit -f 64; exec "$0" "$@""#;
    for (verb, input, output) in [("compress", &file, "x"), ("decompress", &coded, "z")] {
        let output = place.at(output);
        ended(shell(limited, &[verb, text(input), "-o", text(&output)]))
            .fails(2, &[text(&output), "write", "too large"]);
        assert!(before == tree(&place.at("")), "{verb}: {:?}", place.names());
    }
    let (output, partial) = (place.at("y"), place.at("y.partial"));
    ended(shell(limited, &["compress", text(&tiny), "-o", text(&output)]))
        .fails(2, &[text(&partial), "write", "too large", "--resume"]);
    assert!(!output.exists());
    assert_eq!(kept_are_whole(&partial, &place.at("whole")), 2);
    df11(["compress", text(&tiny), "-o", text(&output), "--resume"]).fine();
    assert_same_tree(&place.at("whole"), &output);
}

/// Runs the script on its own disk, which vanishes with the shell that mounted it. `None` if this
/// user may not mount.
#[cfg(target_os = "linux")]
fn on_a_disk(kilobytes: u32, script: &str, source: &Path, disk: &Path) -> Option<String> {
    fs::create_dir(disk).expect("created");
    let mount =
        format!(r#"mount -t tmpfs -o size={kilobytes}k tmpfs "$2" || {{ echo cannot mount; exit; }}; {script}"#);
    let own_disk = format!("exec unshare --mount -- sh -c '{mount}' \"$0\" \"$@\"");
    let output = shell(&own_disk, &[text(source), text(disk)]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if stdout.is_empty() || stdout.starts_with("cannot mount") {
        println!("skipped: a full disk (no mount of our own: {})", stderr.trim());
        return None;
    }
    assert!(stderr.contains("No space left"), "{stderr}");
    Some(format!("{stdout}{stderr}"))
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_nothing_of_a_file() {
    let place = Place::new();
    let (source, disk) = (place.at("a.safetensors"), place.at("disk"));
    miniature::write_file(&source);
    let script = r#""$0" compress "$1" -o "$2/out.safetensors"; echo "exit code $?, left: $(ls -A "$2")""#;
    if let Some(told) = on_a_disk(64, script, &source, &disk) {
        assert!(told.starts_with("exit code 2, left: \n") && told.contains("out.safetensors"), "{told}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_keeps_what_is_finished_and_a_larger_one_takes_the_rest() {
    let place = Place::new();
    let (source, whole, disk) = (place.at("m"), place.at("whole"), place.at("disk"));
    write_model(&source);
    df11(["compress", text(&source), "-o", text(&whole)]).fine();
    let script = r#""$0" compress "$1" -o "$2/out"; echo "exit code $?, left: $(ls "$2")";
        mount -o remount,size=64M "$2" && "$0" compress "$1" -o "$2/out" --resume && cp -r "$2/out" "$1.copy""#;
    if let Some(told) = on_a_disk(5000, script, &source, &disk) {
        assert!(told.starts_with("exit code 2, left: out.partial\n") && told.contains("--resume"), "{told}");
        assert_same_tree(&whole, &place.at("m.copy"));
    }
}
