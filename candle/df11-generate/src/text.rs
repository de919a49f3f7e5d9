//! Text to tokens, and tokens to text as they come.

use std::path::Path;

use df11_candle::read_file;
use tokenizers::Tokenizer;

use crate::chat;
use crate::error::Error;

/// Most bytes of tokenizer.json. The largest of released models have about 35 MB.
const MOST_BYTES: u64 = 256 << 20;

/// The tokenizer of a model, from tokenizer.json.
pub struct Text(Tokenizer);

impl Text {
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("tokenizer.json");
        let read = read_file(&path, MOST_BYTES).map_err(|error| error.to_string());
        let tokenizer = read.and_then(|bytes| Tokenizer::from_bytes(bytes).map_err(|error| error.to_string()));
        tokenizer.map(Self).map_err(|reason| Error::Tokenizer { path, reason })
    }

    /// The tokens of a text to continue, after the token that begins a text, if the model has one.
    pub fn tokens(&self, folder: &Path, text: &str) -> Result<Vec<u32>, Error> {
        self.encode(folder, text, true)
    }

    /// The tokens of a conversation in which the user says this.
    pub fn chat(&self, folder: &Path, said: &str) -> Result<Vec<u32>, Error> {
        // The template has the tokens that begin a text.
        self.encode(folder, &chat::render(folder, said)?, false)
    }

    fn encode(&self, folder: &Path, text: &str, special: bool) -> Result<Vec<u32>, Error> {
        let failed = |error: tokenizers::Error| {
            let reason = error.to_string();
            Error::Tokenizer { path: folder.join("tokenizer.json"), reason }
        };
        Ok(self.0.encode(text, special).map_err(failed)?.get_ids().to_vec())
    }

    /// Gives each token to the result, which returns the characters that it completes.
    pub fn pieces(&self) -> impl FnMut(u32) -> String + '_ {
        let mut stream = self.0.decode_stream(true);
        // A token that cannot be decoded is shown as nothing, as a special one is.
        move |token| stream.step(token).ok().flatten().unwrap_or_default()
    }
}
