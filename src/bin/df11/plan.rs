//! `df11 plan`: which device holds which blocks of a model, and for how many tokens.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::value_parser;
use df11::jobs::{PlacedForm, PlacementOptions, PlacementReport, place_model};
use df11::shown::shown;

use crate::exit::{Outcome, Verdict};
use crate::table::{Side, columns};
use crate::terminal::{Terminal, count, grouped, size};

/// Most devices of one command; more is a typing error.
const MOST_DEVICES: usize = 4096;

/// Place a model on devices: whether it fits in each form, where its blocks go, how many tokens
///
/// Reads headers and config.json alone. INPUT may also be a JSON file of names, dtypes and shapes,
/// as for `estimate`. The forms are bf16; flat, 12 bits a weight, to multiply from; df11, as it is
/// on disk, with a buffer for the largest matrix of each device, which is decoded before it is
/// used. Activations and the memory that a runtime takes for itself are not counted.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// A .safetensors file or a model directory, BF16 or DFloat11, or a .json file of shapes
    input: PathBuf,
    /// Memory of each device, in the order of the model's blocks: 24GB, or 8x80GB, or several with
    /// commas between. GB counts in powers of 1000, GiB in powers of 1024
    #[arg(short, long, value_name = "[Nx]SIZE,...", value_delimiter = ',', value_parser = devices, required = true)]
    devices: Vec<Devices>,
    /// Tokens of each sequence, the prompt included
    #[arg(short, long, value_name = "TOKENS", default_value_t = 4096)]
    context: u64,
    /// Sequences at the same time
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u64).range(1..))]
    batch: u64,
    /// Print {context, batch, devices, cache_bytes, forms: [{form, weight_bytes, fits, most_tokens,
    /// devices: [{bytes, items, weight_bytes, cache_bytes, buffer_bytes, left_bytes}]}]} instead
    #[arg(long)]
    json: bool,
}

/// Some devices with the same memory.
#[derive(Clone, Copy, Debug)]
struct Devices {
    count: usize,
    bytes: u64,
}

fn devices(text: &str) -> Result<Devices, String> {
    let (count, bytes) = match text.split_once(['x', 'X', '*']) {
        Some((count, bytes)) => (count.trim().parse().map_err(|_| "a number of devices stands before the x")?, bytes),
        None => (1, text),
    };
    if !(1..=MOST_DEVICES).contains(&count) {
        return Err(format!("1 to {MOST_DEVICES} devices"));
    }
    let bytes: ByteSize = bytes.trim().parse().map_err(|error| format!("{error}; a size is 80GB or 80GiB"))?;
    Ok(Devices { count, bytes: bytes.as_u64() })
}

impl Plan {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        let devices = self.devices.iter().flat_map(|same| std::iter::repeat_n(same.bytes, same.count));
        let mut options = PlacementOptions::on(devices.collect());
        (options.context, options.batch) = (self.context, self.batch);
        let report = place_model(&self.input, &options)?;
        if self.json {
            terminal.json(&report)?;
        } else {
            terminal.result(&format!("{}: {}", shown(&self.input), words(&report)))?;
        }
        Ok(Verdict::Fine)
    }
}

fn words(report: &PlacementReport) -> String {
    let memory = report.devices.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
    let cache = match report.cache_bytes {
        Some(bytes) => format!("KV cache {}", size(bytes)),
        None => "no KV cache that config.json tells of".to_owned(),
    };
    let sequences = count(report.batch as usize, "sequence");
    let devices = count(report.devices.len(), "device");
    let context = grouped(report.context);
    let mut text = format!("{devices}, {} in all; {sequences} of {context} tokens, {cache}\n\n", size(memory));
    text.push_str(&forms(report));
    for form in report.forms.iter().filter(|form| !form.devices.is_empty()) {
        let state = if form.fits { "" } else { ", for the most tokens that fit" };
        text.push_str(&format!("\n{}{state}\n{}", form.form, device_table(form)));
    }
    text
}

fn forms(report: &PlacementReport) -> String {
    let heading = ["form", "weights", "fits", "most tokens of a sequence"].map(str::to_owned);
    let rows = report.forms.iter().map(|form| {
        let most = match form.most_tokens {
            Some(most) => grouped(most),
            None if form.fits => "not bounded by memory".to_owned(),
            None => "not even the weights fit".to_owned(),
        };
        [form.form.to_owned(), size(form.weight_bytes), if form.fits { "yes" } else { "no" }.to_owned(), most]
    });
    columns(std::iter::once(heading).chain(rows).collect(), &[Side::Left, Side::Right, Side::Left, Side::Right])
}

fn device_table(form: &PlacedForm) -> String {
    let heading = ["device", "memory", "weights", "KV cache", "buffer", "left", "holds"].map(str::to_owned);
    let rows = form.devices.iter().enumerate().map(|(index, device)| {
        let bytes = [device.bytes, device.weight_bytes, device.cache_bytes, device.buffer_bytes, device.left_bytes];
        let [memory, weights, cache, buffer, left] = bytes.map(size);
        let holds = match device.items.as_slice() {
            [] => "nothing".to_owned(),
            [only] => shown(only).to_string(),
            [first, .., last] => format!("{} to {}, {} in all", shown(first), shown(last), device.items.len()),
        };
        [index.to_string(), memory, weights, cache, buffer, left, holds]
    });
    let sides = [Side::Right, Side::Right, Side::Right, Side::Right, Side::Right, Side::Right, Side::Left];
    columns(std::iter::once(heading).chain(rows).collect(), &sides)
}
