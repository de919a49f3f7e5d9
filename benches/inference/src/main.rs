//! Generates with several texts at once and prints one JSON object: speed, memory, bytes read.
//!
//! ```text
//! df11, flat, bf16   df11-candle, its weights in this form
//! candle             candle-transformers, in BF16
//! ```

mod contestants;
mod process;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use df11_candle::Form;
use serde_json::json;

use contestants::{Candle, Contestant, Ours};

#[derive(Parser)]
struct Args {
    /// A Llama: a folder of BF16 or DFloat11
    model: PathBuf,
    /// df11, flat, bf16 or candle
    #[arg(long)]
    form: String,
    /// Texts at the same time
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Tokens of each text
    #[arg(long, default_value_t = 24)]
    tokens: usize,
    /// Print the number of tokens of each text after each step: for a process that will be killed
    #[arg(long)]
    steps: bool,
}

/// Steps that are not counted: the first ones fill caches.
const WARM_UP: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let begun = Instant::now();
    let mut contestant: Box<dyn Contestant> = match args.form.as_str() {
        "candle" => Box::new(Candle::open(&args.model)?),
        form => Box::new(Ours::open(&args.model, form.parse::<Form>()?, args.batch)?),
    };
    let load_s = begun.elapsed().as_secs_f64();
    let mut times = Vec::new();
    // Texts differ, as those of users do.
    let mut next: Vec<u32> = (0..args.batch).map(|text| 100 + text as u32).collect();
    let mut first_token_s = 0.0;
    for step in 0..args.tokens {
        let step_begun = Instant::now();
        next = contestant.step(&next)?;
        times.push(step_begun.elapsed().as_secs_f64());
        if step == 0 {
            first_token_s = begun.elapsed().as_secs_f64();
        }
        if args.steps {
            println!("{}", step + 1);
            std::io::stdout().flush()?;
        }
    }
    let counted = &mut times[WARM_UP.min(args.tokens.saturating_sub(1))..];
    counted.sort_by(f64::total_cmp);
    let median = counted[counted.len() / 2];
    let report = json!({
        "form": args.form, "batch": args.batch, "tokens": args.tokens,
        "load_s": load_s, "first_token_s": first_token_s,
        "step_ms": 1e3 * median, "tokens_per_s": args.batch as f64 / median,
        "weight_bytes": contestant.weight_bytes(),
        "peak_memory_bytes": df11_generate::memory::peak(), "bytes_from_disk": process::bytes_from_disk(),
        "last_tokens": next,
    });
    println!("{report}");
    Ok(())
}
