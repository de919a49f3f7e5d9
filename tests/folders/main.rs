//! Folders as people have them: interrupted downloads, variants, overlays, sidecars, adapters,
//! tied models, fused experts. For each: the exit code, the words that help, and what comes back.
//!
//! - [`makers`]: small models as public tools lay them out; all weights are invented;
//! - [`sources`]: which files of a BF16 folder are the model, and what happens to the others;
//! - [`coded`]: whether a DFloat11 folder is complete;
//! - [`choices`]: tied embeddings, fused experts, what stays raw and what is gained;
//! - [`prefixes`]: names that differ by one prefix;
//! - [`foreign`]: files that are not safetensors, and what people give for a model of a hub;
//! - [`patterns`]: patterns that match nothing;
//! - [`python`]: JSON as Python writes it;
//! - [`reports`]: what `--json` prints.

mod choices;
mod coded;
mod foreign;
mod makers;
mod patterns;
mod prefixes;
mod python;
mod reports;
mod sources;
#[path = "../support/mod.rs"]
mod support;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use makers::Files;

/// The result of a run of the program.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs the program to its end.
fn df11<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_df11")).env_remove("DF11_BACKEND").args(arguments).output();
    let output = output.expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    let code = output.status.code().expect("no signal ends the program");
    Run { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Run {
    /// Checks the exit code, and that the output holds these words.
    #[track_caller]
    fn ends(self, code: i32, words: &[&str]) -> Run {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, code, "{all}");
        for word in words {
            assert!(all.contains(word), "`{word}` is not in: {all}");
        }
        self
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in: {}", self.stdout))
    }
}

/// A folder for one test, removed after it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a temporary folder"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the files as `source`.
    fn source(&self, files: &Files) -> PathBuf {
        let source = self.at("source");
        files.write(&source);
        source
    }

    /// Compresses `source` to `coded`, restores that as `back`, and checks what every verb says on
    /// the way. Returns what compression said.
    #[track_caller]
    fn there_and_back(&self, source: &Path, more: &[&str]) -> Run {
        let (coded, back) = (self.at("coded"), self.at("back"));
        let mut arguments = vec!["compress", text(source), "-o", text(&coded)];
        arguments.extend(more);
        let run = df11(arguments).ends(0, &["each decoded and compared"]);
        df11(["inspect", text(source)]).ends(0, &[]);
        df11(["estimate", text(source)]).ends(0, &[]);
        df11(["verify", text(&coded), "--against", text(source)]).ends(0, &["coded: complete: "]);
        df11(["inspect", text(&coded)]).ends(0, &["\ncomplete\n"]);
        df11(["decompress", text(&coded), "-o", text(&back)]).ends(0, &["every file byte for byte"]);
        run
    }
}

/// A path as an argument.
fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
