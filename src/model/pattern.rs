//! `pattern_dict`: which modules are units and which matrices they hold, as regular expressions over module paths.
//!
//! Reading: the first pattern that matches the whole path counts. The engine is linear in time and bounded in memory, since patterns come from
//! strangers; what it cannot express (look-around, back-references) is an error that names the pattern.
//!
//! Writing: the published loader does not stop at the first match, and a second match makes it fail. So exactly one pattern matches each unit, and
//! nothing else:
//!
//! ```text
//! units that differ only in numbers, with equal attributes  ->  one pattern, differing numbers as \d+,
//!                                                               if it matches no other module and no unseen number lies below the highest
//! else                                                      ->  each its own name, escaped
//! ```
//!
//! An unseen number is a module without tensors, an activation between two layers: it is not in the file, but the loader would try it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde_json::{Map, Value};

use super::beside::read_small;
use super::names::{is_decimal, parent_and_last, prefixes};
use super::units::UnitSpec;
use crate::Error;

/// Bytes that one compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// Bytes that all compiled patterns together may take.
const MAX_SET_BYTES: usize = 64 << 20;

/// The patterns of a model, ready to match.
#[derive(Clone, Debug)]
pub struct PatternDict {
    patterns: Vec<(String, Vec<String>)>,
    set: RegexSet,
}

impl PatternDict {
    /// Reads the published form from a JSON file: `{"model\\.layers\\.\\d+": ["self_attn.q_proj", ...], "lm_head": []}`.
    ///
    /// # Errors
    /// The file cannot be read, does not have that form, or has a pattern that a linear-time engine cannot express.
    pub fn read(path: &Path) -> Result<PatternDict, Error> {
        let bytes = read_small(path)?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Json { path: path.to_path_buf(), reason: format!("is not JSON: {error}") })?;
        PatternDict::from_json(&value, path)
    }

    /// Takes the value of `pattern_dict` that was found in the file at `path`.
    pub(crate) fn from_json(value: &Value, path: &Path) -> Result<PatternDict, Error> {
        let wrong = || Error::Json {
            path: path.to_path_buf(),
            reason: "expected a pattern dictionary: an object of pattern to list of attribute paths".into(),
        };
        let strings = |list: &Value| -> Option<Vec<String>> {
            list.as_array()?.iter().map(|attribute| Some(attribute.as_str()?.to_owned())).collect()
        };
        let patterns = value
            .as_object()
            .and_then(|patterns| {
                patterns.iter().map(|(pattern, list)| Some((pattern.clone(), strings(list)?))).collect()
            })
            .ok_or_else(wrong)?;
        PatternDict::new(patterns)
    }

    /// Compiles patterns with their attribute lists, in order.
    pub(crate) fn new(patterns: Vec<(String, Vec<String>)>) -> Result<PatternDict, Error> {
        for (pattern, _) in &patterns {
            compile(pattern)?;
        }
        let set = RegexSetBuilder::new(patterns.iter().map(|(pattern, _)| whole(pattern)))
            .size_limit(MAX_SET_BYTES)
            .build()
            .map_err(|error| Error::Pattern { pattern: "all patterns together".into(), reason: error.to_string() })?;
        Ok(PatternDict { patterns, set })
    }

    /// The attributes of the module at `path`, by the first pattern that matches all of it.
    pub(crate) fn attributes(&self, path: &str) -> Option<&[String]> {
        let first = self.set.matches(path).iter().next()?;
        Some(&self.patterns[first].1)
    }

    /// The dictionary that makes the published loader find `units`, and nothing else among the modules of `tensors`.
    pub(crate) fn to_json<'a>(units: &[&UnitSpec], tensors: impl Iterator<Item = &'a str>) -> Value {
        let mut modules: BTreeSet<&str> = BTreeSet::new();
        for tensor in tensors {
            modules.extend(prefixes(parent_and_last(tensor).0));
        }
        let mut families: Vec<Vec<&UnitSpec>> = Vec::new();
        let mut places: BTreeMap<(String, &[String]), usize> = BTreeMap::new();
        for unit in units {
            let place = *places.entry((numbers_masked(&unit.name), &unit.attributes)).or_insert(families.len());
            if place == families.len() {
                families.push(Vec::new());
            }
            families[place].push(unit);
        }
        let mut dictionary = Map::new();
        for family in families {
            match family_pattern(&family, &modules) {
                Some(pattern) => drop(dictionary.insert(pattern, family[0].attributes.clone().into())),
                None => dictionary.extend(family.iter().map(|u| (regex::escape(&u.name), u.attributes.clone().into()))),
            }
        }
        dictionary.into()
    }
}

/// The pattern as one that matches a whole path.
fn whole(pattern: &str) -> String {
    format!(r"\A(?:{pattern})\z")
}

fn compile(pattern: &str) -> Result<Regex, Error> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).build();
    // Alone first: `a)|(b` is no pattern, though it would be one between parentheses.
    build(pattern).and_then(|_| build(&whole(pattern))).map_err(|error| {
        let reason = match error.to_string().lines().last() {
            Some(line) => line.trim_start_matches("error: ").to_owned(),
            None => "is not a pattern".to_owned(),
        };
        Error::Pattern { pattern: pattern.to_owned(), reason }
    })
}

fn numbers_masked(path: &str) -> String {
    let masked: Vec<_> = path.split('.').map(|component| if is_decimal(component) { "#" } else { component }).collect();
    masked.join(".")
}

/// One pattern for all units of a family, if it is safe.
fn family_pattern(family: &[&UnitSpec], modules: &BTreeSet<&str>) -> Option<String> {
    let components: Vec<Vec<&str>> = family.iter().map(|unit| unit.name.split('.').collect()).collect();
    let first = &components[0];
    let varies: Vec<bool> =
        (0..first.len()).map(|place| components.iter().any(|other| other[place] != first[place])).collect();
    if !varies.contains(&true) {
        return Some(regex::escape(&family[0].name));
    }
    let pattern: Vec<_> = first
        .iter()
        .zip(&varies)
        .map(|(component, &varies)| if varies { r"\d+".to_owned() } else { regex::escape(component) })
        .collect();
    let pattern = pattern.join(r"\.");
    let regex = compile(&pattern).ok()?;
    let whole = Regex::new(&whole(regex.as_str())).ok()?;
    let matched = modules.iter().filter(|module| whole.is_match(module)).count();
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    for (unit, components) in family.iter().zip(&components) {
        for ((path, component), &varies) in prefixes(&unit.name).zip(components).zip(&varies) {
            if varies {
                let highest = highest.entry(parent_and_last(path).0).or_default();
                *highest = component.parse().map_or(u64::MAX, |number: u64| number.max(*highest));
            }
        }
    }
    let unseen = highest.iter().any(|(parent, &highest)| has_unseen_number_below(parent, highest, modules));
    (matched == family.len() && !unseen).then_some(pattern)
}

/// Whether some number below `highest` stands for no module with tensors among those numbered below `parent`.
fn has_unseen_number_below(parent: &str, highest: u64, modules: &BTreeSet<&str>) -> bool {
    let child = |number: u64| if parent.is_empty() { number.to_string() } else { format!("{parent}.{number}") };
    (0..highest).any(|number| !modules.contains(child(number).as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, attributes: &[&str]) -> UnitSpec {
        let attributes: Vec<String> = attributes.iter().map(|a| (*a).to_owned()).collect();
        UnitSpec { name: name.into(), tensors: UnitSpec::tensor_names(name, &attributes), attributes, weights: 1 }
    }

    fn written(units: &[UnitSpec], others: &[&str]) -> String {
        let tensors: Vec<&str> =
            units.iter().flat_map(|u| &u.tensors).map(String::as_str).chain(others.iter().copied()).collect();
        let json = PatternDict::to_json(&units.iter().collect::<Vec<_>>(), tensors.iter().copied());
        let dictionary = PatternDict::from_json(&json, Path::new("config.json")).expect("our own patterns compile");
        for unit in units {
            assert_eq!(dictionary.set.matches(&unit.name).iter().count(), 1, "{}", unit.name);
            assert_eq!(dictionary.attributes(&unit.name), Some(unit.attributes.as_slice()));
        }
        json.to_string()
    }

    #[test]
    fn equal_blocks_share_a_pattern() {
        let units =
            [unit("m.l.0", &["a", "b"]), unit("m.l.1", &["a", "b"]), unit("m.l.2", &["a", "b"]), unit("head", &[])];
        assert_eq!(written(&units, &["m.norm.weight"]), r#"{"m\\.l\\.\\d+":["a","b"],"head":[]}"#);
    }

    #[test]
    fn blocks_that_differ_get_patterns_of_their_own() {
        let units = [unit("l.0", &["a"]), unit("l.1", &["a", "b"]), unit("l.2", &["a"])];
        assert_eq!(written(&units, &[]), r#"{"l\\.0":["a"],"l\\.2":["a"],"l\\.1":["a","b"]}"#);
        let units = [unit("l.0", &["a"]), unit("l.1", &["a"])];
        assert_eq!(written(&units, &["l.2.norm.weight"]), r#"{"l\\.0":["a"],"l\\.1":["a"]}"#);
    }

    #[test]
    fn a_number_that_no_tensor_shows_is_not_matched_by_chance() {
        let units = [unit("mlp.0", &[]), unit("mlp.2", &[])];
        assert_eq!(written(&units, &[]), r#"{"mlp\\.0":[],"mlp\\.2":[]}"#);
    }

    #[test]
    fn a_number_that_never_varies_stays_itself() {
        let units = [unit("b.0.out.0", &[]), unit("b.1.out.0", &[])];
        assert_eq!(written(&units, &["b.0.out.1.weight"]), r#"{"b\\.\\d+\\.out\\.0":[]}"#);
    }

    #[test]
    fn the_first_match_of_the_whole_path_counts() {
        let json = serde_json::json!({"a|b": [], "b.*": ["x"]});
        let dictionary = PatternDict::from_json(&json, Path::new("p")).expect("valid");
        assert_eq!(dictionary.attributes("b"), Some(&[][..]));
        assert_eq!(dictionary.attributes("bc"), Some(&["x".to_owned()][..]));
        assert_eq!(dictionary.attributes("ab"), None);
    }

    #[test]
    fn a_pattern_outside_linear_time_is_named_with_the_way_on() {
        for pattern in [r"model\.(?!vision).*", r"(a)\1", "a)|(b", "(?:a{1000}){1000}"] {
            let json = serde_json::json!({ pattern: [] });
            let message = PatternDict::from_json(&json, Path::new("p")).expect_err("refused").to_string();
            assert!(message.contains(pattern) && message.contains("--pattern-dict"), "{message}");
        }
    }
}
