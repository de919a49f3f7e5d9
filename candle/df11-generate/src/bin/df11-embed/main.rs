//! The program `df11-embed`.

mod args;
mod report;
mod texts;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use df11_candle::{Encoder, Pooling};
use df11_generate::Error;
use df11_generate::program::{begin, end, print};

use args::Args;
use report::Report;

/// Tokens that run together, if each text has fewer. The vectors are the same for any number.
const AT_ONCE: usize = 1024;

fn main() -> ExitCode {
    end(run(&Args::parse()))
}

fn run(args: &Args) -> Result<ExitCode, Error> {
    begin(&args.model, args.threads)?;
    let read = Pooling::read(&args.model)?;
    let begun = Instant::now();
    let encoder = Encoder::open(&args.model, args.form)?;
    let load_time = begun.elapsed();
    let (texts, cut) = texts::read(args, encoder.config().sentence)?;
    let begun = Instant::now();
    let mut vectors = Vec::with_capacity(texts.len());
    let mut rest = texts.as_slice();
    while !rest.is_empty() {
        let mut tokens = 0;
        let fits = |text: &&Vec<u32>| {
            tokens += text.len();
            tokens <= AT_ONCE
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (batch, after) = rest.split_at(count);
        let batch: Vec<&[u32]> = batch.iter().map(Vec::as_slice).collect();
        vectors.extend(encoder.embed(&batch, read.unwrap_or_default())?);
        rest = after;
    }
    let report = Report { encoder: &encoder, args, read, texts: &texts, cut, load_time, time: begun.elapsed() };
    match args.json {
        true => print(&(report.json(&vectors) + "\n"))?,
        false => print(&Report::rows(&vectors))?,
    };
    eprintln!("{}", report.lines());
    Ok(ExitCode::SUCCESS)
}
