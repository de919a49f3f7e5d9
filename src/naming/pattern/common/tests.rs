//! Compares with Python's own `re`, where there is a python3: both match every pattern that passes
//! alike.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::PatternDict;
use super::check;
use crate::Error;

/// For each pattern of a list, whether it matches each of the names; or nothing if it is no
/// pattern.
const PEER: &str = r"
import json, re, sys, warnings
warnings.simplefilter('ignore')
patterns, names = json.load(sys.stdin)
def matches(pattern):
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return None
    return [compiled.fullmatch(name) is not None for name in names]
json.dump([matches(pattern) for pattern in patterns], sys.stdout)
";

const PLAIN_NAMES: [&str; 24] = [
    "",
    "a",
    "b",
    "aa",
    "ab",
    "ba",
    "aab",
    "A",
    "0",
    "7",
    "10",
    "a.0",
    "a.7.b",
    "model.layers.3",
    "a b",
    "-",
    "]",
    "^a",
    "a-b",
    "a_b",
    "&",
    "[a]",
    "{2}",
    "<",
];
const OTHER_NAMES: [&str; 14] = [
    "\n", "a\n", "\na", "\r", "\x1c", "\x1d", "\u{85}", "\u{a0}", "\u{b2}", "\u{663}", "\u{e9}", "e\u{301}",
    "\u{212a}", "\0",
];

fn ours(pattern: &str) -> Result<PatternDict, Error> {
    PatternDict::new(vec![(pattern.to_owned(), Vec::new())])
}

/// The answer of Python; `None` if there is no Python, which is then printed.
fn by_python(patterns: &[String], names: &[&str]) -> Option<Vec<Option<Vec<bool>>>> {
    let child = Command::new("python3").args(["-c", PEER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: there is no python3 to compare patterns with");
        return None;
    };
    let input = serde_json::to_vec(&(patterns, names)).expect("JSON");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("python3 ends");
    writer.join().expect("no panic").expect("written");
    assert!(output.status.success(), "python3 failed");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// Compares the engines on every pattern that passes. Returns how many pass.
fn compare(patterns: &[String], are_plain: bool) -> usize {
    let mut names = PLAIN_NAMES.to_vec();
    if !are_plain {
        names.extend(OTHER_NAMES);
    }
    let taken: Vec<String> =
        patterns.iter().filter(|pattern| check(pattern, are_plain).is_ok() && ours(pattern).is_ok()).cloned().collect();
    let Some(theirs) = by_python(&taken, &names) else { return taken.len() };
    for (pattern, theirs) in taken.iter().zip(theirs) {
        let found = ours(pattern).expect("it compiles").first_matches(&names.iter().copied().collect()).expect("cheap");
        let ours: Vec<bool> = names.iter().map(|name| found.contains_key(name)).collect();
        let differ =
            names.iter().enumerate().find(|(at, _)| theirs.as_ref().is_none_or(|theirs| theirs[*at] != ours[*at]));
        assert!(theirs.as_ref() == Some(&ours), "{pattern:?} is let through, and the engines differ on {differ:?}");
    }
    taken.len()
}

#[test]
fn what_people_write_is_let_through() {
    let patterns = [
        r"model\.layers\.\d+",
        r"^model\.layers\.[0-9]+$",
        "lm_head",
        r"(?:a|b)\.\d{1,3}",
        r"a[\w-]*",
        "a.*",
        r"(a|b)+?",
        r"\Aa",
        r"(?P<layer>\d+)",
        r"transformer_blocks\.(0|[1-9]\d*)",
        r"[^.]+\.0",
        r"(?:\.\d+)?",
        r"a|b$",
        r"(a|b$)",
        r"\x41\u0041\U00000041",
        r"[]a]",
        r"[^]a]",
        r"[a-]",
        r"[-a]",
        r"[a^]",
        r"[\]\[]",
        r"\bfoo\b",
        r"\-\_\#\&\~",
        r"a??b*?",
        "",
    ];
    for pattern in patterns {
        assert_eq!(check(pattern, true), Ok(()), "{pattern:?}");
    }
    compare(&patterns.map(str::to_owned), true);
}

#[test]
fn what_the_engines_read_differently_is_refused_by_name() {
    let refused = [
        (r"(?<n>a)", "(?<n>a)"),
        (r"a\z", r"\z"),
        ("[[:alpha:]]", "[:alpha:]"),
        ("[a-z&&[^x]]", "&&"),
        ("[a--b]", "--"),
        ("[a~~b]", "~~"),
        ("a(?i)b", "(?i)"),
        ("(?i:a)", "i"),
        ("(?i)a", "(?i)"),
        ("(?s).", "(?s)"),
        ("(?R)a", "(?R)"),
        ("(?-u)a", "(?-u)"),
        (r"\pL", r"\pL"),
        (r"\p{Greek}", r"\p{Greek}"),
        (r"[\pL]", r"\pL"),
        (r"\x{41}", r"\x{41}"),
        (r"\u{41}", r"\u{41}"),
        (r"\<a", r"\<"),
        (r"a\>", r"\>"),
        (r"\b{start}a", r"\b{start}"),
        (r"a\B", r"\B"),
        ("[[a]b]", "[a]"),
        ("a$\n", "$"),
        ("(a$)*", "$"),
        ("a$b?", "$"),
        ("a{ 2}", "{ 2}"),
        ("a**", "a**"),
        ("a*+", "a*+"),
        ("a+{2}", "a+{2}"),
        ("^*a", "^*"),
        ("(a?)*", "(a?)*"),
        ("(?:|a)+", "(?:|a)+"),
        ("[]-a]", "[]-a]"),
        ("[--a]", "[--a]"),
        (r"(?P<a.b>x)", "(?P<a.b>x)"),
    ];
    for (pattern, named) in refused {
        assert!(ours(pattern).is_ok(), "{pattern:?} is a pattern of ours");
        let reason = check(pattern, true).expect_err(pattern).to_string();
        assert!(reason.contains(named) && reason.contains("Python"), "{pattern:?}: {reason}");
    }
    for pattern in [r"\d", r"\w", r"\s", r"\b", r"[\d]", r"\D", r"[^\w]"] {
        assert!(check(pattern, true).is_ok() && check(pattern, false).is_err(), "{pattern}");
    }
    let deep = format!("{}a{}", "(".repeat(60), ")".repeat(60));
    assert!(check(&deep, true).is_err());
    for pattern in [
        r"\h",
        r"\Z",
        r"(?=a)",
        r"(?!a)",
        r"(?<=a)",
        r"(a)\1",
        "(?#x)",
        "(?>a)",
        r"\K",
        r"\N{DASH}",
        r"(?P=n)",
        "a{",
        "a{,2}",
        r"\Q",
    ] {
        assert!(ours(pattern).is_err(), "{pattern} is no pattern of ours at all");
    }
}

#[test]
fn what_is_let_through_both_engines_match_alike() {
    let pieces = [
        "a",
        "b",
        "A",
        "0",
        ".",
        r"\.",
        "-",
        "_",
        " ",
        "]",
        "}",
        "{",
        "[",
        "(",
        ")",
        "(?:",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{1,2}",
        "{,2}",
        "{0,}",
        "^",
        "$",
        r"\A",
        r"\z",
        r"\b",
        r"\B",
        r"\d",
        r"\w",
        r"\s",
        r"\D",
        r"\W",
        r"\S",
        "[a-b]",
        "[^a]",
        "[",
        "[^",
        "[a",
        "b]",
        "&&",
        "--",
        "~~",
        "||",
        r"\]",
        r"\-",
        r"\[",
        r"\t",
        r"\n",
        r"\x41",
        r"\u0062",
        "(?i)",
        "(?P<n>",
        "(?<n>",
        r"[\d-]",
        r"[\w.]",
        "[[:alpha:]]",
        r"\pL",
        "\n",
        "e\u{301}",
        "\u{663}",
        "<",
        r"\<",
        "#",
        r"\#",
        "&",
        "(a|b)",
        "(a?)",
        r"\\",
        "(?:a|)",
        "[]a]",
        "\u{e9}",
    ];
    let strategy =
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 1..8).prop_map(|pieces| pieces.concat());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let patterns: Vec<String> = (0..3000).map(|_| strategy.new_tree(&mut runner).expect("drawn").current()).collect();
    for are_plain in [true, false] {
        let taken = compare(&patterns, are_plain);
        assert!(taken > 300, "{taken} patterns are let through, too few to mean anything");
    }
}
