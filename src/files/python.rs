//! JSON as Python writes it: bare `NaN`, `Infinity` and `-Infinity`, and a byte order mark before
//! the text. Other parsers refuse both.
//!
//! ```text
//! config.json         [0.0, Infinity]
//!   to_json           [0.0, "\u0000Infinity"]    a string that no model's file holds
//!   to_python         [0.0, Infinity]            what is written has Python's words again
//! ```

use std::borrow::Cow;

/// The words, the longest first: one ends as another does.
const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
/// What the string that stands for a word begins with. A text that holds it is left as it is.
const MARK: &str = "\"\\u0000";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Python's JSON, such as a model's config.json, as JSON that every parser takes: without a byte
/// order mark, and with strings in place of the words `NaN`, `Infinity` and `-Infinity`.
pub fn to_json(text: &[u8]) -> Cow<'_, [u8]> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let is_marked = text.windows(MARK.len()).any(|window| window == MARK.as_bytes());
    let (mut json, mut copied, mut at) = (Vec::new(), 0, 0);
    let (mut in_string, mut escaped) = (false, false);
    while at < text.len() && !is_marked {
        let word = WORDS.iter().find(|word| !in_string && text[at..].starts_with(word.as_bytes()));
        if let Some(word) = word {
            json.extend_from_slice(&text[copied..at]);
            json.extend_from_slice(string_of(word).as_bytes());
            at += word.len();
            copied = at;
            continue;
        }
        match text[at] {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    json.extend_from_slice(&text[copied..]);
    Cow::Owned(json)
}

/// Puts Python's words back into a text that was made from `to_json`'s.
pub(crate) fn to_python(json: String) -> String {
    if !json.contains(MARK) {
        return json;
    }
    WORDS.iter().fold(json, |json, word| json.replace(&string_of(word), word))
}

fn string_of(word: &str) -> String {
    format!("{MARK}{word}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_python_pass_through_json_and_come_back() {
        for text in [r#"{"a": NaN}"#, "[-Infinity,Infinity , NaN]", r#"{"NaN": ["\"Infinity", NaN], "b\\": -Infinity}"#]
        {
            let json = to_json(text.as_bytes());
            serde_json::from_slice::<serde_json::Value>(&json).expect("JSON");
            assert_eq!(to_python(String::from_utf8(json.into_owned()).expect("text")), text);
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in [r#"{"a": "NaN", "b": "\"-Infinity"}"#, r#"["\u0000NaN", NaN]"#, "", "\"", "{"] {
            assert_eq!(to_json(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(&*to_json(b"\xef\xbb\xbf{}"), b"{}");
    }
}
