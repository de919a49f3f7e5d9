//! `df11 backends`: which backends work here, and why the others do not.

use std::fmt::Write;

use df11::backend::Choice;
use df11::shown::line;

use crate::exit::{Outcome, Verdict};
use crate::terminal::Terminal;

/// List the backends: which ones are available here, and why the others are not
#[derive(Debug, clap::Args)]
pub struct Backends {
    /// Print a JSON array of {name, available, reason, best} instead
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Row {
    name: &'static str,
    available: bool,
    reason: Option<String>,
    best: bool,
}

impl Backends {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        let best = Choice::best().to_string();
        let row = |name: &'static str, available: Result<(), String>| {
            let reason = available.err();
            Row { name, available: reason.is_none(), reason, best: name == best }
        };
        let rows: Vec<Row> = Choice::list().into_iter().map(|listing| row(listing.name, listing.available)).collect();
        if self.json {
            terminal.json(&rows)?;
        } else {
            terminal.result(&table(&rows))?;
        }
        Ok(Verdict::Fine)
    }
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Row { name, reason, best, .. } in rows {
        let state = match (reason, best) {
            (Some(reason), _) => format!("unavailable: {}", line(reason)),
            (None, true) => "available, the best here".to_owned(),
            (None, false) => "available".to_owned(),
        };
        let _ = writeln!(text, "{name:width$}  {state}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_has_its_line() {
        let rows = [
            Row { name: "portable", available: true, reason: None, best: false },
            Row { name: "avx2", available: true, reason: None, best: true },
            Row { name: "neon", available: false, reason: Some("not this processor".into()), best: false },
        ];
        let expected =
            "portable  available\navx2      available, the best here\nneon      unavailable: not this processor\n";
        assert_eq!(table(&rows), expected);
    }
}
