//! `df11 inspect`: shows what a model's weights consist of, unit by unit.

use std::fmt::Write;
use std::path::PathBuf;

use df11::jobs::{self, InspectOptions, InspectReport, UnitReport};
use df11::shown::shown;

use crate::advice;
use crate::exit::{Outcome, Verdict};
use crate::options::Machine;
use crate::progress::Progress;
use crate::table::{Side, columns};
use crate::terminal::{Terminal, count, grouped, size};

/// Length of the longest bar of a histogram, in characters.
const BAR: usize = 40;
/// A BF16 exponent of 127 means 2^0.
const BIAS: i32 = 127;

/// Show what a BF16 or DFloat11 model consists of: sizes, entropies, code lengths, a histogram of
/// exponents
///
/// Bits per weight count the whole coded unit, with its tables and its index. Entropies are in
/// bits: at most 1 for the sign, 8 for the exponent, 7 for the mantissa. The flat form is one to
/// compute with: 12 bits a weight, and 5 bytes more for each weight that escapes.
#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// A .safetensors file or directory, BF16 or DFloat11
    input: PathBuf,
    /// Print {units: [{name, weights, bits_per_weight, entropy, exponents_in_use, longest_code,
    /// bytes, flat: {least_bytes, escapes, kept_bf16}}], raw: [...], completeness: {state,
    /// missing}, notes} instead. `least_bytes` leaves out what depends on shapes: headers, starts
    /// of rows and padding of rows
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    machine: Machine,
}

impl Inspect {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        let mut options = InspectOptions::default();
        options.backend = self.machine.backend()?;
        let progress = Progress::new(terminal);
        let report = self.machine.pool()?.install(|| jobs::inspect(&self.input, &options, &progress))?;
        drop(progress);
        if self.json {
            terminal.json(&report)?;
        } else {
            for note in &report.notes {
                terminal.note(advice::note(note));
            }
            let complete = completeness(&report);
            terminal.result(&(describe(&report, terminal.verbose()) + &complete))?;
        }
        Ok(Verdict::Fine)
    }
}

fn completeness(report: &InspectReport) -> String {
    let missing: Vec<String> = report.completeness.missing().iter().map(|name| shown(name).to_string()).collect();
    match missing.is_empty() {
        true => format!("\n{}\n", report.completeness.word()),
        false => format!("\n{}: missing {}\n", report.completeness.word(), missing.join(", ")),
    }
}

fn describe(report: &InspectReport, each_unit: bool) -> String {
    let mut text = String::new();
    if !report.units.is_empty() {
        text += &units(&report.units);
        text += &flat(&report.units);
        text.push('\n');
        if each_unit && report.units.len() > 1 {
            for unit in &report.units {
                let _ = writeln!(text, "exponents of {}", shown(&unit.name));
                text += &histogram(&unit.histogram);
                text.push('\n');
            }
        }
        let _ = writeln!(text, "exponents of {}", count(report.units.len(), "unit"));
        text += &histogram(&sum(&report.units));
    }
    if !report.raw.is_empty() {
        let bytes = report.raw.iter().map(|tensor| tensor.bytes).sum();
        let separator = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{separator}{} kept as they are, {}", count(report.raw.len(), "tensor"), size(bytes));
        let rows = report.raw.iter().map(|raw| {
            [
                shown(&raw.name).to_string(),
                shown(&raw.dtype).to_string(),
                format!("{:?}", raw.shape),
                format!("{} bytes", grouped(raw.bytes)),
            ]
        });
        text += &columns(rows.collect(), &[Side::Left, Side::Left, Side::Left, Side::Right]);
    }
    text
}

fn units(units: &[UnitReport]) -> String {
    let heading =
        ["unit", "weights", "bits/weight", "sign", "exponent", "mantissa", "exponents", "longest code", "bytes"];
    let row = |name: &str, weights: u64, bits: f64, middle: [String; 5], bytes: u64| {
        let [sign, exponent, mantissa, in_use, longest] = middle;
        [
            name.to_owned(),
            grouped(weights),
            format!("{bits:.3}"),
            sign,
            exponent,
            mantissa,
            in_use,
            longest,
            grouped(bytes),
        ]
    };
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(units.iter().map(|unit| {
        let entropy =
            [unit.entropy.sign, unit.entropy.exponent, unit.entropy.mantissa].map(|bits| format!("{bits:.3}"));
        let [sign, exponent, mantissa] = entropy;
        let middle = [sign, exponent, mantissa, unit.exponents_in_use.to_string(), unit.longest_code.to_string()];
        row(&shown(&unit.name).to_string(), unit.weights, unit.bits_per_weight, middle, unit.bytes)
    }));
    if units.len() > 1 {
        let weights: u64 = units.iter().map(|unit| unit.weights).sum();
        let bytes: u64 = units.iter().map(|unit| unit.bytes).sum();
        let bits = 8.0 * bytes as f64 / weights.max(1) as f64;
        rows.push(row("all", weights, bits, Default::default(), bytes));
    }
    let mut sides = [Side::Right; 9];
    sides[0] = Side::Left;
    columns(rows, &sides)
}

/// What the flat form of all units would take, as a line.
fn flat(units: &[UnitReport]) -> String {
    let sum = |part: fn(&UnitReport) -> u64| units.iter().map(part).sum::<u64>();
    let (weights, bytes) = (sum(|unit| unit.weights), sum(|unit| unit.flat.least_bytes));
    let (escapes, kept) = (sum(|unit| unit.flat.escapes), sum(|unit| unit.flat.kept_bf16));
    let share = 100.0 * bytes as f64 / (2 * weights).max(1) as f64;
    let part = 100.0 * escapes as f64 / weights.max(1) as f64;
    let bf16 = if kept > 0 { format!("; {} kept in BF16", matrices(kept)) } else { String::new() };
    format!(
        "flat form: at least {} bytes, {share:.2} % of BF16; {} weights escape, {part:.4} %{bf16}\n",
        grouped(bytes),
        grouped(escapes),
    )
}

fn matrices(count: u64) -> String {
    if count == 1 { "1 matrix".to_owned() } else { format!("{} matrices", grouped(count)) }
}

fn sum(units: &[UnitReport]) -> [u64; 256] {
    let mut total = [0; 256];
    for unit in units {
        for (sum, count) in total.iter_mut().zip(unit.histogram.iter()) {
            *sum += count;
        }
    }
    total
}

/// One line for each exponent in use, with its range of magnitudes; `...` where unused exponents
/// lie between.
fn histogram(counts: &[u64; 256]) -> String {
    let total = counts.iter().sum::<u64>().max(1) as f64;
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let mut text = String::new();
    let mut last = None;
    for (exponent, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        if last.is_some_and(|last| last + 1 < exponent) {
            text += "       ...\n";
        }
        last = Some(exponent);
        let share = 100.0 * count as f64 / total;
        let bar = "#".repeat((BAR as f64 * count as f64 / most).round() as usize);
        let line = format!("  {exponent:>3}  {:<11} {:>15} {share:>8.4} %  {bar}", magnitude(exponent), grouped(count));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn magnitude(exponent: usize) -> String {
    match exponent {
        0 => "0, tiny".to_owned(),
        255 => "inf, NaN".to_owned(),
        _ => format!("2^{}", exponent as i32 - BIAS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_shows_gaps_shares_and_magnitudes() {
        let mut counts = [0; 256];
        for (exponent, count) in [(0, 10), (120, 30), (121, 60), (255, 0)] {
            counts[exponent] = count;
        }
        let bars = ["#".repeat(7), "#".repeat(20), "#".repeat(40)];
        let expected = format!(
            "    0  0, tiny                  10  10.0000 %  {}\n       ...\n  120  2^-7                     30  30.0000 %  {}\n  \
             121  2^-6                     60  60.0000 %  {}\n",
            bars[0], bars[1], bars[2]
        );
        assert_eq!(histogram(&counts), expected);
    }
}
