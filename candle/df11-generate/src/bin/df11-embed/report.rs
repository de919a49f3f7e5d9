//! The vectors, and what is said beside them.

use std::fmt::Write;
use std::time::Duration;

use df11_candle::{Encoder, Pooling};
use df11_generate::memory;
use serde_json::json;

use crate::args::Args;

/// A run, for people and for programs.
pub struct Report<'a> {
    pub encoder: &'a Encoder,
    pub args: &'a Args,
    /// What the model's files say of pooling.
    pub read: Option<Pooling>,
    pub texts: &'a [Vec<u32>],
    pub cut: usize,
    pub load_time: Duration,
    pub time: Duration,
}

impl Report<'_> {
    /// A line for each vector.
    pub fn rows(vectors: &[Vec<f32>]) -> String {
        let mut rows = String::new();
        for vector in vectors {
            for (index, x) in vector.iter().enumerate() {
                // A String takes all.
                let _ = write!(rows, "{}{x}", if index > 0 { " " } else { "" });
            }
            rows.push('\n');
        }
        rows
    }

    fn sentences_per_s(&self) -> f64 {
        self.texts.len() as f64 / self.time.as_secs_f64().max(1e-9)
    }

    fn tokens(&self) -> usize {
        self.texts.iter().map(Vec::len).sum()
    }

    /// Lines for stderr.
    pub fn lines(&self) -> String {
        let Pooling { mode, normalized } = self.read.unwrap_or_default();
        let from = if self.read.is_some() { "as modules.json says" } else { "as there is no modules.json" };
        let cut = match self.cut {
            0 => String::new(),
            cut => {
                let all = self.texts.len();
                format!("{cut} of {all} sentences were cut: more tokens than the model takes\n")
            }
        };
        format!(
            "{cut}{} sentences, {} tokens, {:.1} sentences a second; pooling {}, {}, {from}\n{}; loaded in {:.2} s",
            self.texts.len(),
            self.tokens(),
            self.sentences_per_s(),
            mode.name(),
            if normalized { "normalized" } else { "not normalized" },
            memory::words(self.args.form, self.encoder.resident_bytes()),
            self.load_time.as_secs_f64(),
        )
    }

    /// One object for stdout.
    pub fn json(&self, vectors: &[Vec<f32>]) -> String {
        let Pooling { mode, normalized } = self.read.unwrap_or_default();
        json!({
            "form": self.args.form.name(),
            "vectors": vectors,
            "pooling": mode.name(),
            "normalized": normalized,
            "tokens": self.tokens(),
            "cut_sentences": self.cut,
            "weight_bytes_resident": self.encoder.resident_bytes(),
            "peak_memory_bytes": memory::peak(),
            "load_s": self.load_time.as_secs_f64(),
            "sentences_per_s": self.sentences_per_s(),
        })
        .to_string()
    }
}
