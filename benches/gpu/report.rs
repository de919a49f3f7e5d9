//! The table for people, and the record for programs.

use std::fmt;

use crate::Failure;
use crate::contestants::{Contestant, Row};

pub struct Report {
    device: String,
    rows: Vec<Row>,
}

impl Report {
    pub fn new(device: String) -> Self {
        Self { device, rows: Vec::new() }
    }

    pub fn add(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    /// Bytes per second, read and written, that the fastest copy of the run moved.
    fn bandwidth(&self) -> f64 {
        let copies = self.rows.iter().filter(|row| row.contestant == Contestant::Copy);
        copies.map(|row| row.bytes as f64 / row.seconds).fold(0.0, f64::max)
    }

    /// How many times as fast as the published kernel on the same tensors.
    fn over_published(&self, row: &Row) -> Option<f64> {
        let same = |other: &&Row| other.contestant == Contestant::Published && other.weights == row.weights;
        self.rows.iter().find(same).map(|published| published.seconds / row.seconds)
    }

    /// One line per row: numbers with a dot, an empty field if there is no number.
    pub fn tsv(&self) -> String {
        let mut text = format!(
            "# {}\nweights\ttensors\tkernel\tmicroseconds\tgb_per_second\troofline\tover_published\n",
            self.device
        );
        for row in &self.rows {
            let figures = self.figures(row);
            let over = figures.over_published.map(|over| format!("{over:.3}")).unwrap_or_default();
            text += &format!(
                "{}\t{}\t{:?}\t{:.2}\t{:.1}\t{:.4}\t{over}\n",
                row.weights, row.tensors, row.contestant, figures.microseconds, figures.speed, figures.roofline
            );
        }
        text
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
        let of = |contestant, weights| {
            self.rows.iter().find(|row| row.contestant == contestant && row.weights == weights).map(|row| row.seconds)
        };
        let published = self.rows.iter().filter(|row| row.contestant == Contestant::Published);
        let slower: Vec<String> = published
            .filter(|row| of(Contestant::Ours, row.weights).is_some_and(|ours| ours > row.seconds))
            .map(|row| row.weights.to_string())
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
        writeln!(f, "| weights | tensors | kernel | us a tensor | GB/s of BF16 out | of roofline | x published |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let figures = self.figures(row);
            let over = figures.over_published.map(|over| format!("{over:.2}")).unwrap_or_default();
            writeln!(
                f,
                "| {} Mi | {} | {:?} | {:.1} | {:.0} | {:.2} | {over} |",
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
