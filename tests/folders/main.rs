//! Folders as people have them: interrupted downloads, variants, overlays, sidecars, adapters,
//! tied models, fused experts. For each: the exit code, the words that help, and what comes back.
//!
//! - [`makers`]: small models as public tools lay them out; all weights are invented;
//! - [`blame`]: damaged files, each named by every verb;
//! - [`sources`]: which files of a BF16 folder are the model, and what happens to the others;
//! - [`coded`]: whether a DFloat11 folder is complete;
//! - [`choices`]: tied embeddings, fused experts, what stays raw and what is gained;
//! - [`prefixes`]: names that differ by one prefix;
//! - [`foreign`]: files that are not safetensors, and what people give for a model of a hub;
//! - [`patterns`]: patterns that match nothing;
//! - [`python`]: JSON as Python writes it;
//! - [`reports`]: what `--json` prints.

mod blame;
mod choices;
mod coded;
mod foreign;
mod makers;
mod patterns;
mod prefixes;
mod python;
mod reports;
#[path = "../support/runs.rs"]
mod runs;
mod sources;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use makers::Files;
use runs::{Place, Run, df11, text};

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
}

impl Place {
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
