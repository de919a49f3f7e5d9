//! Limits JSON: its values are counted before a parser keeps them.
//!
//! A value can be two bytes of text (`0,`), yet it takes 32 bytes in memory, and twice that while a
//! list grows. With this limit a text costs at most 40 times its length, and all texts together
//! cost at most a bound that the largest models stay far below.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
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

/// The keys and values of an object, every pair in its place: no key is dropped because it is there
/// twice.
pub(crate) struct Pairs<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
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
