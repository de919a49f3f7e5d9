//! The program `df11-generate`.

mod args;
mod chat;
mod error;
mod generate;
mod report;
mod sampler;
mod text;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Parser;
use df11_candle::Decoder;
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use args::Args;
use error::Error;
use report::Report;
use sampler::Sampler;
use text::Text;

/// As `df11` says: wrong usage, or the job could not run.
const COULD_NOT_RUN: u8 = 2;
/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, Error> {
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    if !args.model.is_dir() {
        return Err(Error::NoFolder(args.model.clone()));
    }
    let text = match (Text::open(&args.model), &args.prompt) {
        (Ok(text), _) => Some(text),
        // Tokens in, tokens out.
        (Err(_), None) => None,
        (Err(error), Some(_)) => return Err(error),
    };
    let prompt = match (&text, &args.prompt) {
        (Some(text), Some(said)) if args.chat => text.chat(&args.model, said)?,
        (Some(text), Some(prompt)) => text.tokens(&args.model, prompt)?,
        _ => args.prompt_ids.clone(),
    };
    if prompt.is_empty() {
        return Err(Error::EmptyPrompt);
    }
    let begun = Instant::now();
    let decoder = Decoder::open(&args.model, args.form)?;
    let load_time = begun.elapsed();
    let mut piece: Box<dyn FnMut(u32) -> String> = match &text {
        Some(text) => Box::new(text.pieces()),
        None => Box::new(|token| format!("{token} ")),
    };
    let mut whole = String::new();
    // Until here Ctrl-C ends the program at once. Now the first one ends the text, the second one
    // the program.
    let (stop, failed) = (Arc::new(AtomicBool::new(false)), Error::system("Ctrl-C"));
    flag::register_conditional_default(SIGINT, stop.clone()).map_err(&failed)?;
    flag::register(SIGINT, stop.clone()).map_err(&failed)?;
    let mut sampler = Sampler::new(args.sampling.clone());
    let generated = generate::generate(&decoder, &prompt, args.number, &mut sampler, &stop, |token| {
        let piece = piece(token);
        match args.json {
            true => whole.push_str(&piece),
            false => return print(&piece),
        }
        Ok(true)
    })?;
    let report =
        Report { decoder: &decoder, form: args.form, prompt_tokens: prompt.len(), load_time, generated: &generated };
    match args.json {
        true => print(&(report.json(text.is_some().then_some(&whole)) + "\n"))?,
        false => print("\n")?,
    };
    eprintln!("{}", report.lines());
    if stop.load(Ordering::Relaxed) {
        // So a shell's loop ends too.
        signal_hook::low_level::emulate_default_handler(SIGINT).map_err(&failed)?;
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to stdout at once. `false` if nobody reads it any more.
fn print(text: &str) -> Result<bool, Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::System { what: "stdout", error }),
    }
}
