//! `pattern_dict`: which modules are units and which matrices they hold, as regular expressions
//! over module paths.
//!
//! Reading: the first pattern that matches the whole path counts. Patterns come from unknown
//! authors, so compiling and matching them has a bound in time and memory (`pattern_cost`,
//! `automaton`). A pattern that is not for such an engine (look-around, back-references) is an
//! error that names the pattern.
//!
//! Writing: the published loader does not stop at the first match, and fails at a second one. So
//! exactly one pattern matches each unit, and matches nothing else:
//!
//! ```text
//! units that differ only in numbers, with equal attributes:
//!     as few products of sets of numbers as hold exactly them, and one pattern for each product
//!         a number that never varies                                itself
//!         a set, if `\d+` matches no other module there             \d+
//!           and no unseen number lies below the highest
//!         any other set                                             (?:3|4|5)
//! ```
//!
//! An unseen number is a module without tensors, such as an activation between two layers. It is
//! not in the file, but the loader would try it. Few patterns matter because the loader tries all
//! of them for each unit, and Python compiles each one again if there are more than 512.

mod automaton;
mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::slice;

use regex_syntax::hir::Hir;
use serde_json::{Map, Value};

use automaton::{Automaton, TooMuchWork};

use super::family::Families;
use super::pattern_cost;
use super::units::UnitSpec;
use crate::error::{JsonReason, PatternReason};
use crate::files::dotted::{is_decimal, natural_order, parent_and_last, prefixes};
use crate::files::folder::{not_json, read_whole};
use crate::files::python;
use crate::files::values::{self, Pairs};
use crate::{Error, open};

/// Most bytes that one compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// Most bytes that all compiled patterns together may take.
const MAX_SET_BYTES: usize = 64 << 20;

/// The patterns of a model, ready to match.
#[derive(Clone, Debug)]
pub struct PatternDict {
    patterns: Vec<(String, Vec<String>)>,
    automaton: Automaton,
    /// The file that the user gave.
    given: Option<PathBuf>,
}

impl PatternDict {
    /// Reads the published form from a JSON file, such as
    /// `{"model\\.layers\\.\\d+": ["self_attn.q_proj", ...], "lm_head": []}`.
    ///
    /// # Errors
    /// The file cannot be read, or does not have that form, or has a pattern twice, or one that a
    /// linear-time engine cannot express.
    pub fn read(path: &Path) -> Result<PatternDict, Error> {
        let bytes = read_whole(open::regular_or_pipe(path)?, path)?;
        let json = python::to_json(&bytes);
        let pairs = values::check(&json).and_then(|()| serde_json::from_slice(&json));
        let Pairs(pairs) = pairs.map_err(|error: serde_json::Error| match error.is_data() {
            true => not_patterns(JsonReason::NotPatterns, path),
            false => not_patterns(not_json(&bytes, JsonReason::NotJson { message: error.to_string() }), path),
        })?;
        let mut seen = HashSet::new();
        if let Some((pattern, _)) = pairs.iter().find(|(pattern, _)| !seen.insert(pattern)) {
            return Err(not_patterns(JsonReason::PatternTwice { pattern: pattern.clone() }, path));
        }
        let patterns = PatternDict::from_pairs(pairs.iter().map(|(pattern, list)| (pattern, list)), path)?;
        // A pipe is not a file that could be lost.
        Ok(PatternDict { given: Some(path.to_path_buf()).filter(|path| path.is_file()), ..patterns })
    }

    /// The file that [`PatternDict::read`] read it from.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.given.as_deref()
    }

    /// Takes the value of `pattern_dict` found in the file at `path`.
    pub(crate) fn from_json(value: &Value, path: &Path) -> Result<PatternDict, Error> {
        let pairs = value.as_object().ok_or_else(|| not_patterns(JsonReason::NotPatterns, path))?;
        PatternDict::from_pairs(pairs.iter(), path)
    }

    fn from_pairs<'a>(pairs: impl Iterator<Item = (&'a String, &'a Value)>, path: &Path) -> Result<PatternDict, Error> {
        let strings = |list: &Value| -> Option<Vec<String>> {
            list.as_array()?.iter().map(|attribute| Some(attribute.as_str()?.to_owned())).collect()
        };
        let patterns: Option<_> = pairs.map(|(pattern, list)| Some((pattern.clone(), strings(list)?))).collect();
        PatternDict::new(patterns.ok_or_else(|| not_patterns(JsonReason::NotPatterns, path))?)
    }

    /// Compiles patterns with their attribute lists, in order.
    pub(crate) fn new(patterns: Vec<(String, Vec<String>)>) -> Result<PatternDict, Error> {
        pattern_cost::check(patterns.iter().map(|(pattern, _)| pattern.as_str()))?;
        let (mut parsed, mut bytes) = (Vec::new(), 0);
        for (pattern, _) in &patterns {
            let (hir, of_one) = parse(pattern)?;
            parsed.push(hir);
            bytes += of_one;
            // All together take about the sum, and this is known before they are compiled.
            if bytes > MAX_SET_BYTES {
                return Err(Error::Pattern { pattern: None, reason: PatternReason::TooCostly });
            }
        }
        let automaton = Automaton::new(&parsed, MAX_SET_BYTES).map_err(|error| refused(None, &error))?;
        Ok(PatternDict { patterns, automaton, given: None })
    }

    /// Checks that Python's `re` reads the patterns as this program does, for the modules of the
    /// tensors with these names.
    ///
    /// # Errors
    /// The first pattern that Python may read differently, and the part in question.
    pub(crate) fn check_common<'a>(&self, tensors: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        let are_plain = common::are_plain(tensors);
        self.patterns.iter().try_for_each(|(pattern, _)| {
            let refused = |reason| Error::Pattern { pattern: Some(pattern.clone()), reason };
            common::check(pattern, are_plain).map_err(refused)
        })
    }

    /// The number of patterns.
    pub(crate) fn len(&self) -> usize {
        self.patterns.len()
    }

    /// The patterns that match none of these modules.
    ///
    /// # Errors
    /// Matching takes too long.
    pub(crate) fn unmatched(&self, modules: &BTreeSet<&str>) -> Result<Vec<String>, Error> {
        let mut matched = vec![false; self.patterns.len()];
        self.each_match(modules, |_, by| by.iter().for_each(|&pattern| matched[pattern] = true))?;
        let unmatched = self.patterns.iter().zip(matched).filter(|(_, matched)| !matched);
        Ok(unmatched.map(|((text, _), _)| text.clone()).collect())
    }

    /// The number of the first pattern that matches the whole path, for each of these modules that
    /// has one.
    ///
    /// # Errors
    /// Matching takes too long.
    pub(crate) fn first_matches<'a>(&self, modules: &BTreeSet<&'a str>) -> Result<BTreeMap<&'a str, usize>, Error> {
        let mut found = BTreeMap::new();
        self.each_match(modules, |module, by| found.extend([(module, by[0])]))?;
        Ok(found)
    }

    /// The attributes that a pattern lists, by its number.
    pub(crate) fn attributes(&self, pattern: usize) -> &[String] {
        &self.patterns[pattern].1
    }

    /// The dictionary as it was given, if each of `units` matches exactly one of its patterns.
    pub(crate) fn as_given(&self, units: &BTreeSet<&str>) -> Option<Value> {
        let mut once = 0;
        self.each_match(units, |_, by| once += usize::from(by.len() == 1)).ok()?;
        let patterns = self.patterns.iter().map(|(pattern, attributes)| (pattern.clone(), attributes.clone().into()));
        (once == units.len()).then(|| Value::Object(patterns.collect()))
    }

    /// Calls `found` with each path that a pattern matches as a whole, and with the numbers of the
    /// patterns that do, the first first.
    fn each_match<'a>(&self, paths: &BTreeSet<&'a str>, found: impl FnMut(&'a str, &[usize])) -> Result<(), Error> {
        self.automaton.each_match(paths, found).map_err(|TooMuchWork| Error::Pattern {
            pattern: None,
            reason: PatternReason::TooCostlyToMatch { modules: paths.len() },
        })
    }

    /// The dictionary that makes the published loader find `units`, and nothing else among the
    /// modules of `tensors`.
    pub(crate) fn to_json<'a>(units: &[&UnitSpec], tensors: impl Iterator<Item = &'a str>) -> Value {
        // Our patterns have as many components as the paths that they match, so they never match
        // deeper modules.
        let deepest = units.iter().map(|unit| unit.name.split('.').count()).max().unwrap_or(0);
        let mut modules: HashSet<&str> = HashSet::new();
        for tensor in tensors {
            modules.extend(prefixes(parent_and_last(tensor).0).take(deepest));
        }
        // After the loader reaches a module's list, it goes on comparing with the path of the last
        // module in that list.
        modules.extend(units.iter().filter_map(|unit| Some(parent_and_last(unit.attributes.last()?).0)));
        let mut families: Vec<Vec<&UnitSpec>> = Vec::new();
        let mut places: HashMap<(Vec<Option<&str>>, &[String]), usize> = HashMap::new();
        for unit in units {
            let place = *places.entry((numbers_masked(&unit.name), &unit.attributes)).or_insert(families.len());
            if place == families.len() {
                families.push(Vec::new());
            }
            families[place].push(unit);
        }
        let mut modules = Families::new(modules);
        let mut dictionary = Map::new();
        for family in families {
            let names: Vec<Vec<&str>> = family.iter().map(|unit| unit.name.split('.').collect()).collect();
            for product in products(&names) {
                dictionary.insert(pattern_of(&product, &mut modules), family[0].attributes.clone().into());
            }
        }
        dictionary.into()
    }
}

fn not_patterns(reason: JsonReason, path: &Path) -> Error {
    Error::Json { path: path.to_path_buf(), reason }
}

/// Parses a pattern, and checks that it is not too large.
/// A pattern, and the bytes that it takes when it is compiled.
fn parse(pattern: &str) -> Result<(Hir, usize), Error> {
    let parsed = regex_syntax::parse(pattern).map_err(|error| refused(Some(pattern), &error))?;
    let compiled = Automaton::new(slice::from_ref(&parsed), MAX_PATTERN_BYTES);
    let bytes = compiled.map_err(|error| refused(Some(pattern), &error))?.bytes();
    Ok((parsed, bytes))
}

/// The engine refuses a pattern, or all together. The last line of its message says why.
fn refused(pattern: Option<&str>, error: &dyn Display) -> Error {
    let message = error.to_string();
    let message = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Error::Pattern { pattern: pattern.map(str::to_owned), reason: PatternReason::Engine { message } }
}

/// A path with its numbers left out, place by place.
fn numbers_masked(path: &str) -> Vec<Option<&str>> {
    path.split('.').map(|component| (!is_decimal(component)).then_some(component)).collect()
}

/// The sets of a product so far, and the rests of the paths in it.
struct Product<'p, 'a> {
    sets: Vec<Vec<&'a str>>,
    rest: BTreeSet<&'p [&'a str]>,
}

/// Splits paths of equal length into few products of sets of components, one set for each place:
/// {a.0, a.1, b.0, b.1} is {a, b} x {0, 1}.
fn products<'a>(paths: &[Vec<&'a str>]) -> Vec<Vec<Vec<&'a str>>> {
    let mut products = vec![Product { sets: Vec::new(), rest: paths.iter().map(Vec::as_slice).collect() }];
    for _ in 0..paths[0].len() {
        products = products.iter().flat_map(Product::take_a_set).collect();
    }
    products.into_iter().map(|product| product.sets).collect()
}

impl<'p, 'a> Product<'p, 'a> {
    /// Extends the product by one place. Components whose paths continue in the same ways form one
    /// set.
    fn take_a_set(&self) -> Vec<Product<'p, 'a>> {
        let mut ways_on: BTreeMap<&str, BTreeSet<&[&str]>> = BTreeMap::new();
        for path in &self.rest {
            ways_on.entry(path[0]).or_default().insert(&path[1..]);
        }
        let mut sets: BTreeMap<BTreeSet<&[&str]>, Vec<&str>> = BTreeMap::new();
        for (component, rest) in ways_on {
            sets.entry(rest).or_default().push(component);
        }
        let taken = sets.into_iter().map(|(rest, mut set)| {
            set.sort_by(|a, b| natural_order(a, b));
            Product { sets: [&self.sets[..], &[set]].concat(), rest }
        });
        taken.collect()
    }
}

/// The shortest safe pattern that matches exactly the paths of a product.
fn pattern_of<'a>(product: &[Vec<&'a str>], modules: &mut Families<'a>) -> String {
    let mut any = vec![false; product.len()];
    for place in 0..product.len() {
        any[place] = product[place].len() > 1;
        if any[place] && !modules.matches_only(product, &any) {
            any[place] = false;
        }
    }
    text(product, &any)
}

/// Writes the product as a pattern, with `\d+` at the places in `any`.
fn text(product: &[Vec<&str>], any: &[bool]) -> String {
    let component = |(set, &any): (&Vec<&str>, &bool)| match set.as_slice() {
        _ if any => r"\d+".to_owned(),
        [one] => regex_syntax::escape(one),
        several => format!("(?:{})", several.join("|")),
    };
    let components: Vec<_> = product.iter().zip(any).map(component).collect();
    components.join(r"\.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, attributes: &[&str]) -> UnitSpec {
        let attributes: Vec<String> = attributes.iter().map(|a| (*a).to_owned()).collect();
        UnitSpec { name: name.into(), tensors: UnitSpec::tensor_names(name, &attributes), attributes, weights: 1 }
    }

    fn attributes(dictionary: &PatternDict, module: &str) -> Option<Vec<String>> {
        let found = dictionary.first_matches(&[module].into()).expect("little work");
        found.get(module).map(|&pattern| dictionary.attributes(pattern).to_vec())
    }

    #[test]
    fn patterns_that_take_too_much_memory_together_are_refused() {
        for one in [".?", "[^.]?"] {
            let patterns = (0..500).map(|i| (format!("{}{i}", one.repeat(2000 / one.len() * 2)), Vec::new()));
            let refused = PatternDict::new(patterns.collect()).expect_err("more than 64 MB");
            assert!(matches!(refused, Error::Pattern { pattern: None, reason: PatternReason::TooCostly }), "{refused}");
        }
    }

    fn written(units: &[UnitSpec], others: &[&str]) -> String {
        let tensors: Vec<&str> =
            units.iter().flat_map(|u| &u.tensors).map(String::as_str).chain(others.iter().copied()).collect();
        let json = PatternDict::to_json(&units.iter().collect::<Vec<_>>(), tensors.iter().copied());
        let dictionary = PatternDict::from_json(&json, Path::new("config.json")).expect("our own patterns compile");
        for unit in units {
            assert_eq!(attributes(&dictionary, &unit.name), Some(unit.attributes.clone()));
        }
        let names = units.iter().map(|unit| unit.name.as_str()).collect();
        assert!(dictionary.as_given(&names).is_some(), "one pattern for each unit");
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
        assert_eq!(written(&units, &[]), r#"{"l\\.(?:0|2)":["a"],"l\\.1":["a","b"]}"#);
        let units = [unit("l.0", &["a"]), unit("l.1", &["a"])];
        assert_eq!(written(&units, &["l.2.norm.weight"]), r#"{"l\\.(?:0|1)":["a"]}"#);
    }

    #[test]
    fn a_number_that_no_tensor_shows_is_not_matched_by_chance() {
        let units = [unit("mlp.0", &[]), unit("mlp.2", &[])];
        assert_eq!(written(&units, &[]), r#"{"mlp\\.(?:0|2)":[]}"#);
    }

    #[test]
    fn blocks_that_are_no_product_get_as_few_patterns_as_hold_them() {
        let mut units: Vec<UnitSpec> = (0..3).map(|layer| unit(&format!("l.{layer}"), &["a", "b"])).collect();
        let pairs = (3..12).flat_map(|layer| (0..16).map(move |expert| (layer, expert)));
        units.extend(pairs.map(|(layer, expert)| unit(&format!("l.{layer}.e.{expert}"), &["a"])));
        units.push(unit("l.12.e.0", &["a"]));
        let layers = "(?:3|4|5|6|7|8|9|10|11)";
        let expected = serde_json::json!({
            "l\\.(?:0|1|2)": ["a", "b"],
            format!("l\\.12\\.e\\.0"): ["a"],
            format!("l\\.{layers}\\.e\\.\\d+"): ["a"],
        });
        assert_eq!(serde_json::from_str::<Value>(&written(&units, &[])).expect("JSON"), expected);
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
        assert_eq!(attributes(&dictionary, "b"), Some(Vec::new()));
        assert_eq!(attributes(&dictionary, "bc"), Some(vec!["x".to_owned()]));
        assert_eq!(attributes(&dictionary, "ab"), None);
    }

    #[test]
    fn a_pattern_outside_linear_time_is_named_with_the_way_on() {
        for pattern in [r"model\.(?!vision).*", r"(a)\1", "a)|(b", "(?:a{1000}){1000}"] {
            let json = serde_json::json!({ pattern: [] });
            let message = PatternDict::from_json(&json, Path::new("p")).expect_err("refused").to_string();
            assert!(message.contains(pattern) && message.contains("change this pattern or leave it out"), "{message}");
        }
    }
}
