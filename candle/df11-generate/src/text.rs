//! Text to tokens, and tokens to text as they come.

use std::path::{Path, PathBuf};

use df11_candle::read_file;
use tokenizers::{Tokenizer, TruncationParams};

use crate::Error;

/// Most bytes of tokenizer.json. The largest of released models have about 35 MB.
const MOST_BYTES: u64 = 256 << 20;

/// The tokenizer of a model, from tokenizer.json.
pub struct Text {
    path: PathBuf,
    tokenizer: Tokenizer,
    /// The flag that takes tokens, for messages.
    flag: &'static str,
}

impl Text {
    /// Opens the tokenizer of the model in `folder`. `flag` takes tokens in place of a text.
    ///
    /// # Errors
    /// `Tokenizer`.
    pub fn open(folder: &Path, flag: &'static str) -> Result<Self, Error> {
        let path = folder.join("tokenizer.json");
        let read = read_file(&path, MOST_BYTES).map_err(|error| error.to_string());
        let tokenizer = read.and_then(|bytes| Tokenizer::from_bytes(bytes).map_err(|error| error.to_string()));
        match tokenizer {
            Ok(tokenizer) => Ok(Self { path, tokenizer, flag }),
            Err(reason) => Err(Error::Tokenizer { path, reason, flag }),
        }
    }

    /// Cuts every text after `most` tokens, those that begin and end it included, and fills none.
    ///
    /// # Errors
    /// `Tokenizer` if not even those fit.
    pub fn cut_after(&mut self, most: usize) -> Result<(), Error> {
        let cut = TruncationParams { max_length: most, ..TruncationParams::default() };
        let done = self.tokenizer.with_truncation(Some(cut)).map(|tokenizer| tokenizer.with_padding(None)).map(drop);
        done.map_err(|error| self.failed(&error))
    }

    /// The tokens of a text, with those that begin and end one if `special` says so, and how many
    /// were cut off.
    ///
    /// # Errors
    /// `Tokenizer`.
    pub fn encode(&self, text: &str, special: bool) -> Result<(Vec<u32>, usize), Error> {
        let encoded = self.tokenizer.encode(text, special).map_err(|error| self.failed(&error))?;
        let cut = encoded.get_overflowing().iter().map(tokenizers::Encoding::len).sum();
        Ok((encoded.get_ids().to_vec(), cut))
    }

    /// Gives each token to the result, which returns the characters that it completes.
    pub fn pieces(&self) -> impl FnMut(u32) -> String + '_ {
        let mut stream = self.tokenizer.decode_stream(true);
        // A token that cannot be decoded is shown as nothing, as a special one is.
        move |token| stream.step(token).ok().flatten().unwrap_or_default()
    }

    fn failed(&self, error: &tokenizers::Error) -> Error {
        Error::Tokenizer { path: self.path.clone(), reason: error.to_string(), flag: self.flag }
    }
}
