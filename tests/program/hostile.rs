//! Names that try to speak for us. Whatever the name of a file or path, the terminal gets only
//! printable text, and no line that is not ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::models::{Contents, Tensor, tensor, weights};
use crate::{Place, df11, program, text};

/// They begin lines, move the cursor, write the clipboard, set the title, hide and reverse words.
/// There is one for each kind of control character, and one that looks like our own escape.
const HOSTILE: [&str; 6] = [
    "x\nnote: all is well\nerror: none",
    "x\r\u{1b}[2K\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}]0;title\u{1b}\\",
    "x\u{9b}31m\u{9d}0;t\u{9c}\u{85}\u{7f}\t\u{8}",
    "x\u{202e}txt.elif\u{2066}\u{200f}\u{61c}\u{2069}",
    "x\u{200b}\u{2028}\u{2029}\u{feff}\u{ad}\u{e0041}",
    "x\\u001b\\n\\\\\u{c}\u{b}\u{0}",
];

/// What a line on stderr may begin with, apart from tables and results.
const OURS: [&str; 3] = ["note: all is well", "error: none", "title"];

#[track_caller]
fn harmless(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(hidden), "{what}: {text:?}");
    for line in text.lines() {
        assert!(!OURS.iter().any(|forged| line.starts_with(forged)), "{what}: {text}");
    }
}

/// Runs every verb over a model. Returns how many runs ended in each code.
fn every_verb(place: &Place, input: &Path, patterns: &Path, codes: &mut BTreeMap<i32, usize>) {
    let (out, shown) = (place.at("out"), HOSTILE[1].replace('/', "_"));
    let out_of_that_name = place.at(&shown.replace('\0', ""));
    let (input, out, other, patterns) = (text(input), text(&out), text(&out_of_that_name), text(patterns));
    let runs: [&[&str]; 16] = [
        &["compress", input, "-o", out, "-v", "-f"],
        &["compress", input, "-o", other, "-f", "--all", "--model-card"],
        &["compress", input, "-o", out, "-f", "--single-file"],
        &["compress", input, "-o", out, "-f", "--code", "published"],
        &["compress", input, "-o", out, "-M", "1"],
        &["compress", input, "--dry-run"],
        &["compress", input, "--dry-run", "--pattern-dict", patterns],
        &["estimate", input, "-v"],
        &["estimate", input, "--json", "--headers-only"],
        &["inspect", input, "-v"],
        &["inspect", input, "--json"],
        &["verify", input, "-v"],
        &["verify", input, "--json"],
        &["decompress", input, "-o", other, "-f"],
        &["synth", input, "-o", out, "-f"],
        &["bench", input, "--backend", HOSTILE[0]],
    ];
    for arguments in runs {
        let output = program().args(arguments).output().expect("the program starts");
        let code = output.status.code().unwrap_or_else(|| panic!("{arguments:?}: a signal"));
        *codes.entry(code).or_default() += 1;
        harmless(&format!("{arguments:?} stdout"), &output.stdout);
        harmless(&format!("{arguments:?} stderr"), &output.stderr);
        if arguments.contains(&"--json") && code == 0 {
            serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON stays JSON");
        }
    }
}

/// A model of units, blocks, raw tensors and foreign dtypes, all with these names.
fn model(name: &str) -> Vec<Tensor> {
    vec![
        weights(&format!("{name}.weight"), &[128, 128], 1),
        weights(&format!("m.{name}.0.{name}.weight"), &[64, 64], 2),
        weights(&format!("m.{name}.1.{name}.weight"), &[64, 64], 3),
        weights(&format!("m.{name}.0.{name}.bias"), &[64], 4),
        tensor(&format!("{name}.wide.weight"), "F32", &[128, 128], vec![1; 4 * 128 * 128]),
        tensor(&format!("{name}.foreign"), &format!("F{name}"), &[3], vec![1, 2, 3]),
    ]
}

#[test]
fn no_name_from_a_file_reaches_the_terminal_as_it_is() {
    let mut codes = BTreeMap::new();
    for name in HOSTILE {
        let place = Place::new();
        let file_name = name.replace(['/', '\0'], "");
        let patterns = place.at("p.json");
        fs::write(&patterns, json!({format!("{name}(?!x)"): [name], name: [name]}).to_string()).expect("written");

        let file = place.at(&format!("{file_name}.safetensors"));
        let mut contents = Contents { tensors: model(name), ..Contents::default() };
        contents.metadata.insert(name.into(), name.into());
        contents.write(&file, 0);
        every_verb(&place, &file, &patterns, &mut codes);

        let folder = place.at(&file_name);
        fs::create_dir(&folder).expect("created");
        contents.write(&folder.join("model.safetensors"), 0);
        contents.write(&folder.join(format!("{file_name}.safetensors")), 0);
        fs::write(folder.join(format!("pytorch_model{file_name}.bin")), "x").expect("written");
        fs::write(folder.join("config.json"), json!({name: name, "model_type": name}).to_string()).expect("written");
        every_verb(&place, &folder, &patterns, &mut codes);

        // Coded, and then with every part damaged.
        let coded = place.at("coded.safetensors");
        df11(["compress", text(&file), "-o", text(&coded), "-q"]).fine();
        let sound = Contents::read(&coded);
        every_verb(&place, &coded, &patterns, &mut codes);
        for damage in 0..sound.tensors.len() {
            let mut bad = sound.clone();
            let tensor = &mut bad.tensors[damage];
            match damage % 3 {
                0 => tensor.bytes.iter_mut().for_each(|byte| *byte ^= 0xA5),
                1 => tensor.dtype = format!("I{name}"),
                _ => drop(bad.tensors.remove(damage)),
            }
            let path = place.at(&format!("bad{damage}{file_name}.safetensors"));
            bad.write(&path, 0);
            for arguments in [&["verify", text(&path)][..], &["decompress", text(&path), "-o", text(&place.at("back"))]]
            {
                let output = program().args(arguments).output().expect("the program starts");
                *codes.entry(output.status.code().expect("no signal")).or_default() += 1;
                harmless("damaged", &[output.stdout, output.stderr].concat());
            }
            let _ = fs::remove_file(place.at("back"));
        }
        for key in sound.metadata.keys() {
            let mut bad = sound.clone();
            bad.metadata.insert(key.clone(), json!([{name: name}]).to_string().into());
            let path = place.at("bad.safetensors");
            bad.write(&path, 0);
            every_verb(&place, &path, &patterns, &mut codes);
        }
    }
    // All three kinds of ending were seen, so the test covered summaries, failed checks and
    // refusals.
    assert!([0, 1, 2].iter().all(|code| codes.get(code).is_some_and(|&runs| runs > 20)), "{codes:?}");
}

#[test]
fn no_name_from_a_broken_file_reaches_the_terminal_as_it_is() {
    let mut codes = BTreeMap::new();
    for name in HOSTILE {
        let place = Place::new();
        let file_name = name.replace(['/', '\0'], "");
        let patterns = place.at("p.json");
        fs::write(&patterns, json!([name]).to_string()).expect("written");
        let entry = |dtype: &str, shape: serde_json::Value, end: u64| json!({"dtype": dtype, "shape": shape, "data_offsets": [0, end]});
        let headers = [
            json!({name: entry("BF16", json!([3]), 4)}),
            json!({name: entry("BF16", json!([name]), 4)}),
            json!({name: name}),
            json!({name: {"dtype": "U8", "shape": [4], "data_offsets": [4, 0]}}),
            json!({name: {"dtype": "U8", "shape": [4], "data_offsets": [1, 5]}}),
            json!({"__metadata__": {name: 1}}),
            json!({"__metadata__": name}),
        ];
        let twice = format!("{{{0}:{1},{0}:{1}}}", json!(name), entry("U8", json!([4]), 4));
        for header in headers.iter().map(ToString::to_string).chain([twice, name.to_owned(), format!("{{\"{name}\":")])
        {
            let path = place.at(&format!("{file_name}.safetensors"));
            let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
            fs::write(&path, bytes).expect("written");
            every_verb(&place, &path, &patterns, &mut codes);
        }
        let folder = place.at(&file_name);
        fs::create_dir(&folder).expect("created");
        let index = folder.join("model.safetensors.index.json");
        let shard = format!("{file_name}.safetensors");
        Contents { tensors: model(name), ..Contents::default() }.write(&folder.join(&shard), 0);
        for map in [json!({name: name}), json!({name: shard}), json!({name: 1}), json!(name), json!({})] {
            fs::write(&index, json!({"weight_map": map, name: name}).to_string()).expect("written");
            every_verb(&place, &folder, &patterns, &mut codes);
        }
        let shapes = place.at(&format!("{file_name}.json"));
        let rows = [
            json!([name, "BF16", [64, 64]]),
            json!([name, name, [64]]),
            json!([name]),
            json!([format!("{name}{{0"), "BF16", [1]]),
            json!([format!("{name}{{0..99999999}}"), "BF16", [1]]),
            json!(name),
        ];
        for row in rows {
            for rows in [json!([row]), json!([row, row])] {
                fs::write(&shapes, json!({"tensors": rows, "config": {name: name}}).to_string()).expect("written");
                every_verb(&place, &shapes, &patterns, &mut codes);
            }
        }
        fs::write(&shapes, name).expect("written");
        every_verb(&place, &shapes, &patterns, &mut codes);
    }
    assert!([0, 2].iter().all(|code| codes.get(code).is_some_and(|&runs| runs > 20)), "{codes:?}");
}

#[test]
fn the_words_of_a_command_line_are_shown_like_names() {
    for word in HOSTILE.map(|word| word.replace('\0', "")) {
        for arguments in [
            vec![word.as_str()],
            vec!["compress", "a", &word, "-o", "b"],
            vec!["compress", "a", "-o", "b", "-T", &word],
            vec!["compress", "a", "-o", "b", "-M", &word],
            vec!["compress", "a", "-o", "b", "--code", &word],
            vec!["compress", "a", "-o", "b", &format!("--{word}")],
        ] {
            let output = program().args(&arguments).output().expect("the program starts");
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            harmless(&format!("{arguments:?}"), &[output.stdout, output.stderr].concat());
        }
    }
}

#[test]
#[cfg(unix)]
fn a_path_that_is_no_utf8_is_shown_byte_by_byte() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let path = place.at("a").with_file_name(std::ffi::OsStr::from_bytes(b"a\xff\x1b.safetensors"));
    let output = program().args(["verify".as_ref(), path.as_os_str()]).output().expect("the program starts");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(stderr.contains(r"a\xff\u001b.safetensors"), "{stderr}");
}

/// A terminal shows a progress bar with its own controls. The names in it are still printable.
#[test]
#[cfg(target_os = "linux")]
fn a_progress_bar_shows_names_escaped() {
    let place = Place::new();
    let name = "x\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}31m";
    let source = place.at("a.safetensors");
    Contents { tensors: model(name), ..Contents::default() }.write(&source, 0);
    let command = format!("{} compress -v {} -o {}", env!("CARGO_BIN_EXE_df11"), text(&source), text(&place.at("b")));
    let output = match Command::new("script").args(["-qec", &command, "/dev/null"]).output() {
        Ok(output) => output,
        Err(error) => return eprintln!("SKIPPED: no terminal to look at, `script` does not start: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(r"x\u001b]52;c;ZXZpbA==\u0007\u009b31m"), "{text:?}");
    assert!(!text.contains("\u{1b}]") && !text.contains(['\u{7}', '\u{9b}']), "{text:?}");
}
