//! What we write, we can read: models at the limits of files, and with names of every kind.
//! Whatever `compress` accepts, the other verbs open.

mod support;

use df11::Error;
use df11::jobs::{
    CodeKind, CompressOptions, DecompressOptions, InspectOptions, PatternDict, SynthOptions, VerifyOptions, compress,
    decompress, inspect, synth, verify,
};
use std::fs;
use std::path::{Path, PathBuf};
use support::models::{Contents, Tensor, assert_same_tree};
use support::random::Random;
use support::with;

/// The fewest weights of a matrix that is a unit anywhere.
const UNIT: [u64; 2] = [128, 128];

/// A BF16 tensor of one exponent, which codes small, or of random words, which stay raw.
fn tensor(name: &str, shape: [u64; 2], random: bool) -> Tensor {
    let mut source = Random::new(name.len() as u64);
    let words = (0..shape[0] * shape[1]).map(|_| source.next() as u16);
    let words = words.map(|word| if random { word } else { 0x3F80 | word & 0x807F });
    let bytes = words.flat_map(u16::to_le_bytes).collect();
    Tensor { name: name.into(), dtype: "BF16".into(), shape: shape.to_vec(), bytes }
}

/// Writes a model of these tensors: a directory, or a file alone.
fn write(path: &Path, tensors: Vec<Tensor>, alone: bool) -> PathBuf {
    fs::create_dir_all(path).expect("created");
    let file = path.join("model.safetensors");
    fs::write(&file, Contents { tensors, ..Contents::default() }.to_bytes(0)).expect("written");
    if alone { file } else { path.to_path_buf() }
}

/// Compresses, and opens what was written with every verb. Returns the number of units.
fn round_trip(source: &Path, work: &Path, options: &CompressOptions) -> Result<usize, Error> {
    let (coded, back) = (work.join("coded"), work.join("back"));
    let report = compress(source, &coded, options, &())?;
    let sound = verify(&coded, &VerifyOptions::default(), &()).expect("verified");
    assert!(sound.failures.is_empty(), "{:?}", sound.failures);
    let units = inspect(&coded, &InspectOptions::default(), &()).expect("inspected").units.len();
    assert_eq!(units, report.units);
    decompress(&coded, &back, &DecompressOptions::default(), &()).expect("decompressed");
    match (options.code, source.is_dir()) {
        (CodeKind::Canonical, true) => assert_same_tree(source, &back),
        (CodeKind::Canonical, false) => assert!(fs::read(source).expect("read") == fs::read(&back).expect("read")),
        (CodeKind::Published, _) => {
            let back = if source.is_dir() { back.join("model.safetensors") } else { back };
            let file = if source.is_dir() { source.join("model.safetensors") } else { source.to_path_buf() };
            let sorted = |path: &Path| {
                let mut tensors = Contents::read(path).tensors;
                tensors.sort_by(|a, b| a.name.cmp(&b.name));
                tensors.into_iter().map(|tensor| (tensor.name, tensor.bytes)).collect::<Vec<_>>()
            };
            assert!(sorted(&back) == sorted(&file));
        }
    }
    Ok(units)
}

fn work() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The message that refuses a source. Nothing is left after it.
fn refusal(source: &Path, work: &Path, options: &CompressOptions) -> String {
    let refused = round_trip(source, work, options).expect_err("refused").to_string();
    for left in ["coded", "coded.partial"] {
        assert!(!work.join(left).exists(), "{left} is there after: {}", &refused[..refused.len().min(300)]);
    }
    refused
}

fn single_file() -> CompressOptions {
    with!(CompressOptions::default(), single_file: true)
}

#[test]
fn more_tensors_than_were_once_read_come_back_from_one_file() {
    let work = work();
    let few = |i| tensor(&format!("t{i}"), [1, 1], false);
    let units = (0..300).map(|i| tensor(&format!("l.{i}.weight"), [32, 34], false));
    let source = write(&work.path().join("source"), (0..262_500).map(few).chain(units).collect(), true);
    assert_eq!(round_trip(&source, work.path(), &CompressOptions::default()).expect("taken"), 300);
}

#[test]
#[ignore = "a minute: ci/full.sh runs it"]
fn more_units_than_were_once_read_come_back_from_one_file() {
    let work = work();
    let tensors = (0..45_000).map(|i| tensor(&format!("l.{i}.weight"), [32, 34], false));
    let source = write(&work.path().join("source"), tensors.collect(), false);
    assert_eq!(round_trip(&source, work.path(), &single_file()).expect("taken"), 45_000);
}

#[test]
fn a_header_that_would_be_too_long_is_refused_before_anything_is_coded() {
    let work = work();
    // A raw tensor's name is twice in the record and in its header, a coded one's nine times. In a
    // directory, six of these are in its own file.
    let named = |count, end: &str| {
        let name = |i: usize| format!("{}{i}{end}", "x".repeat(1 << 20));
        (0..count).map(|i| tensor(&name(i), UNIT, false)).collect()
    };
    for (tensors, alone, options, advice) in [
        (named(14, ".weight"), false, single_file(), "write a file for each unit"),
        (named(50, ""), true, CompressOptions::default(), "put it into a directory"),
        (named(34, ".weight"), false, CompressOptions::default(), "split the model into directories"),
    ] {
        let source = write(&work.path().join(advice), tensors, alone);
        let message = refusal(&source, work.path(), &options);
        assert!(
            message.contains("model.safetensors would be a file that no reader accepts: the header has 1"),
            "{message}"
        );
        assert!(message.contains("expected at most 100000000") && message.contains(advice), "{message}");
    }
}

#[test]
fn where_it_depends_on_the_weights_whether_a_header_fits_every_unit_is_planned_first() {
    let work = work();
    let name = |i: usize| format!("{}{i}.weight", "x".repeat(1 << 20));
    let tensors = (0..20).map(|i| tensor(&name(i), UNIT, false)).collect();
    let fits = write(&work.path().join("fits"), tensors, false);
    assert_eq!(round_trip(&fits, work.path(), &CompressOptions::default()).expect("taken"), 20);
}

#[test]
fn names_of_every_kind_come_back_in_every_form() {
    let names = [
        "",
        ".",
        "..",
        ".weight",
        "weight",
        " ",
        " .weight",
        "a.weight",
        "A.weight",
        "a_b.weight",
        "a.b.weight",
        "con.weight",
        "aux",
        "nul.weight",
        "../../up.weight",
        "/root.weight",
        "a\\b.weight",
        "c:d.weight",
        "a\nb\r\t.weight",
        "\u{1b}[2J.weight",
        "\u{e9}.weight",
        "e\u{301}.weight",
        "\u{2028}.weight",
        "\u{feff}.weight",
        "\u{10ffff}.weight",
        "\0.weight",
        "__metadata__.weight",
        "x.luts",
        "x.luts.weight",
        "model.weight",
        "model.safetensors",
        "config.json",
        "7.weight",
        "[a-z]+(?:.*).weight",
        "$^.weight",
        "\"{}\".weight",
        "a..weight",
    ];
    let long = "long.".repeat(200) + "weight";
    let work = work();
    let all = names.iter().copied().chain([long.as_str()]).map(|name| tensor(name, UNIT, false));
    let source = write(&work.path().join("source"), all.collect(), false);
    for (turn, code, options) in [
        (0, CodeKind::Canonical, CompressOptions::default()),
        (1, CodeKind::Canonical, single_file()),
        (2, CodeKind::Canonical, with!(CompressOptions::default(), all: true)),
        (3, CodeKind::Canonical, with!(single_file(), all: true)),
        (4, CodeKind::Published, CompressOptions::default()),
        (5, CodeKind::Published, single_file()),
    ] {
        let folder = work.path().join(turn.to_string());
        fs::create_dir(&folder).expect("created");
        let units = round_trip(&source, &folder, &with!(options, code)).expect("taken");
        assert!(units > 20, "{units} units");
        let folder = folder.join("alone");
        fs::create_dir(&folder).expect("created");
        let options = with!(CompressOptions::default(), code, all: turn > 1 && turn < 4);
        round_trip(&source.join("model.safetensors"), &folder, &options).expect("taken");
    }
}

#[test]
fn whatever_names_are_drawn_what_is_taken_comes_back() {
    let pieces = [
        "a", "b", "0", "1", "10", ".", ".", ".", "weight", ".weight", ".weight", "luts", "gaps", "_", "/", " ", "\n",
        "\u{e9}", "experts", "router",
    ];
    let (mut random, mut taken) = (Random::new(11), 0);
    for turn in 0..60 {
        let work = work();
        let mut names: Vec<String> = (0..1 + random.below(8))
            .map(|_| (0..1 + random.below(7)).map(|_| pieces[random.below(pieces.len() as u64) as usize]).collect())
            .collect();
        names.sort();
        names.dedup();
        let code = if turn % 3 == 0 { CodeKind::Published } else { CodeKind::Canonical };
        let options = with!(CompressOptions::default(), code, single_file: turn % 2 == 0, all: turn % 3 == 1);
        let tensors = names.iter().map(|name| tensor(name, UNIT, false)).collect();
        let source = write(&work.path().join("source"), tensors, turn % 5 == 0);
        if round_trip(&source, work.path(), &options).is_ok() {
            taken += 1;
        }
    }
    assert!(taken > 40, "{taken} are taken, too few to mean anything");
}

#[test]
fn a_source_that_would_not_come_back_by_its_file_names_is_refused_first() {
    let work = work();
    let source = write(&work.path().join("source"), vec![tensor("a.weight", UNIT, false)], false);
    for name in ["a..b.safetensors", "a:b.safetensors"] {
        let other = work.path().join(name);
        fs::create_dir(&other).expect("created");
        fs::copy(source.join("model.safetensors"), other.join(name)).expect("copied");
        assert!(refusal(&other, work.path(), &CompressOptions::default()).contains(name));
    }
    fs::create_dir(source.join("A.safetensors")).expect("created");
    let message = refusal(&source, work.path(), &CompressOptions::default());
    assert!(message.contains("A.safetensors") && message.contains("rename"), "{message}");
    fs::remove_dir(source.join("A.safetensors")).expect("removed");
    fs::write(source.join("config.json"), "{").expect("written");
    assert!(refusal(&source, work.path(), &CompressOptions::default()).contains("config.json"));
}

#[test]
fn patterns_of_the_published_form_are_those_that_both_engines_read_alike() {
    let work = work();
    let names = ["m.0.a.weight", "m.1.a.weight", "m.norm"];
    let source = write(&work.path().join("source"), names.map(|name| tensor(name, UNIT, false)).to_vec(), false);
    let with = |pattern: &str, code| {
        let path = work.path().join("patterns.json");
        fs::write(&path, serde_json::json!({ pattern: ["a"] }).to_string()).expect("written");
        let pattern_dict = Some(PatternDict::read(&path).expect("a pattern of ours"));
        with!(CompressOptions::default(), code, pattern_dict)
    };
    for pattern in [r"m\.(?<n>\d)", r"m\.\d\z", "m.[[:digit:]]", "m.[0-9&&[^7]]", r"m\.(?i)\d", r"m\.\d$|x$\n"] {
        let message = refusal(&source, work.path(), &with(pattern, CodeKind::Published));
        assert!(message.contains(&pattern.replace(r"\n", r"\\n")) && message.contains("Python"), "{message}");
        // Our form rewrites the patterns.
        let folder = work.path().join(format!("{}", pattern.len()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("created");
        assert_eq!(round_trip(&source, &folder, &with(pattern, CodeKind::Canonical)).expect("taken"), 2, "{pattern}");
    }
    assert_eq!(round_trip(&source, work.path(), &with(r"^m\.[0-9]+$", CodeKind::Published)).expect("taken"), 2);
}

#[test]
fn patterns_that_a_reader_would_refuse_are_not_written() {
    let work = work();
    let number = |i: usize| format!("{}{}", "1".repeat(4000), 2 * i);
    let tensors = (0..700).map(|i| tensor(&format!("l.{}.weight", number(i)), [2, 2], false)).collect();
    let source = write(&work.path().join("source"), tensors, false);
    let published = with!(single_file(), code: CodeKind::Published);
    let message = refusal(&source, work.path(), &published);
    assert!(message.contains("too large for a reader to compile"), "{message}");
}

#[test]
fn shapes_of_which_no_readable_file_can_be_made_make_none() {
    let work = work();
    let (shapes, output) = (work.path().join("shapes.json"), work.path().join("made"));
    let make = |tensors: serde_json::Value| {
        fs::write(&shapes, serde_json::json!({ "tensors": tensors }).to_string()).expect("written");
        let made = synth(&shapes, &output, &SynthOptions::default(), &());
        assert_eq!(output.exists(), made.is_ok());
        made.map_err(|error| error.to_string())
    };
    let message = make(serde_json::json!([["__metadata__", "BF16", [2, 2]]])).expect_err("refused");
    assert!(message.contains("__metadata__"), "{message}");
    let long = "x".repeat(1 << 20);
    let message = make(serde_json::json!([[format!("{long}{{0..99}}"), "BF16", [1]]])).expect_err("refused");
    assert!(message.contains("100000000 bytes of names"), "{message}");
    make(serde_json::json!([["a__metadata__", "BF16", [2, 2]]])).expect("made");
}
