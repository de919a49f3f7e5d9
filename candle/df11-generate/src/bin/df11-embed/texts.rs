//! The sentences, and their tokens.

use std::path::Path;
use std::{fs, io};

use df11_generate::{Error, Text};

use crate::args::Args;

/// The tokens of every sentence, and how many sentences were cut because they have more than
/// `most`.
pub fn read(args: &Args, most: usize) -> Result<(Vec<Vec<u32>>, usize), Error> {
    let sentences = match (&args.file, args.sentences.as_slice()) {
        (Some(path), _) => lines(fs::read_to_string(path), path)?,
        (None, []) => lines(io::read_to_string(io::stdin()), Path::new("stdin"))?,
        (None, sentences) => sentences.to_vec(),
    };
    if args.ids {
        let tokens = |line: &str| line.split(',').map(|token| token.trim().parse().ok()).collect::<Option<_>>();
        let texts = sentences.into_iter().map(|line| tokens(&line).ok_or(Error::NoTokens(line)));
        return Ok((texts.collect::<Result<_, _>>()?, 0));
    }
    let mut text = Text::open(&args.model, "--ids")?;
    text.cut_after(most)?;
    let encoded = sentences.iter().map(|sentence| text.encode(sentence, true)).collect::<Result<Vec<_>, _>>()?;
    let cut = encoded.iter().filter(|(_, cut)| *cut > 0).count();
    Ok((encoded.into_iter().map(|(tokens, _)| tokens).collect(), cut))
}

fn lines(read: io::Result<String>, path: &Path) -> Result<Vec<String>, Error> {
    let text = read.map_err(|error| Error::Texts { path: path.to_path_buf(), error })?;
    Ok(text.lines().map(str::to_owned).collect())
}
