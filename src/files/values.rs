//! Limits JSON: its values are counted before a parser keeps them.
//!
//! A value can be two bytes of text (`0,`), yet it takes 32 bytes in memory, and twice that while a
//! list grows. With this limit a text costs at most 40 times its length, and all texts together
//! cost at most a bound that the largest models stay far below.

use serde::de::Error as _;
use serde_json::Value;

use super::python;

/// Most values of one text. List elements and object keys count. A file of shapes that names
/// 262,144 tensors one by one has two million.
pub(crate) const MAX_VALUES: usize = 1 << 22;

/// Counts the values of a text, then parses it.
pub(crate) fn parse(json: &[u8]) -> serde_json::Result<Value> {
    let json = python::to_json(json);
    check(&json)?;
    serde_json::from_slice(&json)
}

/// Refuses a text with too many values. Each value is followed by a comma or a colon, or is the
/// last one in its list or object.
pub(crate) fn check(json: &[u8]) -> serde_json::Result<()> {
    let (mut values, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    if values >= MAX_VALUES {
        return Err(serde_json::Error::custom(format!("{values} values, expected at most {MAX_VALUES}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_strings_only() {
        let list = |values: usize| format!("[0{}]", ",0".repeat(values - 1));
        assert!(check(list(MAX_VALUES - 1).as_bytes()).is_ok());
        assert!(check(list(MAX_VALUES).as_bytes()).is_err());
        let text = |end: &str| format!("[\"{}{end}\"]", "[,:{".repeat(MAX_VALUES / 2));
        for end in ["", "\\\"", "\\\\"] {
            assert_eq!(parse(text(end).as_bytes()).expect("one string").as_array().map(Vec::len), Some(1), "{end}");
        }
    }
}
