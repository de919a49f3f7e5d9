//! Links, pipes and devices in a model's folder: what is read, what is left out with a note, what
//! is refused. The program waits for nothing, and copies no private file into what is to be
//! published.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::sources::mark;
use crate::support::models::{assert_same_tree, tree};
use crate::{Place, Run, df11, ended, miniature, program, text};

const SECRET: &str = "a private key";

/// The time that a run may take on any machine. A run that waits for a pipe never ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the program, which must end by itself.
fn soon(arguments: &[&str]) -> Run {
    let mut child = program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let began = Instant::now();
    while child.try_wait().expect("asked").is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().expect("killed");
            panic!("{arguments:?} waits for something");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    ended(child.wait_with_output().expect("ended"))
}

fn pipe(path: &Path) {
    let name = CString::new(path.as_os_str().as_bytes()).expect("no zero byte");
    // SAFETY: the name ends with a zero byte and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0, "{}", path.display());
}

/// A model, with a private file beside it.
fn model(place: &Place) -> std::path::PathBuf {
    let source = place.at("m");
    miniature::write_directory(&source);
    fs::write(source.join("tokenizer.json"), "{}").expect("written");
    fs::write(place.at("secret"), SECRET).expect("written");
    source
}

fn holds_the_secret(folder: &Path) -> bool {
    tree(folder).values().any(|bytes| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()))
}

#[test]
fn folders_of_links_to_folders_are_entered_once_each_and_the_links_are_named() {
    let place = Place::new();
    let source = model(&place);
    for level in 0..12 {
        let folder = source.join(format!("level{level}"));
        fs::create_dir(&folder).expect("created");
        fs::write(folder.join("file"), "x").expect("written");
        for link in 0..4 {
            symlink(format!("../level{}", level + 1), folder.join(format!("link{link}"))).expect("linked");
        }
    }
    fs::create_dir(source.join("level12")).expect("created");
    for (name, target) in [("itself", "."), ("above", ".."), ("root", "/")] {
        symlink(target, source.join("level0").join(name)).expect("linked");
    }
    let run = soon(&["compress", text(&source), "-o", text(&place.at("out"))]).fine();
    let copied = tree(&place.at("out")).keys().filter(|name| name.starts_with("level")).count();
    assert_eq!(copied, 12, "one file for each folder");
    for name in ["level3/link2", "level0/itself", "level0/above", "level0/root"] {
        assert!(run.stderr.contains(&format!("{name} is a link to a folder")), "{name}: {}", run.stderr);
    }
    soon(&["decompress", text(&place.at("out")), "-o", text(&place.at("back"))]).fine();
}

#[test]
fn a_link_out_of_the_folder_is_left_out_by_name_and_its_file_is_published_nowhere() {
    let place = Place::new();
    let source = model(&place);
    fs::create_dir(source.join("sub")).expect("created");
    symlink("../secret", source.join("merges.txt")).expect("linked");
    symlink(place.at("secret"), source.join("sub/vocab.txt")).expect("linked");
    symlink("../sub/inside", source.join("sub/within")).expect("linked");
    symlink("../../secret", source.join("sub/x.safetensors")).expect("linked");
    fs::write(source.join("sub/inside"), "inside").expect("written");
    let coded = place.at("out");
    let run = soon(&["compress", text(&source), "-o", text(&coded)]).fine();
    for name in ["merges.txt", "sub/vocab.txt", "sub/x.safetensors"] {
        assert!(run.stderr.contains(&format!("{name} is a link that leads out")), "{name}: {}", run.stderr);
    }
    assert!(!holds_the_secret(&coded));
    assert_eq!(fs::read(coded.join("sub/within")).expect("followed within the folder"), b"inside");
    // And in the other direction.
    symlink("../secret", coded.join("merges.txt")).expect("linked");
    let run = soon(&["decompress", text(&coded), "-o", text(&place.at("back"))]).fine();
    assert!(run.stderr.contains("merges.txt: not among the files that were written"), "{}", run.stderr);
    assert!(!holds_the_secret(&place.at("back")));
}

#[test]
fn what_a_model_cannot_do_without_is_refused_where_a_link_leads_out() {
    for name in ["config.json", "model.safetensors.index.json", "model_index.json", "README.md"] {
        let place = Place::new();
        let source = model(&place);
        let _ = fs::remove_file(source.join(name));
        symlink("../secret", source.join(name)).expect("linked");
        soon(&["compress", text(&source), "-o", text(&place.at("out"))]).fails(2, &[name, "leads out"]);
        assert_eq!(place.names(), ["m", "secret"]);
    }
}

#[test]
fn weights_are_read_wherever_their_link_leads() {
    let place = Place::new();
    let source = model(&place);
    let (elsewhere, whole) = (place.at("elsewhere"), place.at("whole"));
    soon(&["compress", text(&source), "-o", text(&whole)]).fine();
    fs::create_dir(&elsewhere).expect("created");
    let shard = "model-00001-of-00002.safetensors";
    fs::rename(source.join(shard), elsewhere.join("blob")).expect("moved");
    symlink("../elsewhere/blob", source.join(shard)).expect("linked");
    soon(&["compress", text(&source), "-o", text(&place.at("out"))]).fine();
    assert_same_tree(&whole, &place.at("out"));
    soon(&["decompress", text(&place.at("out")), "-o", text(&place.at("back"))]).fine();
    assert_same_tree(&source, &place.at("back"));
}

/// Moves every file of a folder to `blobs`, and links to it.
fn into_blobs(folder: &Path, blobs: &Path, up: &str) {
    for entry in fs::read_dir(folder).expect("listed").map(|entry| entry.expect("an entry")) {
        if entry.file_type().expect("known").is_dir() {
            into_blobs(&entry.path(), blobs, &format!("{up}/.."));
            continue;
        }
        let blob = format!("{:040x}", fs::read_dir(blobs).expect("listed").count());
        fs::rename(entry.path(), blobs.join(&blob)).expect("moved");
        symlink(format!("{up}/blobs/{blob}"), entry.path()).expect("linked");
    }
}

#[test]
fn a_pipeline_in_the_cache_of_a_hub_is_read_and_no_other_cache_is() {
    let place = Place::new();
    let plain = place.at("plain");
    fs::create_dir(&plain).expect("created");
    miniature::write_directory(&plain.join("transformer"));
    fs::create_dir(plain.join("scheduler")).expect("created");
    fs::write(plain.join("scheduler/scheduler_config.json"), "{}").expect("written");
    fs::write(plain.join("transformer/vocab.txt"), "a b").expect("written");
    fs::write(plain.join("model_index.json"), r#"{"transformer": ["x", "Y"], "scheduler": ["x", "Z"]}"#)
        .expect("written");
    soon(&["compress", text(&plain), "-o", text(&place.at("whole"))]).fine();
    let cache = place.at("hub/models--org--name");
    let snapshot = cache.join("snapshots/0123abcd");
    fs::create_dir_all(cache.join("blobs")).expect("created");
    fs::create_dir_all(snapshot.parent().expect("a folder")).expect("created");
    fs::rename(&plain, &snapshot).expect("moved");
    into_blobs(&snapshot, &cache.join("blobs"), "../..");
    soon(&["compress", text(&snapshot), "-o", text(&place.at("out"))]).fine();
    assert_same_tree(&place.at("whole"), &place.at("out"));
    // A link from one part to another stays in the pipeline. A link to the blobs of another model
    // does not.
    let other = place.at("hub/models--me--private/blobs");
    fs::create_dir_all(&other).expect("created");
    fs::write(other.join("00"), SECRET).expect("written");
    symlink("../scheduler/scheduler_config.json", snapshot.join("transformer/beside.json")).expect("linked");
    symlink("../../../../models--me--private/blobs/00", snapshot.join("transformer/merges.txt")).expect("linked");
    let run = soon(&["compress", text(&snapshot), "-o", text(&place.at("other"))]).fine();
    assert!(run.stderr.contains("merges.txt is a link that leads out"), "{}", run.stderr);
    assert!(!holds_the_secret(&place.at("other")));
    assert!(place.at("other/transformer/beside.json").exists());
}

#[test]
fn a_part_of_a_pipeline_that_is_a_link_is_refused() {
    let place = Place::new();
    let source = place.at("pipeline");
    fs::create_dir(&source).expect("created");
    miniature::write_directory(&source.join("transformer"));
    miniature::write_directory(&place.at("vae"));
    symlink("../vae", source.join("vae")).expect("linked");
    fs::write(source.join("model_index.json"), "{}").expect("written");
    soon(&["compress", text(&source), "-o", text(&place.at("out"))]).fails(2, &["vae", "a link to a folder"]);
}

#[test]
fn what_is_beside_a_model_and_no_file_is_left_out_by_name() {
    let place = Place::new();
    let source = model(&place);
    soon(&["compress", text(&source), "-o", text(&place.at("whole"))]).fine();
    fs::create_dir(source.join("sub")).expect("created");
    pipe(&source.join("pipe.json"));
    pipe(&source.join("sub/pipe.safetensors"));
    symlink("/dev/zero", source.join("zero.txt")).expect("linked");
    let _socket = UnixListener::bind(source.join("socket")).expect("bound");
    let run = soon(&["compress", text(&source), "-o", text(&place.at("out"))]).fine();
    for name in ["pipe.json is a named pipe", "sub/pipe.safetensors is a named pipe", "zero.txt is a link", "socket is"]
    {
        assert!(run.stderr.contains(name), "{name}: {}", run.stderr);
    }
    fs::remove_dir(place.at("out/sub")).expect("it is empty");
    // The record, in the main file, lists what was left out. Nothing else differs, and the same
    // comes back.
    for folder in ["whole", "out"] {
        soon(&["decompress", text(&place.at(folder)), "-o", text(&place.at(&format!("{folder}-back")))]).fine();
        fs::remove_file(place.at(folder).join("model.safetensors")).expect("removed");
    }
    assert_same_tree(&place.at("whole"), &place.at("out"));
    assert_same_tree(&place.at("whole-back"), &place.at("out-back"));
}

#[test]
fn what_should_be_a_file_of_a_model_and_is_none_is_refused_by_every_verb_and_waited_for_by_none() {
    let place = Place::new();
    let source = model(&place);
    let coded = place.at("coded");
    soon(&["compress", text(&source), "-o", text(&coded)]).fine();
    let (out, mut tried) = (place.at("out"), 0);
    let device = |path: &Path| symlink("/dev/zero", path).expect("linked");
    for found in ["a named pipe", "device"] {
        let make = |path: &Path| if found == "device" { device(path) } else { pipe(path) };
        // As INPUT.
        let input = place.at("input.safetensors");
        make(&input);
        let (input, other, out) = (text(&input), text(&coded), text(&out));
        let found: &[&str] = &[if found == "device" { "input.safetensors" } else { found }];
        for arguments in [
            &["compress", input, "-o", out][..],
            &["compress", input, "--dry-run"],
            &["decompress", input, "-o", out],
            &["verify", input],
            &["inspect", input],
            &["estimate", input],
            &["bench", input],
            &["synth", input, "-o", out],
            &["verify", other, "--against", input],
        ] {
            soon(arguments).fails(2, found);
            tried += 1;
        }
        fs::remove_file(input).expect("removed");
        // As a file of the model.
        for name in ["config.json", "model.safetensors", "model_index.json", "README.md", "more.safetensors.index.json"]
        {
            for (model, verbs) in [(&source, &["compress"][..]), (&coded, &["decompress", "verify", "inspect"])] {
                let (path, kept) = (model.join(name), model.join("kept"));
                let was_there = fs::rename(&path, &kept).is_ok();
                make(&path);
                for verb in verbs {
                    let mut arguments = vec![*verb, text(model)];
                    if verb.ends_with("compress") {
                        arguments.extend(["-o", out]);
                    }
                    let run = soon(&arguments);
                    // `verify` and `inspect` do not read all of them. `decompress` restores the
                    // files that the record names, and reports others.
                    let is_other = matches!(name, "README.md" | "more.safetensors.index.json");
                    let is_read = *verb == "compress" || *verb == "decompress" && !is_other;
                    assert!(run.code == 2 || !is_read, "{name}, {verb}: {}", run.stderr);
                    let is_told = run.code != 0 || *verb == "decompress";
                    assert!(!is_told || run.stderr.contains(name), "{name}, {verb}: {}", run.stderr);
                    assert!(run.code == 0 || !Path::new(out).exists());
                    let _ = fs::remove_dir_all(out);
                    tried += 1;
                }
                fs::remove_file(&path).expect("removed");
                if was_there {
                    fs::rename(&kept, &path).expect("moved");
                }
            }
        }
    }
    assert_eq!(tried, 2 * (9 + 5 * 4));
}

#[test]
fn a_link_to_nothing_is_named_before_work_begins() {
    // A target that does not exist, the link itself, and a link that another leads back to.
    for target in ["../../blobs/0123", "tokenizer.json", "sub/link"] {
        let place = Place::new();
        let source = model(&place);
        fs::remove_file(source.join("tokenizer.json")).expect("removed");
        symlink(target, source.join("tokenizer.json")).expect("linked");
        fs::create_dir(source.join("sub")).expect("created");
        symlink("../tokenizer.json", source.join("sub/link")).expect("linked");
        let run = soon(&["compress", text(&source), "-o", text(&place.at("out")), "--verbose"]);
        let run = run.fails(2, &["tokenizer.json", "a link to nothing"]);
        assert!(!run.stderr.contains("lm_head"), "a unit was worked on: {}", run.stderr);
        assert_eq!(place.names(), ["m", "secret"]);
    }
}

#[test]
fn patterns_may_come_through_a_pipe_and_not_from_a_device() {
    let place = Place::new();
    let source = model(&place);
    let out = place.at("out");
    let arguments = ["compress", text(&source), "-o", text(&out), "--pattern-dict", "/dev/stdin"];
    let mut child = program().args(arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), br#"{"lm_head": []}"#).expect("written");
    ended(child.wait_with_output().expect("ended")).fine();
    assert!(out.join("lm_head.safetensors").exists() && !out.join("model_layers_0.safetensors").exists());
    df11(["compress", text(&source), "-o", text(&place.at("no")), "--pattern-dict", "/dev/zero"])
        .fails(2, &["/dev/zero", "a device"]);
}

/// Whoever may write beside OUTPUT can put a pipe where a run looks for what an earlier one left.
#[test]
fn pipes_in_what_an_earlier_run_left_are_refused() {
    for name in ["journal", "made", "done", "df11.lock"] {
        let place = Place::new();
        let (source, partial) = (model(&place), place.at("out.partial"));
        fs::create_dir_all(partial.join("output")).expect("created");
        fs::write(partial.join("df11.lock"), mark()).expect("written");
        let _ = fs::remove_file(partial.join(name));
        pipe(&partial.join(name));
        for more in [&[][..], &["--resume"], &["--force"]] {
            let run = soon(&[&["compress", text(&source), "-o", text(&place.at("out"))], more].concat());
            assert!(run.code == 2 && run.stderr.contains("out.partial"), "{name} {more:?}: {}", run.stderr);
        }
    }
}
