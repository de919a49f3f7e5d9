//! What a file is that is not safetensors, told by its first bytes. People find such files under
//! the names of weight files: a download that brought a page instead, a clone without Git LFS.
//!
//! A file is of another kind only if its first 8 bytes, read as the length of a header, are beyond
//! the limit. So no safetensors file, whole or cut short, is ever taken for another kind.

use super::length::{LENGTH_BYTES, MAX_HEADER_BYTES};

/// The mark that some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Most bytes of a file that are looked at.
pub(crate) const FIRST_BYTES: usize = 64;

/// A kind of file that is not safetensors, with the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Foreign {
    /// The text that stands for a file in a clone without Git LFS.
    #[error(
        "it is a Git LFS pointer, a text in place of the content; run `git lfs pull` in its folder, or download it"
    )]
    GitLfsPointer,
    /// HTML or XML.
    #[error(
        "it is a web page, saved in place of the file; open its address in a browser to see what it asks for (to log \
         in, to accept terms), then download the file again"
    )]
    WebPage,
    /// A zip archive: PyTorch's files are such archives.
    #[error(
        "it is a zip archive, as PyTorch writes: pickled weights can run code and are not read; save them as safetensors \
         first"
    )]
    Zip,
    /// A pickle of Python.
    #[error(
        "it is a Python pickle, as older PyTorch writes: pickled weights can run code and are not read; save them as \
         safetensors first"
    )]
    Pickle,
    /// GGUF.
    #[error("it holds GGUF weights, which are not read; get the BF16 safetensors that they were made from")]
    Gguf,
    /// A file compressed by gzip.
    #[error("it is compressed by gzip; unpack it first")]
    Gzip,
    /// JSON: a config.json, or a list of shards.
    #[error("it is JSON, which describes a model; give the folder that it lies in, or the weight file")]
    Json,
    /// Any other text.
    #[error("it is a text, perhaps an error message that a server sent; read it, and download the file again")]
    Text,
}

impl Foreign {
    /// Tells what begins with these bytes; `None` if it may be safetensors.
    pub(crate) fn of(first: &[u8]) -> Option<Foreign> {
        let (length, rest) = first.split_first_chunk::<{ LENGTH_BYTES as usize }>()?;
        // The date in gzip's fifth to eighth byte may be 0. XFL and not `{` follows it.
        let is_gzip = first.starts_with(&[0x1f, 0x8b, 8]) && matches!(rest, [0 | 2 | 4, ..]);
        if u64::from_le_bytes(*length) <= MAX_HEADER_BYTES && !is_gzip {
            return None;
        }
        let text = first.strip_prefix(BYTE_ORDER_MARK).unwrap_or(first).trim_ascii_start();
        let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        Some(match first {
            [b'P', b'K', 3, 4, ..] => Foreign::Zip,
            // A pickle of protocol 2 to 5.
            [0x80, 2..=5, ..] => Foreign::Pickle,
            [b'G', b'G', b'U', b'F', ..] => Foreign::Gguf,
            _ if is_gzip => Foreign::Gzip,
            _ if text.starts_with(b"version https://git-lfs") => Foreign::GitLfsPointer,
            _ if text.starts_with(b"<") => Foreign::WebPage,
            _ if text.starts_with(b"{") || text.starts_with(b"[") => Foreign::Json,
            _ if !text.is_empty() && text.iter().all(is_text) => Foreign::Text,
            _ => return None,
        })
    }
}
