//! The table for people, and the record for programs.

use std::fmt;
use std::fs::File;
use std::io::Write as _;

use crate::Failure;
use crate::contestants::{Contestant, Row};

pub struct Report {
    device: String,
    rows: Vec<Row>,
    /// Where rows go as they come, one object of JSON per line, so that a run cut short keeps them.
    record: Option<File>,
}

impl Report {
    pub fn new(device: String, record: Option<File>) -> Self {
        Self { device, rows: Vec::new(), record }
    }

    /// # Errors
    /// The record cannot be written.
    pub fn add(&mut self, row: Row) -> Result<(), Failure> {
        if let Some(record) = &mut self.record {
            let Row { kind, weights, tensors, contestant, seconds, bytes } = &row;
            let (microseconds, speed) = (seconds * 1e6, 2.0 * *weights as f64 / seconds / 1e9);
            writeln!(
                record,
                r#"{{"device": "{}", "data": "{kind:?}", "weights": {weights}, "tensors": {tensors}, "kernel": "{contestant}", "us_per_tensor": {microseconds:.2}, "gb_per_s_out": {speed:.1}, "bytes_moved": {bytes}}}"#,
                self.device
            )?;
        }
        self.rows.push(row);
        Ok(())
    }

    /// Bytes per second, read and written, that the fastest copy of the run moved.
    fn bandwidth(&self) -> f64 {
        let copies = self.rows.iter().filter(|row| row.contestant == Contestant::Copy);
        copies.map(|row| row.bytes as f64 / row.seconds).fold(0.0, f64::max)
    }

    /// How many times as fast as the published kernel on the same tensors.
    fn over_published(&self, row: &Row) -> Option<f64> {
        let same = |other: &&Row| {
            other.contestant == Contestant::Published && (other.kind, other.weights) == (row.kind, row.weights)
        };
        self.rows.iter().find(same).map(|published| published.seconds / row.seconds)
    }

    fn figures(&self, row: &Row) -> Figures {
        Figures {
            microseconds: row.seconds * 1e6,
            speed: 2.0 * row.weights as f64 / row.seconds / 1e9,
            roofline: row.bytes as f64 / row.seconds / self.bandwidth(),
            over_published: self.over_published(row),
        }
    }

    /// # Errors
    /// The sizes at which the published kernel is faster than the better of our two ways.
    pub fn never_slower_than_published(&self) -> Result<(), Failure> {
        let of = |contestant, kind, weights| {
            let same = |row: &&Row| row.contestant == contestant && (row.kind, row.weights) == (kind, weights);
            self.rows.iter().find(same).map(|row| row.seconds)
        };
        let published = self.rows.iter().filter(|row| row.contestant == Contestant::Published);
        let slower: Vec<String> = published
            .filter(|row| of(Contestant::Ours, row.kind, row.weights).is_some_and(|ours| ours > row.seconds))
            .map(|row| format!("{} ({:?})", row.weights, row.kind))
            .collect();
        if slower.is_empty() {
            Ok(())
        } else {
            Err(format!("slower than the published kernel at {} weights", slower.join(", ")).into())
        }
    }
}

struct Figures {
    microseconds: f64,
    /// GB/s of BF16 out.
    speed: f64,
    roofline: f64,
    over_published: Option<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; copy {:.0} GB/s read and written\n", self.device, self.bandwidth() / 1e9)?;
        writeln!(
            f,
            "| data | weights | tensors | kernel | us a tensor | GB/s of BF16 out | of roofline | x published |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let figures = self.figures(row);
            let over = figures.over_published.map(|over| format!("{over:.2}")).unwrap_or_default();
            writeln!(
                f,
                "| {:?} | {} Mi | {} | {} | {:.1} | {:.0} | {:.2} | {over} |",
                row.kind,
                row.weights >> 20,
                row.tensors,
                row.contestant,
                figures.microseconds,
                figures.speed,
                figures.roofline
            )?;
        }
        Ok(())
    }
}
