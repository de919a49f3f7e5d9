//! Results go to stdout, everything else to stderr; numbers are formatted for people.
//!
//! All output of the program passes through here, and only printable text leaves: `shown` has
//! already escaped names, and this file escapes whatever was missed. Line feeds are ours: a note is
//! one line, and so are an error and a cell of a table.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use df11::shown::{line, lines, shown};

use crate::exit::Failure;

/// How much the program prints besides its result.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Talk {
    /// Print only errors and what was asked for (the tables of inspect, bench and backends)
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: each unit as the work reaches it, and in inspect a histogram of each unit
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// Where text goes.
#[derive(Debug)]
pub struct Terminal {
    talk: Talk,
}

impl Terminal {
    pub fn new(talk: Talk) -> Terminal {
        Terminal { talk }
    }

    pub fn quiet(&self) -> bool {
        self.talk.quiet
    }

    pub fn verbose(&self) -> bool {
        self.talk.verbose
    }

    /// Writes a result, a whole number of lines, to stdout. A reader that has left (`df11 inspect
    /// ... | head`) is not a failure.
    pub fn result(&self, text: &str) -> Result<(), Failure> {
        to_stdout(text).map_err(|error| Failure::Stdout { error, complete: None })
    }

    /// Prints on stdout how a job ended, unless the user chose quiet. A failure here is not one of
    /// the job: OUTPUT is complete.
    pub fn summary_of_output(&self, output: &Path, summary: &str) -> Result<(), Failure> {
        self.summary(output, summary).map_err(|failure| of_output(failure, output))
    }

    /// Prints on stdout what was found in INPUT, unless the user chose quiet.
    pub fn summary(&self, path: &Path, summary: &str) -> Result<(), Failure> {
        if self.talk.quiet { Ok(()) } else { self.result(&format!("{}: {}\n", shown(path), line(summary))) }
    }

    /// Writes the report of a job as JSON to stdout. A failure here is not one of the job: OUTPUT
    /// is complete.
    pub fn json_of_output(&self, output: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
        self.json(value).map_err(|failure| of_output(failure, output))
    }

    /// Writes a value as JSON to stdout.
    pub fn json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::Stdout { error: error.into(), complete: None })?;
        self.result(&format!("{text}\n"))
    }

    /// Prints a note on stderr, unless the user chose quiet.
    pub fn note(&self, note: impl Display) {
        if !self.talk.quiet {
            to_stderr(format_args!("note: {note}"));
        }
    }

    /// Prints on stderr what is wrong with the command line, in whole lines.
    pub fn usage(&self, text: &str) {
        let _ = io::stderr().lock().write_all(lines(text).to_string().as_bytes());
    }

    /// Prints an error on stderr.
    pub fn error(&self, error: impl Display) {
        to_stderr(format_args!("error: {error}"));
    }
}

/// Adds to a failure of stdout that OUTPUT is complete.
fn of_output(failure: Failure, output: &Path) -> Failure {
    match failure {
        Failure::Stdout { error, .. } => Failure::Stdout { error, complete: Some(PathBuf::from(output)) },
        failure => failure,
    }
}

/// Writes a line to stderr. If stderr is gone, there is nowhere left to report it.
pub fn to_stderr(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", line(&text.to_string()));
}

/// Whole lines to stdout.
fn to_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(lines(text).to_string().as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with three significant digits or more, in decimal units, as disks and hubs count them.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // 999.995 would print as 1000.00.
    while value >= 999.995 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.2} {}", UNITS[unit])
}

/// `3 units`, `1 unit`.
pub fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (22_713_216, "22,713,216")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn sizes_take_the_unit_that_fits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (3_944_032, "3.94 MB"),
            (999_994_999, "999.99 MB"),
            (999_999_999, "1.00 GB"),
            (16_060_556_376, "16.06 GB"),
            (u64::MAX, "18446744.07 TB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn things_are_counted_in_english() {
        assert_eq!((count(1, "unit").as_str(), count(1200, "unit").as_str()), ("1 unit", "1,200 units"));
    }
}
