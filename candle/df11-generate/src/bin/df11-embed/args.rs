use std::path::PathBuf;

use clap::Parser;
use df11_candle::Form;

/// Turns sentences into vectors with a DFloat11 or BF16 model, such as MiniLM, whose weights stay
/// in the chosen form.
///
/// A vector is a line on stdout, its numbers with spaces between; speed and memory go to stderr.
/// Every form gives the same vectors, for any number of threads. They are pooled and normalized as
/// the model's modules.json says; without it, they are the mean, normalized.
#[derive(Debug, Parser)]
#[command(name = "df11-embed", version)]
pub struct Args {
    /// Folder of the model: config.json, its weights and tokenizer.json
    pub model: PathBuf,
    /// Sentences; without any, every line of stdin is one
    pub sentences: Vec<String>,
    /// A file, every line of which is a sentence
    #[arg(short, long, value_name = "FILE", conflicts_with = "sentences")]
    pub file: Option<PathBuf>,
    /// Lines are tokens, 1,2,3, in place of sentences
    #[arg(long)]
    pub ids: bool,
    /// How the weights are kept: df11 (least memory, slowest), flat or bf16 (most memory)
    #[arg(long, value_name = "FORM", default_value_t = Form::Df11)]
    pub form: Form,
    /// Threads; by default as many as the machine runs at once
    #[arg(short, long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub json: bool,
}
