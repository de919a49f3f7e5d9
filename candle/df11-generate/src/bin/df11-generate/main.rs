//! The program `df11-generate`.

mod args;
mod chat;
mod generate;
mod report;
mod sampler;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Parser;
use df11_candle::Decoder;
use df11_generate::program::{begin, end, print};
use df11_generate::{Error, Text};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use args::Args;
use report::Report;
use sampler::Sampler;

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    end(run(&Args::parse()))
}

fn run(args: &Args) -> Result<ExitCode, Error> {
    begin(&args.model, args.threads)?;
    let text = match (Text::open(&args.model, "--prompt-ids"), &args.prompt) {
        (Ok(text), _) => Some(text),
        // Tokens in, tokens out.
        (Err(_), None) => None,
        (Err(error), Some(_)) => return Err(error),
    };
    let prompt = match (&text, &args.prompt) {
        // The template has the tokens that begin a text.
        (Some(text), Some(said)) if args.chat => text.encode(&chat::render(&args.model, said)?, false)?.0,
        (Some(text), Some(prompt)) => text.encode(prompt, true)?.0,
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
