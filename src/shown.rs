//! Escapes text from unknown files before people see it. A name, a path or the contents of a file
//! never move the cursor, hide a word or begin a line.
//!
//! ```text
//! shown(name)   a name or a path    escaped: two different names never look the same;
//!                                   a long name is cut in the middle
//! line(text)    a whole message     escaped again: an escape in it stays as it is, so names
//!                                   in it may have passed `shown` or not
//! lines(text)   a table, JSON       the same, but line feeds stay
//! ```
//!
//! A character that is not printable is written as in a JSON string: `\n`, `\r`, `\t`, `\u001b`,
//! `\u202e`. A byte that is not UTF-8 is written as `\xff`. JSON stays JSON with the same meaning,
//! since such characters occur only inside its strings. `ä` and `日本` stay as they are.

use std::ffi::OsStr;
use std::fmt::{self, Write};

/// Longest name that is shown, in bytes: twice what a file system allows.
const LONGEST_NAME: usize = 512;

/// Escapes a name or a path, for use inside a message.
///
/// A backslash is doubled only where it could look like the beginning of an escape: before `n`,
/// `r`, `t`, `u`, `x`, another backslash, or something that is escaped itself. Elsewhere it stays
/// single, so most Windows paths and most patterns look unchanged.
pub fn shown<N: AsRef<OsStr> + ?Sized>(name: &N) -> Shown<'_> {
    Shown(name.as_ref().as_encoded_bytes())
}

/// See [`shown`].
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(&'a [u8]);

/// Escapes a message of one line. A line feed in it is escaped too.
pub fn line(text: &str) -> Line<'_> {
    Line { text, longest: usize::MAX, line_feeds: false }
}

/// Escapes a text of several lines, such as a table of [`line()`]s or JSON. Every line feed in it
/// must be our own: none may come from an unknown file.
pub fn lines(text: &str) -> Line<'_> {
    Line { text, longest: usize::MAX, line_feeds: true }
}

/// See [`line()`] and [`lines`].
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    text: &'a str,
    longest: usize,
    line_feeds: bool,
}

impl Line<'_> {
    /// Cuts the name in the middle if it is longer than `longest` bytes.
    pub(crate) fn at_most(self, longest: usize) -> Self {
        Line { longest, ..self }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cut(self.0, LONGEST_NAME, f, |bytes, f| {
            let characters = |chunk: std::str::Utf8Chunk<'_>| -> Vec<Result<char, u8>> {
                chunk.valid().chars().map(Ok).chain(chunk.invalid().iter().map(|&byte| Err(byte))).collect()
            };
            let mut characters = bytes.utf8_chunks().flat_map(characters).peekable();
            while let Some(character) = characters.next() {
                match character {
                    Ok('\\') if characters.peek().is_some_and(continues_an_escape) => f.write_str(r"\\")?,
                    Ok(character) => write_character(character, f)?,
                    Err(byte) => write!(f, r"\x{byte:02x}")?,
                }
            }
            Ok(())
        })
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cut(self.text.as_bytes(), self.longest, f, |bytes, f| {
            for character in String::from_utf8_lossy(bytes).chars() {
                match character {
                    '\n' if self.line_feeds => f.write_char('\n')?,
                    character => write_character(character, f)?,
                }
            }
            Ok(())
        })
    }
}

/// Writes all of `bytes`. If they are too many, writes the first and the last ones, and between
/// them how many are left out.
fn cut<'a>(
    bytes: &'a [u8],
    longest: usize,
    f: &mut fmt::Formatter<'_>,
    write: impl Fn(&'a [u8], &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    if bytes.len() <= longest {
        return write(bytes, f);
    }
    /// Moves back to the beginning of a character. A character has at most four bytes.
    fn boundary(bytes: &[u8], at: usize) -> usize {
        (at.saturating_sub(3)..=at).rev().find(|&at| bytes[at] & 0xC0 != 0x80).unwrap_or(at)
    }
    let (head, tail) = (boundary(bytes, longest / 2), boundary(bytes, bytes.len() - longest / 2));
    write(&bytes[..head], f)?;
    write!(f, "[... {} of {} bytes left out ...]", tail - head, bytes.len())?;
    write(&bytes[tail..], f)
}

fn continues_an_escape(next: &Result<char, u8>) -> bool {
    match *next {
        Ok(next) => matches!(next, 'n' | 'r' | 't' | 'u' | 'x' | '\\') || !is_printable(next),
        Err(_) => true,
    }
}

fn write_character(character: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match character {
        '\n' => f.write_str(r"\n"),
        '\r' => f.write_str(r"\r"),
        '\t' => f.write_str(r"\t"),
        _ if is_printable(character) => f.write_char(character),
        // JSON escapes UTF-16 units.
        _ => character.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(f, r"\u{unit:04x}")),
    }
}

/// Whether a character is visible, or is the plain space, and does not affect its neighbours.
fn is_printable(character: char) -> bool {
    match character {
        ' '..='~' => true,
        // Letters, marks and a pattern that are invisible, though the table below calls them
        // printable.
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}' => false,
        '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}' => false,
        // The standard library has the table. It escapes control characters, format characters
        // (zero width, bidirectional), separators other than the space, and code points that
        // Unicode does not assign. A mark that combines with the letter before it is escaped only
        // at the beginning of a string.
        _ => {
            let mut pair = [b'a'; 5];
            let length = character.encode_utf8(&mut pair[1..]).len();
            std::str::from_utf8(&pair[..=length]).is_ok_and(|pair| pair.escape_debug().nth(1) == Some(character))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reverses [`Shown`] where nothing was left out. This proves that no two names look the same.
    fn read_back(text: &str) -> Vec<u8> {
        let (mut units, mut name) = (Vec::new(), Vec::new());
        let mut rest = text;
        let flush = |units: &mut Vec<u16>, name: &mut Vec<u8>| {
            name.extend(String::from_utf16(units).expect("pairs").into_bytes());
            units.clear();
        };
        while let Some(first) = rest.chars().next() {
            let hex = |range: std::ops::Range<usize>| u16::from_str_radix(&rest[range], 16).expect("hexadecimal");
            let (unit, length) = match (first, rest.chars().nth(1)) {
                ('\\', Some('u')) => (Some(hex(2..6)), 6),
                ('\\', Some('x')) => {
                    flush(&mut units, &mut name);
                    name.push(hex(2..4) as u8);
                    (None, 4)
                }
                ('\\', Some('n')) => (Some(u16::from(b'\n')), 2),
                ('\\', Some('r')) => (Some(u16::from(b'\r')), 2),
                ('\\', Some('t')) => (Some(u16::from(b'\t')), 2),
                ('\\', Some('\\')) => (Some(u16::from(b'\\')), 2),
                _ => {
                    units.extend_from_slice(first.encode_utf16(&mut [0; 2]));
                    (None, first.len_utf8())
                }
            };
            units.extend(unit);
            rest = &rest[length..];
        }
        flush(&mut units, &mut name);
        name
    }

    #[test]
    fn what_is_no_printable_text_is_escaped() {
        let hidden = (0..0x20).chain(0x7f..0xa0).chain([0xa0, 0xad, 0x34f, 0x61c, 0x115f, 0x180e]);
        let hidden = hidden.chain(0x200b..=0x200f).chain(0x2028..=0x202f).chain(0x205f..=0x206f);
        let hidden = hidden.chain([0x2800, 0x3164, 0xfe0f, 0xfeff, 0xfff9, 0xfffb, 0xfffe, 0xe000, 0xe0001, 0xe0020]);
        for character in hidden.chain([0xe0100, 0xf0000, 0x10ffff]).map(|code| char::from_u32(code).expect("a scalar"))
        {
            let name = format!("a{character}b");
            for text in [shown(&name).to_string(), line(&name).to_string()] {
                assert!(text.starts_with("a\\") && text.ends_with('b') && text.is_ascii(), "{text}");
            }
        }
    }

    #[test]
    fn printable_text_stays_as_it_is() {
        for name in
            ["model.layers.0", "ä日本語", "a\u{308}", "Ω≠👍", "шум", "שלום", "a b", "\"'`$", r"C:\dir", r"a\.\d+"]
        {
            assert_eq!(shown(name).to_string(), name);
            assert_eq!(line(name).to_string(), name);
        }
    }

    #[test]
    fn no_two_names_look_the_same() {
        let alphabet = ["\\", "n", "u", "x", "0", "1b", "\n", "\u{1b}", "\u{e0001}", "ä", ".", "\u{202e}"];
        let mut names: Vec<String> = vec![String::new()];
        for _ in 0..4 {
            names = names.iter().flat_map(|name| alphabet.map(|more| format!("{name}{more}"))).collect();
            for name in &names {
                assert_eq!(read_back(&shown(name).to_string()), name.as_bytes(), "{name:?}");
            }
        }
    }

    #[test]
    fn what_is_shown_once_more_stays_as_it_is_and_json_stays_json() {
        let name = "a\\n\n\u{1b}]52;c;eA==\u{7}\r\u{85}\u{2028}note: fine\\\\";
        let once = shown(name).to_string();
        assert_eq!(line(&once).to_string(), once);
        let value = serde_json::json!({ name: [name, "\u{10fffd}\u{9b}"] });
        let text = format!("{value:#}\n");
        let text = lines(&text).to_string();
        assert!(text.lines().count() > 3 && !text.contains(|c: char| c.is_control() && c != '\n'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
    }

    #[test]
    #[cfg(unix)]
    fn bytes_that_are_no_utf8_are_told_apart() {
        use std::os::unix::ffi::OsStrExt;
        for bytes in [&b"a\xff\xfe.safetensors"[..], b"\\\xff", b"\xe6\x97", b"\\xff", b"\xed\xa0\x80"] {
            let text = shown(OsStr::from_bytes(bytes)).to_string();
            assert!(text.is_ascii() && read_back(&text) == bytes, "{text}");
        }
    }

    #[test]
    fn a_long_name_is_cut_in_the_middle_and_its_length_said() {
        let name = format!("begin{}end", "ä\u{1b}".repeat(20_000));
        let text = shown(&name).to_string();
        assert!(text.starts_with("begin") && text.ends_with("end") && text.len() < 3000, "{}", text.len());
        assert!(text.contains(" of 60008 bytes left out"), "{text}");
        let whole = "x".repeat(LONGEST_NAME);
        assert_eq!(shown(&whole).to_string(), whole);
    }
}
