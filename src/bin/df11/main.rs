//! The program `df11`: converts BF16 safetensors to DFloat11 and back, and reports on both.
//!
//! # Map
//!
//! - one file per verb: its arguments, the library job that it calls, and the text that it prints;
//! - [`advice`]: the flag that helps when the library says what is wrong;
//! - [`companion`]: programs that `df11 NAME` starts;
//! - [`options`]: arguments that several verbs share, such as threads and backend;
//! - [`json`]: the reports of jobs as JSON;
//! - [`table`]: rows as aligned columns;
//! - [`terminal`]: results to stdout, everything else to stderr, numbers for people;
//! - [`progress`]: the progress of a job, as a bar or as lines;
//! - [`limits`]: the limits that the system sets for a process, and what happens beyond them;
//! - [`signals`]: how the user ends a job;
//! - [`exit`]: how a verb ends, and the exit code for it.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "`terminal` is the one way out")]
#![deny(clippy::disallowed_methods)]

mod advice;
mod backends;
mod bench;
mod companion;
mod completions;
mod compress;
mod decompress;
mod estimate;
mod exit;
mod inspect;
mod json;
mod limits;
mod options;
mod plan;
mod progress;
mod signals;
mod synth;
mod table;
mod terminal;
mod verify;

use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::error::{ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use df11::shown::{line, shown};

use exit::{Failure, Outcome, Verdict};
use terminal::{Talk, Terminal};

/// Lossless compression of BF16 model weights (DFloat11): about 70 % of the size, every bit comes
/// back.
///
/// Reads and writes the checkpoints that the published `dfloat11` loader reads. INPUT is a
/// .safetensors file or a model directory; it is never modified. Results go to stdout, everything
/// else to stderr.
#[derive(Debug, Parser)]
#[command(name = "df11", version, arg_required_else_help = true, after_help = exit::CODES, after_long_help = exit::CODES)]
struct Cli {
    #[command(flatten)]
    talk: Talk,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Compress(compress::Compress),
    Decompress(decompress::Decompress),
    Verify(verify::Verify),
    Inspect(inspect::Inspect),
    Estimate(estimate::Estimate),
    Plan(plan::Plan),
    Synth(synth::Synth),
    Bench(bench::Bench),
    Backends(backends::Backends),
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let terminal = Terminal::new(cli.talk);
            limits::prepare();
            code(run(cli.verb, &terminal), &terminal)
        }
        Err(error) if error.kind() == ErrorKind::InvalidSubcommand => companion::run().unwrap_or_else(|| usage(error)),
        Err(error) => usage(error),
    }
}

/// Prints help, or what is wrong with the command line. A shell's `*` may have put file names into
/// that text, so it is escaped as file names are.
fn usage(mut error: clap::Error) -> ExitCode {
    let terminal = Terminal::new(Talk { quiet: false, verbose: false });
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return code(terminal.result(&error.to_string()).map(|()| Verdict::Fine), &terminal);
    }
    let words: Vec<_> = error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in words {
        let safe = |word: String| shown(&word).to_string();
        let tip = |text: StyledStr| StyledStr::from(line(&text.to_string()).to_string());
        error.insert(
            kind,
            match value {
                ContextValue::String(word) => ContextValue::String(safe(word)),
                ContextValue::Strings(words) => ContextValue::Strings(words.into_iter().map(safe).collect()),
                ContextValue::StyledStrs(tips) => ContextValue::StyledStrs(tips.into_iter().map(tip).collect()),
                other => other,
            },
        );
    }
    terminal.usage(&error.to_string());
    ExitCode::from(exit::COULD_NOT_RUN)
}

fn run(verb: Verb, terminal: &Terminal) -> Outcome {
    match verb {
        Verb::Compress(verb) => verb.run(terminal),
        Verb::Decompress(verb) => verb.run(terminal),
        Verb::Verify(verb) => verb.run(terminal),
        Verb::Inspect(verb) => verb.run(terminal),
        Verb::Estimate(verb) => verb.run(terminal),
        Verb::Plan(verb) => verb.run(terminal),
        Verb::Synth(verb) => verb.run(terminal),
        Verb::Bench(verb) => verb.run(terminal),
        Verb::Backends(verb) => verb.run(terminal),
        Verb::Completions(verb) => verb.run(Cli::command(), terminal),
    }
}

/// Prints what went wrong and returns the exit code.
fn code(outcome: Outcome, terminal: &Terminal) -> ExitCode {
    match outcome {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::CheckFailed) => ExitCode::from(exit::CHECK_FAILED),
        Err(failure) => {
            terminal.error(&failure);
            match failure {
                Failure::Job(error) if error.is_stopped() => ExitCode::from(signals::end(exit::COULD_NOT_RUN)),
                Failure::WrongWeights { .. } | Failure::WrongProduct { .. } => ExitCode::from(exit::CHECK_FAILED),
                _ => ExitCode::from(exit::COULD_NOT_RUN),
            }
        }
    }
}
