//! Nothing that is read is lost, however the paths of INPUT and OUTPUT are spelled.
//!
//! A case that is refused leaves every name, link and byte as it was.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::interrupted::{begun, write_model};
use crate::support::models::tree;
use crate::support::vectors;
use crate::{Place, Run, df11, miniature, text};

/// All that is below a folder: a link with its target, a file with its bytes.
pub fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("listed") {
        let path = entry.expect("an entry").path();
        let metadata = fs::symlink_metadata(&path).expect("there");
        if metadata.is_symlink() {
            found.insert(path.clone(), fs::read_link(&path).expect("a link").as_os_str().as_bytes().to_vec());
        } else if metadata.is_dir() {
            found.extend(snapshot(&path));
            found.insert(path, b"a folder".to_vec());
        } else {
            let bytes = if metadata.is_file() { fs::read(&path).expect("read") } else { b"special".to_vec() };
            found.insert(path, bytes);
        }
    }
    found
}

impl Place {
    /// Runs the program, which must refuse and leave everything as it was.
    #[track_caller]
    pub fn refuses<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, words: &[&str]) -> Run {
        let before = snapshot(&self.at(""));
        let run = df11(arguments).fails(2, words);
        assert!(before == snapshot(&self.at("")), "something has changed: {}", run.stderr);
        run
    }
}

/// Writes a BF16 model, or a coded one, as a directory or a file.
fn write_input(path: &Path, coded: bool, is_folder: bool) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    let elsewhere = Place::new();
    let source = if coded { elsewhere.at("m") } else { path.to_path_buf() };
    if is_folder {
        miniature::write_directory(&source)
    } else {
        miniature::write_file(&source)
    }
    if coded {
        df11(["compress", text(&source), "-o", text(path)]).fine();
    }
}

/// The verbs with an INPUT: compress and decompress, each of a directory and of a file.
const JOBS: [(&str, bool); 4] = [("compress", true), ("compress", false), ("decompress", true), ("decompress", false)];

pub fn each_job(mut test: impl FnMut(&Place, &str, bool, &dyn Fn(&str) -> PathBuf)) {
    for (verb, is_folder) in JOBS {
        let place = Place::new();
        let write = |name: &str| {
            let path = place.at(name);
            write_input(&path, verb == "decompress", is_folder);
            path
        };
        test(&place, verb, is_folder, &write);
    }
}

#[test]
fn an_input_where_the_work_would_go_is_refused() {
    for name in ["out.partial", "out.partial/in", "out.partial/output", "out.partial/deep/er/in"] {
        each_job(|place, verb, _, write| {
            let input = write(name);
            let output = place.at("out");
            for flags in [&["--force"][..], &[]] {
                let arguments = [verb, text(&input), "-o", text(&output)];
                place.refuses(arguments.iter().chain(flags), &["out.partial", "the job reads"]);
            }
        });
    }
}

#[test]
fn an_input_is_known_by_what_it_is_not_by_how_it_is_spelled() {
    each_job(|place, verb, _, write| {
        let input = write("a/out.partial/in");
        symlink(place.at("a"), place.at("b")).expect("linked");
        symlink(&input, place.at("c")).expect("linked");
        let spelled = |path: &str| place.at(path);
        let inputs = ["a/out.partial/in", "b/out.partial/in", "a/../b/out.partial/./in", "c"];
        let outputs = ["a/out", "b/out", "b/../a/out/", "a/out.partial/../out"];
        for input in inputs.map(spelled) {
            for output in outputs.map(spelled) {
                place.refuses([verb, text(&input), "-o", text(&output), "-f"], &["the job reads"]);
            }
        }
    });
}

#[test]
fn an_input_in_the_remains_of_a_run_is_refused() {
    // A whole model is left where a run was killed after it finished. Its user may well want to use
    // it.
    let place = Place::new();
    miniature::write_directory(&place.at("m"));
    df11(["compress", text(&place.at("m")), "-o", text(&place.at("out"))]).fine();
    fs::create_dir(place.at("out.partial")).expect("created");
    fs::write(place.at("out.partial/df11.lock"), mark()).expect("written");
    fs::rename(place.at("out"), place.at("out.partial/output")).expect("renamed");
    let input = place.at("out.partial/output");
    for flags in [&["-f"][..], &[]] {
        place.refuses(
            ["decompress", text(&input), "-o", text(&place.at("out"))].iter().chain(flags),
            &["the job reads"],
        );
    }
}

/// The text that marks the folder of a run, as a killed run leaves it.
pub fn mark() -> Vec<u8> {
    let place = Place::new();
    write_model(&place.at("m"));
    let (mut child, _told) = begun(&place.at("m"), &place.at("out"), &[], 1);
    child.kill().and_then(|()| child.wait()).expect("killed");
    fs::read(place.at("out.partial/df11.lock")).expect("a mark")
}

#[test]
fn an_input_inside_output_and_an_output_inside_input_are_refused() {
    each_job(|place, verb, is_folder, write| {
        let input = write("out/in");
        fs::copy(vectors("minilm-sample").join("model.safetensors"), place.at("out/model.safetensors"))
            .expect("copied");
        place.refuses([verb, text(&input), "-o", text(&place.at("out")), "-f"], &["the job reads"]);
        place.refuses([verb, text(&input), "-o", text(&input), "-f"], &["the job reads"]);
        if is_folder {
            for below in ["new", "./new", "config.json", "../in/new"] {
                place.refuses([verb, text(&input), "-o", text(&input.join(below)), "-f"], &["is inside"]);
            }
        }
    });
}

#[test]
fn an_input_of_links_into_output_is_refused() {
    for verb in ["compress", "decompress"] {
        let place = Place::new();
        write_input(&place.at("out/cache"), verb == "decompress", true);
        fs::copy(vectors("minilm-sample").join("model.safetensors"), place.at("out/model.safetensors"))
            .expect("copied");
        fs::create_dir(place.at("in")).expect("created");
        for name in tree(&place.at("out/cache")).keys() {
            let to = place.at("in").join(name);
            if !name.ends_with(".safetensors") {
                // No other link may lead out of the folder.
                fs::copy(place.at("out/cache").join(name), to).expect("copied");
                continue;
            }
            // A link to a link: only the end of the chain is in OUTPUT.
            symlink(place.at("out/cache").join(name), place.at(&format!("{name}.link"))).expect("linked");
            symlink(place.at(&format!("{name}.link")), to).expect("linked");
        }
        place.refuses([verb, text(&place.at("in")), "-o", text(&place.at("out")), "-f"], &["the job reads"]);
    }
}

#[test]
fn an_output_that_is_input_by_another_name_is_refused() {
    each_job(|place, verb, is_folder, write| {
        let input = write("in");
        if is_folder {
            symlink(&input, place.at("out")).expect("linked");
        } else {
            fs::hard_link(&input, place.at("out")).expect("linked");
        }
        place.refuses([verb, text(&input), "-o", text(&place.at("out")), "-f"], &["the job reads"]);
    });
}

#[test]
fn what_is_read_beside_input_is_not_lost_either() {
    let place = Place::new();
    miniature::write_directory(&place.at("m"));
    df11(["compress", text(&place.at("m")), "-o", text(&place.at("coded")), "--code", "published"]).fine();
    df11(["compress", text(&place.at("m")), "-o", text(&place.at("out"))]).fine();
    fs::create_dir(place.at("out/like")).expect("created");
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(place.at("coded/config.json")).expect("read")).expect("JSON");
    let patterns = config["dfloat11_config"]["pattern_dict"].to_string();
    fs::write(place.at("out/patterns.json"), patterns).expect("written");
    fs::copy(vectors("architectures").join("llama/miniature.json"), place.at("out/shapes.json")).expect("copied");
    let (m, coded, out) = (place.at("m"), place.at("coded"), place.at("out"));
    for (name, bytes) in tree(&m) {
        fs::write(out.join("like").join(name), bytes).expect("written");
    }
    let (like, patterns, shapes) = (out.join("like"), out.join("patterns.json"), out.join("shapes.json"));
    place.refuses(["decompress", text(&coded), "-o", text(&out), "-f", "--like", text(&like)], &["the job reads"]);
    place.refuses(
        ["decompress", text(&coded), "-o", text(&out), "-f", "--pattern-dict", text(&patterns)],
        &["the job reads"],
    );
    place
        .refuses(["compress", text(&m), "-o", text(&out), "-f", "--pattern-dict", text(&patterns)], &["the job reads"]);
    place.refuses(["synth", text(&shapes), "-o", text(&out), "-f"], &["the job reads"]);
    place.refuses(["decompress", text(&coded), "-o", text(&like.join("new")), "--like", text(&like)], &["is inside"]);
}
