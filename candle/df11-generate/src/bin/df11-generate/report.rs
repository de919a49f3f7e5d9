//! What is said beside the text: speed and memory.

use std::time::Duration;

use df11_candle::{Decoder, Form};
use df11_generate::memory;
use serde_json::json;

use crate::generate::{End, Generated};

/// A run, for people and for programs.
pub struct Report<'a> {
    pub decoder: &'a Decoder,
    pub form: Form,
    pub prompt_tokens: usize,
    pub load_time: Duration,
    pub generated: &'a Generated,
}

impl Report<'_> {
    /// Tokens a second. The first token comes out of the prompt, so it is not counted.
    fn speeds(&self) -> [f64; 2] {
        let speed = |tokens: usize, time: Duration| tokens as f64 / time.as_secs_f64().max(1e-9);
        let made = self.generated.tokens.len().saturating_sub(1);
        [speed(self.prompt_tokens, self.generated.prompt_time), speed(made, self.generated.time)]
    }

    /// Lines for stderr.
    pub fn lines(&self) -> String {
        let [prompt, generation] = self.speeds();
        let end = match self.generated.end {
            End::Context => {
                format!("the context is full: it ends after {} tokens\n", self.decoder.config().context)
            }
            End::Stopped => "stopped\n".to_owned(),
            End::Number | End::Text => String::new(),
        };
        format!(
            "{end}{} tokens of prompt, {prompt:.1} a second; {} generated, {generation:.1} a second\n\
             {}; loaded in {:.2} s",
            self.prompt_tokens,
            self.generated.tokens.len(),
            memory::words(self.form, self.decoder.resident_bytes()),
            self.load_time.as_secs_f64(),
        )
    }

    /// One object for stdout.
    pub fn json(&self, text: Option<&str>) -> String {
        let [prompt, generation] = self.speeds();
        let end = match self.generated.end {
            End::Number => "number",
            End::Text => "text",
            End::Context => "context",
            End::Stopped => "stopped",
        };
        json!({
            "form": self.form.name(),
            "text": text,
            "token_ids": self.generated.tokens,
            "end": end,
            "logits_hash": format!("{:016x}", self.generated.logits_hash),
            "weight_bytes_resident": self.decoder.resident_bytes(),
            "peak_memory_bytes": memory::peak(),
            "load_s": self.load_time.as_secs_f64(),
            "prompt_tokens": self.prompt_tokens,
            "prompt_tokens_per_s": prompt,
            "tokens_per_s": generation,
        })
        .to_string()
    }
}
