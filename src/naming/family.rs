//! Groups the modules of a model by the parts of their paths that are not numbers. This tells which
//! modules `\d+` would match, without trying every module for every pattern.
//!
//! ```text
//! family     paths that differ only in numbers:  l.#.e.#  holds l.0.e.0, l.0.e.1, l.1.e.0, ...
//! table      for one family, and the places that may be any number:
//!            its paths by the numbers at the other places
//!            \d+ at the second place -> {0: [l.0.e.0, l.1.e.0], 1: [l.0.e.1]}
//! question   how many paths does l.\d+.e.1 match? -> the length of one list,
//!            not a walk over all modules
//! ```
//!
//! A family gets a few tables, each built once. So all questions together cost as much as the names
//! are long.

use crate::files::dotted::{is_decimal, parent_and_last, prefixes};

use std::collections::{HashMap, HashSet};

/// Most tables of a family. Real models need three: experts by layer, layers by expert, and both. A
/// family that needs more was built to be slow.
const MOST_TABLES: usize = 64;

/// A path with its numbers left out, place by place.
type Mask<'a> = Vec<Option<&'a str>>;
/// Paths by their components at some of the places.
type Table<'a> = HashMap<Vec<&'a str>, Vec<&'a str>>;

/// The modules of a model.
pub(crate) struct Families<'a> {
    modules: HashSet<&'a str>,
    families: HashMap<Mask<'a>, Family<'a>>,
    /// For each path, the lowest number below it that is not the name of a module.
    first_unseen: HashMap<&'a str, u64>,
}

#[derive(Default)]
struct Family<'a> {
    paths: Vec<&'a str>,
    tables: HashMap<Vec<bool>, Table<'a>>,
}

/// Masks the numbers of a path.
fn mask<'a>(components: impl Iterator<Item = &'a str>) -> Mask<'a> {
    // Digits of any script, because `\d` matches more than ASCII digits.
    let is_number = |component: &str| !component.is_empty() && component.chars().all(char::is_numeric);
    components.map(|component| (!is_number(component)).then_some(component)).collect()
}

impl<'a> Families<'a> {
    pub fn new(modules: HashSet<&'a str>) -> Families<'a> {
        let mut families: HashMap<Mask<'a>, Family<'a>> = HashMap::new();
        for &module in &modules {
            families.entry(mask(module.split('.'))).or_default().paths.push(module);
        }
        Families { modules, families, first_unseen: HashMap::new() }
    }

    /// Takes a product of sets of components. Each set is one component or several numbers. The
    /// places in `any` become `\d+`. Returns `true` if the modules that then match are exactly
    /// those of the product, and every number below the highest one at such a place has a module.
    pub fn matches_only(&mut self, product: &[Vec<&'a str>], any: &[bool]) -> bool {
        let only_numbers = |(set, &any): (&Vec<&str>, &bool)| !any || set.iter().all(|component| is_decimal(component));
        if !product.iter().zip(any).all(only_numbers) {
            return false;
        }
        let Some(family) = self.families.get_mut(&mask(product.iter().map(|set| set[0]))) else { return false };
        let Some(table) = family.table(any) else { return false };
        let size = product.iter().fold(1_usize, |size, set| size.saturating_mul(set.len()));
        let fixed: Vec<&Vec<&str>> = product.iter().zip(any).filter(|&(_, &any)| !any).map(|(set, _)| set).collect();
        let mut matching = Vec::new();
        for numbers in all_choices(&fixed) {
            let paths = table.get(&numbers).map_or(&[][..], Vec::as_slice);
            if matching.len() + paths.len() > size {
                return false;
            }
            matching.extend_from_slice(paths);
        }
        matching.len() == size && matching.into_iter().all(|path| self.all_below_are_seen(path, any))
    }

    /// Whether, at each place in `any`, every number below the one in `path` has a module.
    fn all_below_are_seen(&mut self, path: &'a str, any: &[bool]) -> bool {
        let places = prefixes(path).zip(any).filter(|&(_, &any)| any).map(|(path, _)| parent_and_last(path));
        for (parent, number) in places {
            let Families { modules, first_unseen, .. } = self;
            let first_unseen = *first_unseen.entry(parent).or_insert_with(|| {
                let child =
                    |number: u64| if parent.is_empty() { number.to_string() } else { format!("{parent}.{number}") };
                (0..u64::MAX).find(|&number| !modules.contains(child(number).as_str())).unwrap_or(u64::MAX)
            });
            if number.parse().map_or(true, |number: u64| number > first_unseen) {
                return false;
            }
        }
        true
    }
}

impl<'a> Family<'a> {
    /// Its paths by the components at the places that are not `any`; `None` if it has too many
    /// tables.
    fn table(&mut self, any: &[bool]) -> Option<&Table<'a>> {
        if !self.tables.contains_key(any) {
            if self.tables.len() == MOST_TABLES {
                return None;
            }
            let mut table: Table<'a> = HashMap::new();
            for path in &self.paths {
                let fixed = path.split('.').zip(any).filter_map(|(component, &any)| (!any).then_some(component));
                table.entry(fixed.collect()).or_default().push(path);
            }
            self.tables.insert(any.to_vec(), table);
        }
        self.tables.get(any)
    }
}

/// Every way to choose one component from each set.
fn all_choices<'s, 'a>(sets: &'s [&'s Vec<&'a str>]) -> impl Iterator<Item = Vec<&'a str>> + 's {
    let count = sets.iter().fold(1_usize, |count, set| count.saturating_mul(set.len()));
    (0..count).map(move |mut index| {
        let choose = |set: &&'s Vec<&'a str>| {
            let chosen = set[index % set.len()];
            index /= set.len();
            chosen
        };
        sets.iter().map(choose).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::sampling::scatter;
    use regex::Regex;

    /// Answers the same question by trying every module.
    fn matches_only_by_trying(modules: &HashSet<&str>, product: &[Vec<&str>], any: &[bool]) -> bool {
        let place = |(set, &any): (&Vec<&str>, &bool)| match any {
            true => r"\d+".to_owned(),
            false => format!("(?:{})", set.iter().map(|one| regex::escape(one)).collect::<Vec<_>>().join("|")),
        };
        let pattern: Vec<String> = product.iter().zip(any).map(place).collect();
        let pattern = Regex::new(&format!(r"\A(?:{})\z", pattern.join(r"\."))).expect("a pattern");
        let matching: Vec<&&str> = modules.iter().filter(|module| pattern.is_match(module)).collect();
        let is_seen = |path: &str| {
            let (parent, number) = parent_and_last(path);
            let child = |number: u64| if parent.is_empty() { number.to_string() } else { format!("{parent}.{number}") };
            number.parse().is_ok_and(|number| (0..number).all(|number| modules.contains(child(number).as_str())))
        };
        let all_seen = |path: &&&str| prefixes(path).zip(any).all(|(path, &any)| !any || is_seen(path));
        matching.len() == product.iter().map(Vec::len).product::<usize>() && matching.iter().all(all_seen)
    }

    #[test]
    fn the_answer_is_that_of_trying_every_module() {
        let components = ["0", "1", "2", "3", "007", "a", "#", "٣", ""];
        let (mut state, mut yes) = (0, 0);
        let mut choose = |most: u64| {
            state += 1;
            (scatter(state) % most) as usize
        };
        for _ in 0..4000 {
            let names: Vec<String> = (0..1 + choose(30))
                .map(|_| {
                    (0..1 + choose(3))
                        .map(|_| components[choose(5) + choose(2) * choose(5)])
                        .collect::<Vec<_>>()
                        .join(".")
                })
                .collect();
            let modules: HashSet<&str> = names.iter().flat_map(|name| prefixes(name)).collect();
            let places = 1 + choose(3);
            let product: Vec<Vec<&str>> = (0..places)
                .map(|_| {
                    let (from, several) = (choose(5), 1 + choose(3));
                    if several > 1 {
                        components[from..5].iter().take(several).copied().collect()
                    } else {
                        vec![components[choose(9)]]
                    }
                })
                .collect();
            let any: Vec<bool> = (0..places).map(|place| product[place].len() > 1 && choose(2) == 0).collect();
            let expected = matches_only_by_trying(&modules, &product, &any);
            let found = Families::new(modules.clone()).matches_only(&product, &any);
            assert!(found == expected, "{modules:?} {product:?} {any:?}: {found}");
            yes += u32::from(found);
        }
        assert!(yes > 100, "{yes}");
    }

    #[test]
    fn a_family_of_any_holes_is_looked_at_a_few_times_only() {
        let names: Vec<String> = (0..200_000).map(|index| format!("l.{index}.{}", index / 2)).collect();
        let modules: HashSet<&str> = names.iter().flat_map(|name| prefixes(name)).collect();
        let began = std::time::Instant::now();
        let mut families = Families::new(modules);
        for pair in names.chunks_exact(2) {
            let [one, other] = [0, 1].map(|index| pair[index].split('.').collect::<Vec<_>>());
            let product = [vec![one[0]], vec![one[1], other[1]], vec![one[2]]];
            assert!(families.matches_only(&product, &[false, true, false]));
            assert!(!families.matches_only(&product, &[false, true, true]));
        }
        let family = &families.families[&mask(names[0].split('.'))];
        assert_eq!((family.paths.len(), family.tables.len(), families.first_unseen.len()), (200_000, 2, 1));
        // Takes one second by itself. A walk over all modules for each pair takes minutes.
        assert!(began.elapsed().as_secs() < 40, "{:?}", began.elapsed());
    }

    #[test]
    fn a_family_with_a_table_for_every_pair_of_places_gets_no_more_than_a_few() {
        let name = vec!["0"; 31];
        let product: Vec<Vec<&str>> = name.iter().map(|zero| vec![*zero]).collect();
        let path = name.join(".");
        let mut families = Families::new(prefixes(&path).collect());
        let mut general = 0;
        for (one, other) in (0..31).flat_map(|one| (0..one).map(move |other| (one, other))) {
            let any: Vec<bool> = (0..31).map(|place| place == one || place == other).collect();
            general += usize::from(families.matches_only(&product, &any));
        }
        assert_eq!(general, MOST_TABLES);
    }
}
