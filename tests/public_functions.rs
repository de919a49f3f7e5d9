//! The fuzz target `api` calls every public function of df11-core and df11-cpu. A new function that
//! it does not call fails here.
//!
//! The public names are read from the sources: what `lib.rs` names in `pub use`, with the methods
//! of these types, and the functions of its public modules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.expect("a folder can be listed").path()) {
        match path.is_dir() {
            true => files.extend(rust_files(&path)),
            false => files.push(path),
        }
    }
    files
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a source can be read")
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// The type of a line `impl ... {` or `pub trait ... {`.
fn owner(line: &str) -> Option<&str> {
    if let Some(name) = line.strip_prefix("pub trait ") {
        return Some(word(name).0);
    }
    let rest = line.strip_prefix("impl")?;
    let rest = if rest.starts_with('<') { rest.split_once("> ")?.1 } else { rest.trim_start() };
    let of = rest.split_once(" for ").map_or(rest, |(_, of)| of);
    Some(word(of).0)
}

/// What a call of each public function of a crate looks like: `Type::name`, `.name` or `name`.
fn public_functions(source: &Path) -> BTreeSet<String> {
    let lib = text(&source.join("lib.rs"));
    let names: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub use "))
        .flat_map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .collect();
    let modules: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")).map(|name| word(name).0).collect();
    let mut found = BTreeSet::new();
    for file in rust_files(source) {
        let is_public = file.file_stem().is_some_and(|stem| modules.contains(stem.to_string_lossy().as_ref()));
        let (text, mut of, mut in_trait) = (text(&file), None, false);
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if !line.starts_with(' ') {
                of = owner(line).or(of.filter(|_| line != "}"));
                in_trait = line.starts_with("pub trait ") || in_trait && line != "}";
            }
            let function = line.trim_start();
            let function = function.strip_prefix("pub ").or(in_trait.then_some(function));
            let Some(function) = function.map(|rest| rest.strip_prefix("const ").unwrap_or(rest)) else { continue };
            let Some((name, rest)) = function.strip_prefix("fn ").map(word) else { continue };
            // Up to the end of the arguments. The first may be on the next line.
            let first = if rest.ends_with('(') { lines.next().unwrap_or_default() } else { rest };
            let has_self = first.split([',', ')']).next().is_some_and(|first| first.ends_with("self"));
            match of {
                Some(of) if !names.contains(of) => {}
                Some(_) if has_self => drop(found.insert(format!(".{name}"))),
                Some(of) => drop(found.insert(format!("{of}::{name}"))),
                None if is_public || names.contains(name) => drop(found.insert(name.to_owned())),
                None => {}
            }
        }
    }
    found
}

#[test]
fn the_fuzz_target_api_calls_every_public_function_of_core_and_cpu() {
    let targets = root("fuzz/src/targets");
    let calls = rust_files(&targets.join("api"))
        .iter()
        .chain([&targets.join("api.rs")])
        .map(|file| text(file))
        .collect::<String>();
    for (crate_name, known) in [
        ("df11-core", ["Code::canonical", ".gap", "fullest_block", "merge", ".decode_range"]),
        ("df11-cpu", ["Decoder::new", ".decode_rows", "buffer", "Level::named", "decode_batch"]),
    ] {
        let functions = public_functions(&root(crate_name).join("src"));
        println!("{crate_name}: {functions:?}");
        assert!(known.iter().all(|&name| functions.contains(name)), "{crate_name}: the search finds too few functions");
        let uncalled: Vec<_> = functions
            .iter()
            .filter(|name| !["(", "::<"].iter().any(|open| calls.contains(&format!("{name}{open}"))))
            .collect();
        assert!(uncalled.is_empty(), "{crate_name}: fuzz/src/targets/api does not call {uncalled:?}");
    }
}
