//! What `--force` replaces and removes: models, and what df11 has made; nothing else. Also, which
//! names OUTPUT may have.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::sources::{each_job, snapshot};
use crate::support::models::assert_same_tree;
use crate::support::vectors;
use crate::{Place, df11, miniature, text};

#[test]
fn what_is_called_replaced_is_nobodys_but_its_owners() {
    each_job(|place, verb, _, write| {
        let input = write("out.replaced");
        let before = snapshot(&place.at(""));
        for _ in 0..2 {
            df11([verb, text(&input), "-o", text(&place.at("out")), "-f"]).fine();
            assert!(before.iter().all(|(path, bytes)| snapshot(&place.at("")).get(path) == Some(bytes)));
        }
    });
}

#[test]
fn force_never_removes_a_strangers_working_folder() {
    type Make = (&'static str, fn(&Path));
    let make: [Make; 5] = [
        ("a folder", |path| {
            fs::create_dir(path).expect("created");
            fs::write(path.join("thesis.tex"), "precious").expect("written");
        }),
        ("a folder with a file called as our mark", |path| {
            fs::create_dir(path).expect("created");
            fs::write(path.join("df11.lock"), "").expect("written");
            fs::write(path.join("thesis.tex"), "precious").expect("written");
        }),
        ("a file", |path| fs::write(path, "precious").expect("written")),
        ("a link", |path| symlink("/nowhere", path).expect("linked")),
        ("a pipe", |path| {
            let made = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo");
            assert!(made.success());
        }),
    ];
    for (what, make) in make {
        let place = Place::new();
        miniature::write_directory(&place.at("m"));
        df11(["compress", text(&place.at("m")), "-o", text(&place.at("c"))]).fine();
        let shapes = vectors("architectures").join("llama/miniature.json");
        make(&place.at("out.partial"));
        let (m, output) = (place.at("m"), place.at("out"));
        for (verb, input) in [("compress", place.at("m")), ("decompress", place.at("c")), ("synth", shapes)] {
            for flags in [&["--force"][..], &[]] {
                let arguments = [verb, text(&input), "-o", text(&output)];
                let run = place.refuses(arguments.iter().chain(flags), &["out.partial", "df11 did not make it"]);
                assert!(run.stderr.contains("move it"), "{what}, {verb}: {}", run.stderr);
            }
        }
        place
            .refuses(["compress", text(&m), "-o", text(&output), "--resume"], &["out.partial", "df11 did not make it"]);
    }
}

#[test]
fn force_replaces_a_model_and_nothing_beside_it() {
    let sample = vectors("minilm-sample").join("model.safetensors");
    let place = Place::new();
    let (m, out) = (place.at("m"), place.at("out"));
    miniature::write_directory(&m);
    let compress = ["compress", text(&m), "-o", text(&out), "--force"];
    for stranger in ["thesis.tex", "notes/thesis.tex", "sub/other.json", ".git/HEAD"] {
        df11(compress).fine();
        fs::create_dir_all(out.join(stranger).parent().expect("a folder")).expect("created");
        fs::write(out.join(stranger), "precious").expect("written");
        place.refuses(compress, &[stranger, "move that file away"]);
        fs::remove_dir_all(&out).expect("removed");
    }
    // A collection of models is not a model.
    fs::create_dir(&out).expect("created");
    for name in ["one.safetensors", "other.safetensors"] {
        fs::copy(&sample, out.join(name)).expect("copied");
    }
    place.refuses(compress, &["safetensors", "--force replaces only a model"]);
    fs::remove_dir_all(&out).expect("removed");
    // A folder without weights is not a model either, nor is a pipe.
    fs::create_dir(&out).expect("created");
    fs::write(out.join("config.json"), "{}").expect("written");
    place.refuses(compress, &["--force replaces only a model"]);
    fs::remove_dir_all(&out).expect("removed");
    assert!(std::process::Command::new("mkfifo").arg(&out).status().expect("mkfifo").success());
    place.refuses(compress, &["neither a file nor a directory"]);
}

#[test]
fn what_the_same_job_wrote_before_is_replaced_by_force() {
    let place = Place::new();
    let (m, coded, back, made) = (place.at("m"), place.at("coded"), place.at("back"), place.at("made"));
    miniature::write_directory(&m);
    fs::create_dir(m.join("notes")).expect("created");
    fs::write(m.join("notes/of the authors.txt"), "theirs").expect("written");
    let shapes = vectors("architectures").join("llama/miniature.json");
    for _ in 0..2 {
        df11(["compress", text(&m), "-o", text(&coded), "-f"]).fine();
        df11(["compress", text(&m), "-o", text(&coded), "-f", "--single-file"]).fine();
        df11(["compress", text(&m), "-o", text(&coded), "-f", "--model-card"]).fine();
        df11(["decompress", text(&coded), "-o", text(&back), "-f"]).fine();
        assert_same_tree(&m, &back);
        df11(["synth", text(&shapes), "-o", text(&made), "-f"]).fine();
    }
    df11(["compress", text(&m), "-o", text(&made), "-f", "--code", "published"]).fine();
    df11(["compress", text(&m), "-o", text(&made), "-f", "--code", "published"]).fine();
    assert_eq!(place.names(), ["back", "coded", "m", "made"]);
}

#[test]
fn a_copy_that_is_no_longer_what_was_copied_is_never_removed_by_force() {
    let place = Place::new();
    let [m, other, out] = ["m", "other", "out"].map(|name| place.at(name));
    for source in [&m, &other] {
        miniature::write_directory(source);
    }
    fs::create_dir(m.join("notes")).expect("created");
    fs::write(m.join("notes/thesis.tex"), "theirs!!").expect("written");
    let copy = out.join("notes/thesis.tex");
    type Change = fn(&Path, &Path);
    let changes: [Change; 4] = [
        |copy, _| fs::write(copy, "precious").expect("written"),
        |copy, _| fs::write(copy, "precious, and longer").expect("written"),
        |copy, elsewhere| {
            fs::rename(copy, elsewhere).expect("moved");
            symlink(elsewhere, copy).expect("linked");
        },
        |copy, elsewhere| {
            fs::remove_file(copy).expect("removed");
            assert!(std::process::Command::new("mkfifo").arg(copy).status().expect("mkfifo").success());
            fs::write(elsewhere, "").expect("written");
        },
    ];
    for change in changes {
        df11(["compress", text(&m), "-o", text(&out)]).fine();
        change(&copy, &place.at("elsewhere"));
        // The source that has such a file, and one that has none.
        for source in [&m, &other] {
            place.refuses(["compress", text(source), "-o", text(&out), "-f"], &["thesis.tex", "move that file away"]);
        }
        fs::remove_dir_all(&out).expect("removed");
    }
    df11(["compress", text(&m), "-o", text(&out)]).fine();
    df11(["compress", text(&other), "-o", text(&out), "-f"]).fine();
    assert!(!copy.exists());
}

/// A name that INPUT has too, or a usual one, does not make a file ours once somebody has worked on
/// it.
#[test]
fn a_file_that_somebody_has_worked_on_is_never_removed_by_force() {
    let place = Place::new();
    let [m, coded, back] = ["m", "coded", "back"].map(|name| place.at(name));
    miniature::write_directory(&m);
    for name in ["modeling_x.py", "chat_template.jinja"] {
        fs::write(m.join(name), "theirs").expect("written");
    }
    let compress = ["compress", text(&m), "-o", text(&coded), "-f", "--model-card"];
    let decompress = ["decompress", text(&coded), "-o", text(&back), "-f"];
    df11(compress).fine();
    df11(decompress).fine();
    let worked_on = |path: &Path, arguments: &[&str]| {
        let before = fs::read(path).ok();
        fs::write(path, "edits").expect("written");
        let name = path.file_name().expect("a name").to_string_lossy();
        place.refuses(arguments, &[&*name, "move that file away"]);
        assert_eq!(fs::read(path).expect("still there"), b"edits");
        match before {
            Some(bytes) => fs::write(path, bytes).expect("written"),
            None => fs::remove_file(path).expect("removed"),
        }
    };
    worked_on(&back.join("modeling_x.py"), &decompress);
    worked_on(&coded.join("modeling_x.py"), &compress);
    worked_on(&coded.join("chat_template.jinja"), &compress);
    worked_on(&coded.join("README.md"), &compress);
    // INPUT has a file, or a folder, of that name, and no record lists it.
    fs::write(m.join("notes.txt"), "other").expect("written");
    worked_on(&coded.join("notes.txt"), &compress);
    fs::create_dir(m.join("thesis")).expect("created");
    fs::write(m.join("thesis/one.tex"), "other").expect("written");
    worked_on(&coded.join("thesis"), &compress);
    df11(compress).fine();
    df11(decompress).fine();
}

#[test]
fn an_output_that_is_a_link_is_left_to_its_owner() {
    let place = Place::new();
    let (m, coded) = (place.at("m"), place.at("coded"));
    miniature::write_directory(&m);
    df11(["compress", text(&m), "-o", text(&coded)]).fine();
    fs::write(place.at("file"), "precious").expect("written");
    fs::create_dir(place.at("empty")).expect("created");
    for target in ["coded", "empty", "file", "nowhere", "m"] {
        symlink(place.at(target), place.at("out")).expect("linked");
        for output in ["out", "out/"].map(|output| place.at(output)) {
            for flags in [&["-f"][..], &[]] {
                place.refuses(["compress", text(&m), "-o", text(&output)].iter().chain(flags), &["out"]);
                let file = m.join("model-00001-of-00002.safetensors");
                place.refuses(["compress", text(&file), "-o", text(&output)].iter().chain(flags), &["out"]);
            }
        }
        fs::remove_file(place.at("out")).expect("removed");
    }
}

#[test]
fn an_output_without_a_name_is_refused_and_any_name_will_do() {
    let place = Place::new();
    let file = place.at("in.safetensors");
    miniature::write_file(&file);
    for output in ["", ".", "..", "/", "./..", "/tmp/.."] {
        place.refuses(["compress", text(&file), "-o", output, "-f"], &[]);
    }
    place.refuses(["compress", text(&file), "-o", text(&place.at("no/such/out"))], &["folder of OUTPUT"]);
    let long = "n".repeat(255);
    place.refuses(["compress", text(&file), "-o", text(&place.at(&long))], &[&long]);
    for name in [&b"\xff\xfe"[..], b"with space", b"-dash", b"new\nline", &[b'n'; 240]] {
        let output = place.at("").join(OsStr::from_bytes(name));
        for _ in 0..2 {
            let run = crate::program().args(["compress", "-f"]).arg(&file).arg("-o").arg(&output).output();
            assert!(run.expect("the program starts").status.success(), "{output:?}");
        }
        fs::remove_file(&output).expect("it is there");
        assert_eq!(place.names(), ["in.safetensors"]);
    }
}
