//! Front matter of unknown origin: each field is kept with the meaning that YAML gives it, or left
//! out with a note. The written front matter has the intended fields and no others.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value as Json, json};

use super::*;

fn readme(yaml: &str) -> String {
    format!("---\n{yaml}\n---\n\n# Text\nlicense: not here\n")
}

/// The kept fields, as JSON, and the note.
fn kept(readme: impl AsRef<[u8]>) -> (Json, String) {
    let (fields, note) = kept_fields(readme.as_ref());
    (as_json(&fields), note.map(|note| note.to_string()).unwrap_or_default())
}

fn as_json(fields: &[Field]) -> Json {
    let value = |value: &Value| match value {
        Value::Text(text) => json!(text),
        Value::List(texts) => json!(texts),
    };
    fields.iter().map(|field| (field.name.clone(), value(&field.value))).collect()
}

#[test]
fn known_fields_are_kept_however_they_are_spelled() {
    for (yaml, expected) in [
        ("license: mit", json!({"license": "mit"})),
        ("license: mit # free\r\nlibrary_name:   x  ", json!({"license": "mit", "library_name": "x"})),
        ("\"license\": 'it''s'", json!({"license": "it's"})),
        ("'license': \"a: \\\"b\\\" \\\\ \\u00e9\"", json!({"license": "a: \"b\" \\ \u{e9}"})),
        ("? license\n: mit", json!({"license": "mit"})),
        ("license:\n  - mit\n  - other", json!({"license": ["mit", "other"]})),
        ("license:\n- mit\n\n- other", json!({"license": ["mit", "other"]})),
        ("license: [mit, \"no\"]", json!({"license": ["mit", "no"]})),
        ("{license: mit, library_name: x}", json!({"license": "mit", "library_name": "x"})),
        ("license_link:\n  https://example.org/a#b", json!({"license_link": "https://example.org/a#b"})),
        ("license: &l mit", json!({"license": "mit"})),
        ("license: >-\n  a\n  b", json!({"license": "a b"})),
        ("\n\nlicense: mit\n\n", json!({"license": "mit"})),
        ("", json!({})),
        ("# nothing", json!({})),
    ] {
        assert_eq!(kept(readme(yaml)).0, expected, "{yaml:?}");
    }
    for before in ["\u{feff}", "\n\r\n \n", "\u{feff}\n"] {
        assert_eq!(kept(before.to_owned() + &readme("license: mit")).0, json!({"license": "mit"}), "{before:?}");
    }
    assert_eq!(kept(readme("license: mit").replace('\n', "\r")).0, json!({"license": "mit"}));
    assert_eq!(kept(readme("license: mit").replace('\n', "\r\n")).0, json!({"license": "mit"}));
    for none in ["", "# Text\nlicense: mit\n", "text\n---\nlicense: mit\n---\n"] {
        assert_eq!(kept(none), (json!({}), String::new()), "{none:?}");
    }
}

#[test]
fn what_is_left_out_is_told() {
    let many = (0..20).map(|i| format!("k{i}: v\n")).collect::<String>();
    for (yaml, told) in [
        ("language:\n- en\nlicense: mit\nextra: |\n  license: no", "leaves out `language`, `extra`"),
        ("license: mit # why\n# and how", "leaves out comments"),
        ("license: 3.5", "`license`"),
        ("license: null", "`license`"),
        ("license: [mit, [gpl]]", "`license`"),
        ("license: {a: b}", "`license`"),
        ("a: &x mit\nlicense: *x", "`a`, `license`"),
        ("license: !!binary bWl0", "`license`"),
        ("license: a\u{2028}base_model: evil/cr", "is no YAML"),
        ("license: a\u{85}base_model: evil/cr", "is no YAML"),
        ("license: a\u{2028}b", "`license`"),
        ("license: a\u{85}b", "`license`"),
        ("license: \"a\\nbase_model: evil/cr\"", "`license`"),
        ("license: a\rbase_model: evil/cr", "`base_model`"),
        ("<<: {license: mit}", "`<<`"),
        ("[a, b]: c\nlicense: mit", "a field without a name"),
        ("\"\\e[2J\\n\": x", "`\\u{1b}[2J\\n`"),
        (many.as_str(), "12 more"),
        ("license: 'mit", "is no YAML"),
        ("license: mit\n\tname: x", "is no YAML"),
        ("license: [mit", "is no YAML"),
        ("license: *nothing", "is no YAML"),
        ("license: mit\nlicense: gpl", "names `license` twice"),
        ("license: [[]]\nlicense: gpl", "names `license` twice"),
        ("license: mit\n...\nlicense: gpl", "more than one document"),
        ("- license: mit", "is no mapping"),
        ("license", "is no mapping"),
    ] {
        let (kept, note) = kept(readme(yaml));
        assert!(note.contains(told), "{yaml:?}: {note}");
        assert!(
            kept == json!({}) || kept == json!({"license": "mit"}) || kept == json!({"license": "a"}),
            "{yaml:?}: {kept}"
        );
    }
    assert!(kept("---\nlicense: never closed\n").1.contains("is never closed"));
    assert!(kept(b"---\nlicense: \xff\n---\n").1.contains("is not UTF-8"));
    assert_eq!(kept(readme("license: mit\nlibrary_name: x")).1, "");
}

#[test]
fn front_matter_made_to_be_dear_costs_little() {
    // Each takes a fraction of a second. Quadratic time would take minutes.
    let bomb = "a: &a [x, x]\n".to_owned() + &(0..30).map(|i| format!("a{i}: &a{i} [*a, *a]\n")).collect::<String>();
    let pieces = [
        "[", "{", "- ", "? ", "&a ", "!x ", "a: ", "\"", "'", "# ", "*a ", "| ", "\n", ": ", "%", ",", "a\n", "- a\n",
        "a: b\n",
    ];
    let fields = (0..120_000).map(|i| format!("k{i}: v\n")).collect();
    let repeated = pieces.map(|piece| piece.repeat(1_000_000 / piece.len()));
    for dear in repeated.into_iter().chain([bomb, fields, "a: b\n".repeat(1 << 18)]) {
        let began = Instant::now();
        let _ = kept(readme(&dear));
        let _ = kept(readme(&format!("license: {dear}")));
        assert!(began.elapsed().as_secs() < 60, "{:?}... took {:?}", &dear[..4], began.elapsed());
    }
}

/// What PyYAML reads. `None` if PyYAML is not there, which is printed.
fn by_python(yamls: &[String]) -> Option<Vec<Json>> {
    const PEER: &str = r"
import json, sys
try:
    import yaml
except ImportError:
    sys.exit(7)
def plain(value):
    if isinstance(value, dict):
        return {key if isinstance(key, str) else repr(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, str) else {'no text': repr(value)}
def read(text):
    try:
        return {'says': plain(yaml.safe_load(text))}
    except Exception:
        return {}
json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
";
    let child = Command::new("python3").args(["-c", PEER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: there is no python3 to read YAML with");
        return None;
    };
    let input = serde_json::to_vec(yamls).expect("JSON");
    let mut stdin = child.stdin.take().expect("piped");
    // A process that ends early, because PyYAML is missing, reads no input.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("python3 ends");
    writer.join().expect("no panic");
    if output.status.code() == Some(7) {
        eprintln!("SKIPPED: python3 has no PyYAML to compare with");
        return None;
    }
    assert!(output.status.success(), "python3 failed");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn what_is_written_says_what_was_meant_to_this_library_and_to_pyyaml() {
    let pieces = [
        "license",
        "license: ",
        "library_name: ",
        "pipeline_tag: ",
        "\"license\": ",
        "mit",
        "x",
        "no",
        "1",
        "1.5",
        "2024-01-01",
        "1:30",
        "~",
        "\n",
        "\n",
        "\n",
        "\r",
        "\r\n",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\t",
        " ",
        "  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        ", ",
        ": ",
        "&a ",
        "*a",
        "!!str ",
        "\"",
        "'",
        "#",
        " # c",
        "|\n  ",
        ">-\n  ",
        "? ",
        "<<: *a",
        "base_model: evil/x",
        "---",
        "...",
        "\\",
        "\\n",
        "%",
        "@",
        "`",
        "\u{e9}",
        "\u{1f600}",
        "\u{a0}",
        "\u{1b}",
        "=",
        "y",
        "0x1f",
        "0o7",
        "1_000",
        "+1",
        ".5",
        "<b>",
        "tags:\n- x\n",
    ];
    let strategy =
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..7).prop_map(|pieces| pieces.concat());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let drawn = (0..5000).map(|_| strategy.new_tree(&mut runner).expect("drawn").current());
    let sources: Vec<String> = drawn.flat_map(|yaml| [format!("license: {yaml}"), yaml]).collect();
    let base = Field::text("base_model", "owner/name-1.0");
    let (mut meant, mut yamls, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for source in &sources {
        let (kept, note) = kept_fields(readme(source).as_bytes());
        let fields = [std::slice::from_ref(&base), &kept].concat();
        yamls.push(written(&fields).unwrap_or_else(|| panic!("{source:?}: {fields:?} cannot be written")));
        meant.push(as_json(&fields));
        told.push(note.is_some());
    }
    let with_any = meant.iter().filter(|fields| fields.as_object().is_some_and(|fields| fields.len() > 1)).count();
    assert!(with_any > 500, "{with_any} sources keep a field, too few to mean anything");
    let Some(theirs) = by_python(&yamls) else { return };
    let Some(sources_say) = by_python(&sources) else { return };
    for (at, theirs) in theirs.iter().enumerate() {
        let (source, meant) = (&sources[at], &meant[at]);
        assert_eq!(&theirs["says"], meant, "{source:?} became {:?}", yamls[at]);
        // If PyYAML reads a text in the source too, it is the same text, or a note was given.
        for field in KEPT_FIELDS {
            let Some(Json::String(text)) = sources_say[at]["says"].get(field) else { continue };
            let is_same = meant[field] == json!(text);
            assert!(is_same || told[at], "{source:?}: PyYAML reads {field} as {text:?}, kept is {}", meant[field]);
            assert!(
                is_same || meant[field].is_null() || source.contains(['\u{85}', '\u{2028}']),
                "{source:?}: {text:?}, {meant}"
            );
        }
    }
}
