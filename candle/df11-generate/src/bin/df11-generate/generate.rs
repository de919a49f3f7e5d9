//! From a prompt to the tokens that follow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use df11_candle::{Decoder, Run};
use df11_generate::Error;
use xxhash_rust::xxh3::Xxh3;

use crate::sampler::Sampler;

/// Tokens of a prompt that run at once. The logits are the same for any number; more take more
/// memory, and few take more time.
const AT_ONCE: usize = 256;

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As many tokens were generated as were asked for.
    Number,
    /// The model ended its text.
    Text,
    /// The context is full.
    Context,
    /// The user said so, by Ctrl-C or by closing the pipe.
    Stopped,
}

/// What was generated, and how long it took.
pub struct Generated {
    pub tokens: Vec<u32>,
    /// xxh3 over the bits of the logits of every step, little-endian.
    pub logits_hash: u64,
    pub prompt_time: Duration,
    pub time: Duration,
    pub end: End,
}

/// Generates up to `number` tokens. `take` gets each, and says whether to go on.
pub fn generate(
    decoder: &Decoder,
    prompt: &[u32],
    number: usize,
    sampler: &mut Sampler,
    stop: &AtomicBool,
    mut take: impl FnMut(u32) -> Result<bool, Error>,
) -> Result<Generated, Error> {
    let mut cache = decoder.cache()?;
    let mut hash = Xxh3::new();
    let mut step = |new: &[u32]| -> Result<Vec<f32>, Error> {
        let logits = decoder.forward(&mut [Run { tokens: new, cache: &mut cache }])?;
        Ok(logits.flatten_all().and_then(|logits| logits.to_vec1()).map_err(df11_candle::Error::from)?)
    };
    let begun = Instant::now();
    let mut logits = Vec::new();
    let (mut tokens, mut end) = (Vec::new(), End::Number);
    for part in prompt.chunks(AT_ONCE) {
        if stop.load(Ordering::Relaxed) {
            end = End::Stopped;
            break;
        }
        logits = step(part)?;
    }
    let (prompt_time, begun) = (begun.elapsed(), Instant::now());
    while end == End::Number && tokens.len() < number {
        let bits: Vec<u8> = logits.iter().flat_map(|logit| logit.to_bits().to_le_bytes()).collect();
        hash.update(&bits);
        let token = sampler.choose(&logits);
        if decoder.config().end_tokens.contains(&token) {
            end = End::Text;
            break;
        }
        tokens.push(token);
        if !take(token)? || stop.load(Ordering::Relaxed) {
            end = End::Stopped;
        } else if prompt.len() + tokens.len() > decoder.config().context {
            end = End::Context;
        } else if tokens.len() < number {
            logits = step(&[token])?;
        }
    }
    Ok(Generated { tokens, logits_hash: hash.digest(), prompt_time, time: begun.elapsed(), end })
}
