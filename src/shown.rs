//! Text of strangers as it is shown to people: names, paths and what files hold never move a cursor, hide a word or begin a line.
//!
//! ```text
//! shown(name)   a name or a path    escaped so that two different names never look the same; a long one is cut in the middle
//! line(text)    a whole message     escaped again; what is escaped already stays as it is, so that names in it may be shown or not
//! lines(text)   a table, JSON       the same, but its line feeds stay
//! ```
//!
//! What is no printable text is written as in a JSON string: `\n`, `\r`, `\t`, `\u001b`, `\u202e`; a byte that is no UTF-8 as `\xff`. JSON stays JSON
//! with the same meaning, since such characters stand in its strings alone. `ä` and `日本` stay as they are.

use std::ffi::OsStr;
use std::fmt::{self, Write};

/// Most bytes of a name that are shown: twice what a file system allows a name.
const LONGEST_NAME: usize = 512;

/// A name or a path, for a place in a message.
///
/// A backslash of its own is doubled where it could be read as the beginning of an escape (before `n`, `r`, `t`, `u`, `x`, another backslash, or what is
/// escaped itself), and stays single elsewhere: most paths of Windows and most patterns look as they are.
pub fn shown<N: AsRef<OsStr> + ?Sized>(name: &N) -> Shown<'_> {
    Shown(name.as_ref().as_encoded_bytes())
}

/// See [`shown`].
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(&'a [u8]);

/// A message of one line: a line feed in it is escaped, too.
pub fn line(text: &str) -> Line<'_> {
    Line { text, longest: usize::MAX, line_feeds: false }
}

/// A text of whole lines of our own, in which no line feed came from a stranger: a table of [`line()`]s, JSON.
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
    /// Cut in the middle if it is longer than so many bytes.
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

/// Writes all of `bytes`, or where they are too many the first and the last, and how many are left out between.
fn cut<'a>(
    bytes: &'a [u8],
    longest: usize,
    f: &mut fmt::Formatter<'_>,
    write: impl Fn(&'a [u8], &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    if bytes.len() <= longest {
        return write(bytes, f);
    }
    /// Back to where a character begins: none has more than four bytes.
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
        // In units of UTF-16, as JSON has it.
        _ => character.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(f, r"\u{unit:04x}")),
    }
}

/// Whether a character leaves ink, or is the plain space, and changes nothing around it.
fn is_printable(character: char) -> bool {
    match character {
        ' '..='~' => true,
        // Letters, marks and a pattern that the table below takes for printable, though nothing is seen of them.
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}' => false,
        '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}' => false,
        // The standard library has the table: it escapes controls, formats (zero width, bidirectional), separators other than the space, and what
        // Unicode does not assign. A mark that joins the letter before it is escaped only at the beginning of a string.
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

    /// What [`Shown`] was made from, where nothing was left out: the proof that no two names look the same.
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
