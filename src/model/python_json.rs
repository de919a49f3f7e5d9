//! JSON as Python's `json.dumps(..., indent=2)` lays it out: the published package and transformers write their files so.
//!
//! Numbers and literals keep the spelling that they had. Everything that is not printable ASCII is escaped, in UTF-16 units.

use serde::de::Error as _;
use serde_json::value::RawValue;

use super::config::Fields;

/// Deepest nesting that is laid out, that of our parser of JSON: each level is parsed anew.
const MAX_DEPTH: usize = 128;

/// An object of these fields, in their order or with the keys of every object in ascending order.
pub(crate) fn object(fields: Vec<(String, Box<RawValue>)>, sort_keys: bool) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    Writer { sort_keys, text: &mut text }.object(fields, 0)?;
    Ok(text)
}

struct Writer<'a> {
    sort_keys: bool,
    text: &'a mut String,
}

impl Writer<'_> {
    fn object(&mut self, mut fields: Vec<(String, Box<RawValue>)>, depth: usize) -> Result<(), serde_json::Error> {
        if self.sort_keys {
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        self.items('{', '}', fields, depth, |writer, (key, value)| {
            writer.string(&key);
            writer.text.push_str(": ");
            writer.value(&value, depth + 1)
        })
    }

    fn value(&mut self, value: &RawValue, depth: usize) -> Result<(), serde_json::Error> {
        if depth > MAX_DEPTH {
            return Err(serde_json::Error::custom(format!("it is nested more than {MAX_DEPTH} deep")));
        }
        match value.get().chars().next() {
            Some('{') => self.object(serde_json::from_str::<Fields>(value.get())?.0, depth)?,
            Some('[') => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(value.get())?;
                self.items('[', ']', items, depth, |writer, item| writer.value(&item, depth + 1))?;
            }
            Some('"') => self.string(&serde_json::from_str::<String>(value.get())?),
            _ => self.text.push_str(value.get()),
        }
        Ok(())
    }

    fn items<T>(
        &mut self,
        open: char,
        close: char,
        items: Vec<T>,
        depth: usize,
        mut write: impl FnMut(&mut Self, T) -> Result<(), serde_json::Error>,
    ) -> Result<(), serde_json::Error> {
        self.text.push(open);
        let is_empty = items.is_empty();
        for (index, item) in items.into_iter().enumerate() {
            self.text.push_str(if index > 0 { ",\n" } else { "\n" });
            self.indent(depth + 1);
            write(self, item)?;
        }
        if !is_empty {
            self.text.push('\n');
            self.indent(depth);
        }
        self.text.push(close);
        Ok(())
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
    use super::*;

    fn laid_out(text: &str, sort_keys: bool) -> Result<String, serde_json::Error> {
        object(serde_json::from_str::<Fields>(text)?.0, sort_keys)
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
}
