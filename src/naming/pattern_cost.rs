//! Estimates the cost of patterns from their text. A class such as `\w` is two bytes of text, but
//! kilobytes of ranges and thousands of steps of the compiler.
//!
//! Measured (regex-automata 0.4.19, one core, beside other work): a pattern of 40 letters 74 µs and
//! 0.8 KB, `\d` 0.4 ms, `\w` 3.7 ms and 18 KB, a repetition that grows to half of the largest
//! pattern allowed 14 ms. The unit of cost is one letter, 1.5 µs.

use crate::Error;
use crate::error::PatternReason;

/// Highest cost of all patterns of a model: three seconds and 100 MB. It allows 40,000 patterns of
/// 40 letters: one for each expert of the largest models.
const MOST: usize = 1 << 21;

const PATTERN: usize = 10;
const DIGITS: usize = 300;
const OTHER_CLASS: usize = 2000;
const REPETITION: usize = 20_000;

/// Refuses patterns that would take seconds and gigabytes to compile.
pub(super) fn check<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut total = 0;
    for pattern in patterns {
        total += cost(pattern);
        if total > MOST {
            return Err(Error::Pattern { pattern: None, reason: PatternReason::TooCostly });
        }
    }
    Ok(())
}

fn cost(pattern: &str) -> usize {
    let mut cost = PATTERN + pattern.len();
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        cost += match byte {
            b'\\' => match bytes.next() {
                Some(b'd') => DIGITS,
                Some(letter) if letter.is_ascii_alphabetic() => OTHER_CLASS,
                _ => 0,
            },
            b'{' => REPETITION,
            _ => 0,
        };
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_real_models_ask_for_passes_and_what_takes_minutes_does_not() {
        let layers = (0..1000).map(|i| format!(r"model\.layers\.\d+\.mlp\.experts\.{i}"));
        assert!(check(layers.collect::<Vec<_>>().iter().map(String::as_str)).is_ok());
        let lone: Vec<_> = (0..10_000).map(|i| format!(r"model\.some_module_{i}\.weights")).collect();
        assert!(check(lone.iter().map(String::as_str)).is_ok());
        let experts = (3..61).flat_map(|layer| (0..256).map(move |expert| (layer, expert)));
        let experts: Vec<_> = experts
            .map(|(layer, expert)| format!(r"model\.layers\.{layer}\.mlp\.experts\.{expert}\.(?:gate|up|down)_proj"))
            .collect();
        assert!(check(experts.iter().map(String::as_str)).is_ok());
        let repeated: Vec<_> = (0..200).map(|i| format!(r"{i}a{{999}}")).collect();
        for costly in [r"\w".repeat(2000), r"[^\D]".repeat(2000), "a".repeat(3_000_000)] {
            assert!(check(std::iter::once(costly.as_str())).is_err(), "{}", &costly[..5]);
        }
        assert!(check(repeated.iter().map(String::as_str)).is_err());
        assert!(check((0..200_000).map(|_| "a")).is_err());
    }
}
