use std::path::PathBuf;

use clap::Parser;
use df11_candle::Form;

/// Generates text with a DFloat11 or BF16 model, whose weights stay in the chosen form.
///
/// The text goes to stdout as it is made; speed and memory go to stderr. Every form gives the same
/// text, for any number of threads.
#[derive(Debug, Parser)]
#[command(name = "df11-generate", version)]
pub struct Args {
    /// Folder of the model: config.json, its weights and tokenizer.json
    pub model: PathBuf,
    /// Text to continue
    #[arg(short, long, value_name = "TEXT", required_unless_present = "prompt_ids")]
    pub prompt: Option<String>,
    /// Tokens to continue, in place of a text
    #[arg(long, value_name = "1,2,3", value_delimiter = ',', conflicts_with_all = ["prompt", "chat"])]
    pub prompt_ids: Vec<u32>,
    /// The most tokens to generate
    #[arg(short, long, value_name = "N", default_value_t = 128)]
    pub number: usize,
    /// Put the text into the model's chat template, as what a user says
    #[arg(long)]
    pub chat: bool,
    /// How the weights are kept: df11 (least memory, slowest), flat or bf16 (most memory)
    #[arg(long, value_name = "FORM", default_value_t = Form::Df11)]
    pub form: Form,
    /// Threads; by default as many as the machine runs at once
    #[arg(short, long, value_name = "N")]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub sampling: Sampling,
    /// Print one JSON object instead of the text
    #[arg(long)]
    pub json: bool,
}

/// How the next token is chosen.
#[derive(Clone, Debug, clap::Args)]
pub struct Sampling {
    /// Divides the logits; 0 always takes the first token
    #[arg(long = "temp", value_name = "T", default_value_t = 0.0)]
    pub temperature: f32,
    /// Choose among this many tokens; 0 is no limit
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub top_k: usize,
    /// Choose among the first tokens that have this probability together
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub top_p: f32,
    /// Leave out tokens less probable than this part of the first one's probability
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub min_p: f32,
    /// The same seed gives the same text
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}
