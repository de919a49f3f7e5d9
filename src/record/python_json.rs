//! JSON as Python's `json.dumps(..., indent=2)` lays it out. The published package and transformers
//! write their files in this form.
//!
//! Numbers and literals keep their spelling. Everything that is not printable ASCII is escaped, in
//! UTF-16 units.

use std::ops::Range;

use serde::de::Error as _;
use serde_json::value::RawValue;

use crate::safetensors::MAX_HEADER_BYTES;

/// Deepest nesting that is laid out: the limit of our JSON parser.
const MAX_DEPTH: usize = 128;

/// How many times longer a text may become. Line feeds and indents make a text without spaces five
/// times as long at the depth of real configurations, and 200 times at the deepest nesting allowed.
const MAX_GROWTH: usize = 32;
const FREE_GROWTH: usize = 64 << 10;

/// Lays out an object with these fields, in their order, or with the keys of every object sorted.
///
/// # Errors
/// The text becomes too deep or much too long.
pub(crate) fn object(fields: &[(String, Box<RawValue>)], sort_keys: bool) -> Result<String, serde_json::Error> {
    let mut json = String::from("{");
    for (index, (name, value)) in fields.iter().enumerate() {
        json += if index > 0 { "," } else { "" };
        json += &serde_json::to_string(name)?;
        json += ":";
        json += value.get();
    }
    json += "}";
    let most_bytes = (FREE_GROWTH + MAX_GROWTH.saturating_mul(json.len())).min(MAX_HEADER_BYTES as usize);
    let mut writer = Writer { rest: &json, sort_keys, most_bytes, text: String::new() };
    writer.value(0)?;
    Ok(writer.text)
}

/// Lays out a text in one pass: nothing is parsed twice, however deep it is.
struct Writer<'a> {
    /// The text, which is JSON, that is still to be read.
    rest: &'a str,
    sort_keys: bool,
    /// The most bytes that `text` may have.
    most_bytes: usize,
    text: String,
}

impl Writer<'_> {
    fn value(&mut self, depth: usize) -> Result<(), serde_json::Error> {
        if depth > MAX_DEPTH {
            return Err(serde_json::Error::custom(format!("it is nested more than {MAX_DEPTH} deep")));
        }
        self.rest = self.rest.trim_start();
        match self.rest.chars().next() {
            Some('{') => self.items('{', '}', depth)?,
            Some('[') => self.items('[', ']', depth)?,
            Some('"') => {
                let string = self.take_string()?;
                self.string(&string);
            }
            _ => {
                let end = self.rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(self.rest.len());
                let (literal, rest) = self.rest.split_at(end);
                self.text.push_str(literal);
                self.rest = rest;
            }
        }
        Ok(())
    }

    /// Lays out a list or an object.
    fn items(&mut self, open: char, close: char, depth: usize) -> Result<(), serde_json::Error> {
        self.skip(open);
        self.text.push(open);
        let begin = self.text.len();
        let mut members = Vec::new();
        while !self.skip(close) {
            self.next_line(begin, depth);
            let item = self.text.len();
            if open == '{' {
                let key = self.take_string()?;
                self.string(&key);
                self.skip(':');
                self.text.push_str(": ");
                self.value(depth + 1)?;
                members.push((key, item..self.text.len()));
            } else {
                self.value(depth + 1)?;
            }
            self.skip(',');
            if self.text.len() > self.most_bytes || self.rest.is_empty() {
                return Err(serde_json::Error::custom(format!("laid out it has more than {} bytes", self.most_bytes)));
            }
        }
        if self.sort_keys {
            self.sort(members, begin, depth);
        }
        if self.text.len() > begin {
            self.text.push('\n');
            self.indent(depth);
        }
        self.text.push(close);
        Ok(())
    }

    /// Sorts the members of an object by key. Each member comes with its range of `text`.
    fn sort(&mut self, mut members: Vec<(String, Range<usize>)>, begin: usize, depth: usize) {
        let was_sorted = members.is_sorted_by(|(one, _), (other, _)| one < other);
        // Of a key that is there twice, Python takes the last value.
        members.reverse();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|(one, _), (other, _)| one == other);
        if !was_sorted {
            let unsorted = self.text.split_off(begin);
            for (_, range) in members {
                self.next_line(begin, depth);
                self.text.push_str(&unsorted[range.start - begin..range.end - begin]);
            }
        }
    }

    /// Begins a new line for the next item of the list or object that began at `begin`.
    fn next_line(&mut self, begin: usize, depth: usize) {
        self.text.push_str(if self.text.len() > begin { ",\n" } else { "\n" });
        self.indent(depth + 1);
    }

    /// If this character comes next, reads it and returns `true`.
    fn skip(&mut self, character: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_string(&mut self) -> Result<String, serde_json::Error> {
        let mut strings = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
        let string = strings.next().unwrap_or_else(|| Err(serde_json::Error::custom("expected a string")))?;
        self.rest = &self.rest[strings.byte_offset()..];
        Ok(string)
    }

    fn indent(&mut self, depth: usize) {
        (0..depth).for_each(|_| self.text.push_str("  "));
    }

    fn string(&mut self, string: &str) {
        self.text.push('"');
        for character in string.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                ' '..='~' => self.text.push(character),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        self.text.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Fields;
    use super::*;

    fn laid_out(text: &str, sort_keys: bool) -> Result<String, serde_json::Error> {
        object(&serde_json::from_str::<Fields>(text)?.0, sort_keys)
    }

    #[test]
    fn it_is_laid_out_as_python_does() {
        let text = r#"{"b": [1, {}, [], {"d":1e-06,"c": null}], "a":"ü😀\u007f\"\\\n\u0001/"}"#;
        let expected = r#"{
  "a": "\u00fc\ud83d\ude00\u007f\"\\\n\u0001/",
  "b": [
    1,
    {},
    [],
    {
      "c": null,
      "d": 1e-06
    }
  ]
}"#;
        assert_eq!(laid_out(text, true).expect("JSON"), expected);
        let unsorted = laid_out(text, false).expect("JSON");
        assert!(
            unsorted.starts_with("{\n  \"b\": [\n    1,\n    {},\n    [],\n    {\n      \"d\": 1e-06,\n"),
            "{unsorted}"
        );
        assert_eq!(laid_out("{}", true).expect("JSON"), "{}");
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        let deep = |depth: usize| format!(r#"{{"a": {}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(laid_out(&deep(100), true).is_ok());
        for depth in [200, 1_000_000] {
            assert!(laid_out(&deep(depth), true).is_err(), "{depth}");
        }
    }

    #[test]
    fn what_would_grow_without_measure_is_refused() {
        let list =
            |depth: usize| format!(r#"{{"a": {}0{}{}}}"#, "[".repeat(depth), ",0".repeat(50_000), "]".repeat(depth));
        assert!(laid_out(&list(10), true).is_ok());
        assert!(laid_out(&list(100), true).is_err());
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_value_counts_at_any_depth() {
        for (text, expected) in [
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":[{"b":1,"c":0,"b":2}]}"#, r#"{"a":[{"b":2,"c":0}]}"#),
            (r#"{"a":{"b":{},"\u0062":[]}}"#, r#"{"a":{"b":[]}}"#),
        ] {
            assert_eq!(laid_out(text, true).expect("JSON"), laid_out(expected, true).expect("JSON"), "{text}");
        }
    }
}
